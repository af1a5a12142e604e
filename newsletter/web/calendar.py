"""Events and deadlines of items as an iCalendar (RFC 5545) that calendars can subscribe to."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from newsletter import i18n
from newsletter.web.syndication import Feed, Item

LONGEST_LINE = 75  # octets, without the line break (RFC 5545 3.1)
REFRESH = "P1D"  # how often a calendar should ask again (RFC 7986 5.7)
ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
# Everything else that is no text: it would end or spoil a line.
CONTROLS = dict.fromkeys([*range(10), *range(11, 32), 127, 0x85, 0x2028, 0x2029])


def calendar(feed: Feed) -> bytes:
    """The dates of a feed's items, one VEVENT each."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:-//{_text(feed.settings.org_name)}//Fiabel//{feed.locale.upper()}",
        "CALSCALE:GREGORIAN",
        f"NAME:{_text(feed.title)}",
        f"X-WR-CALNAME:{_text(feed.title)}",
        f"DESCRIPTION:{_text(feed.subtitle)}",
        f"URL:{feed.home}",
        f"SOURCE;VALUE=URI:{feed.address}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}",
        f"X-PUBLISHED-TTL:{REFRESH}",
        *(line for item in feed.items for line in _events(feed, item)),
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


def _events(feed: Feed, item: Item) -> Iterator[str]:
    piece = item.tale.story.piece
    if piece.deadline:
        title = i18n.translate(feed.locale, "Deadline: %(date)s", date=piece.title)
        yield from _event(feed, item, "deadline", title, _days(piece.deadline, piece.deadline))
    if event := piece.facts.get("event"):
        yield from _event(feed, item, "event", piece.title, _times(event), event.get("place"))


def _event(
    feed: Feed, item: Item, what: str, title: str, times: list[str], place: str | None = None
) -> Iterator[str]:
    """One VEVENT. Its UID stays the same whatever is changed in the item (RFC 7986 5.3)."""
    story, language = item.tale.story, item.tale.story.piece.language
    at = _utc(item.updated_at)
    yield "BEGIN:VEVENT"
    yield f"UID:{story.piece.slug}-{what}@{urlsplit(feed.settings.base_url).hostname}"
    yield f"DTSTAMP:{at}"
    yield f"LAST-MODIFIED:{at}"
    yield f"CREATED:{_utc(item.first_at)}"
    yield from times
    yield f"SUMMARY;LANGUAGE={language}:{_text(title)}"
    told = _text(f"{story.piece.summary}\n\n{story.url}")
    yield f"DESCRIPTION;LANGUAGE={language}:{told}"
    yield f"URL:{story.url}"
    if place:
        yield f"LOCATION;LANGUAGE={language}:{_text(place)}"
    if topics := ",".join(_text(topic.name) for topic in item.tale.topics):
        yield f"CATEGORIES:{topics}"
    yield "CLASS:PUBLIC"
    yield "TRANSP:TRANSPARENT"  # it makes nobody busy
    yield "END:VEVENT"


def _times(event: dict[str, Any]) -> list[str]:
    """Days, or moments in UTC; an event without an end begins and has no length."""
    start, end = event["start"], event.get("end") or event["start"]
    if "T" not in start or "T" not in end:
        return _days(date.fromisoformat(start[:10]), date.fromisoformat(end[:10]))
    since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
    return [f"DTSTART:{_utc(since)}", *([f"DTEND:{_utc(until)}"] if until > since else [])]


def _days(start: date, end: date) -> list[str]:
    """Whole days, the last one included: DTEND is the day after it (RFC 5545 3.6.1)."""
    after = max(start, end) + timedelta(days=1)
    return [f"DTSTART;VALUE=DATE:{start:%Y%m%d}", f"DTEND;VALUE=DATE:{after:%Y%m%d}"]


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    """A value of type TEXT (RFC 5545 3.3.11)."""
    return value.replace("\r\n", "\n").translate(CONTROLS).translate(ESCAPES)


def _folded(line: str) -> bytes:
    """A content line with CRLF, folded between characters, never within one."""
    parts, room = [b""], LONGEST_LINE
    for sign in line:
        octets = sign.encode()
        if len(octets) > room:
            parts.append(b"")
            room = LONGEST_LINE - 1  # the blank a folded line begins with
        parts[-1] += octets
        room -= len(octets)
    return b"\r\n ".join(parts) + b"\r\n"
