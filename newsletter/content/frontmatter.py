"""Front matter of items and pages: what the keys mean and which values make sense.

Faults come back as notes with the line of the file, all of them, never as exceptions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from babel import Locale

from newsletter.content import alternatives, fields
from newsletter.content.fields import Fields
from newsletter.content.names import picture_fault, picture_said
from newsletter.content.safety import WEB
from newsletter.content.source import Note
from newsletter.i18n import Said

READY, DRAFT = "ready", "draft"
LONGEST_TITLE = 120
LONGEST_SUMMARY = 600

ITEM_KEYS = (
    "title", "date", "status", "topics", "summary", "image", "image_alt", "image_credit", "link",
    "country", "municipality", "partner", "sdgs", "deadline", "event", "sources", "original",
)  # fmt: skip
_PAGE_KEYS = ("title", "summary", "order", "updated")
# Codes that CLDR knows but that are no country (ISO 3166-1 reserves or does not know them).
_NO_COUNTRY = {
    "AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ",
}  # fmt: skip
COUNTRIES = frozenset(
    str(code) for code in Locale("en").territories if re.fullmatch("[A-Z]{2}", str(code))
) - frozenset(_NO_COUNTRY)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Event:
    """When and where something happens; a date for whole days, else an aware datetime.

    `end` is None for an event without a known end; `place` may be empty."""

    start: Day | datetime
    end: Day | datetime | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The facts of one item in one language; texts are one line, empty where not given."""

    title: str
    date: Day
    status: str
    topics: tuple[str, ...]
    summary: str
    image: str = ""
    image_alt: str = ""
    image_credit: str = ""
    link: str = ""
    country: str = ""
    municipality: str = ""
    partner: str = ""
    sdgs: tuple[int, ...] = ()
    deadline: Day | None = None
    event: Event | None = None
    sources: tuple[Source, ...] = ()
    original: str = ""  # of a translation: what the Dutch text was when it was made (translations)


@dataclass(frozen=True, slots=True)
class PageMatter:
    """The facts of one page of the site in one language."""

    title: str
    summary: str
    order: int = 0
    updated: Day | None = None


Matter = TypeVar("Matter", bound=FrontMatter | PageMatter)


@dataclass(frozen=True, slots=True)
class Read(Generic[Matter]):
    """What a header says; `value` is None when a note tells why, `lines` where each key stands."""

    value: Matter | None
    lines: Mapping[str, int]
    notes: tuple[Note, ...]


def read_item(header: str, zone: ZoneInfo) -> Read[FrontMatter]:
    """Front matter of an item (header as cut by `source.read`). Event times without an offset are
    on the clocks of `zone`. Topics and image are not looked up: that is the library's."""
    notes: list[Note] = []
    found = fields.parse(header, ITEM_KEYS, notes)
    if found is None:
        return Read(None, {}, tuple(notes))
    found.require("title", "date", "status", "topics", "summary")
    value = FrontMatter(
        title=found.text("title", LONGEST_TITLE) or "",
        date=found.day("date") or Day.min,
        status=found.word("status", (DRAFT, READY)) or DRAFT,
        topics=_topics(found),
        summary=found.text("summary", LONGEST_SUMMARY) or "",
        image=_image(found),
        image_alt=found.text("image_alt") or "",
        image_credit=found.text("image_credit") or "",
        link=found.url("link") or "",
        country=_country(found),
        municipality=found.text("municipality", 100) or "",
        partner=found.text("partner", 100) or "",
        sdgs=found.numbers("sdgs", 1, 17),
        deadline=found.day("deadline"),
        event=_event(found, zone),
        sources=_sources(found),
        original=found.text("original") or "",
    )
    if value.deadline and value.deadline < value.date:
        message = Said("De uiterste dag valt voor de datum; verbeter “deadline” of “date”.")
        found.refuse("deadline", message)
    return Read(None if notes else value, found.lines(), tuple(notes))


def read_page(header: str) -> Read[PageMatter]:
    """Front matter of a page of the site."""
    notes: list[Note] = []
    found = fields.parse(header, _PAGE_KEYS, notes)
    if found is None:
        return Read(None, {}, tuple(notes))
    found.require("title", "summary")
    value = PageMatter(
        title=found.text("title", LONGEST_TITLE) or "",
        summary=found.text("summary", LONGEST_SUMMARY) or "",
        order=found.number("order", 0, 9999) or 0,
        updated=found.day("updated"),
    )
    return Read(None if notes else value, found.lines(), tuple(notes))


def _topics(found: Fields) -> tuple[str, ...]:
    before = len(found.notes)
    topics = found.texts("topics")
    if found.has("topics") and not topics and len(found.notes) == before:
        found.refuse("topics", Said("“topics” is leeg; noem minstens één thema."))
    return topics


def _country(found: Fields) -> str:
    code = found.text("country")
    if code is not None and code not in COUNTRIES:
        message = Said(
            "“%(code)s” in “country” is geen landcode (ISO 3166-1); schrijf twee hoofdletters, "
            "zoals BJ.",
            code=code[:40],
        )
        found.refuse("country", message)
    return code or ""


def _image(found: Fields) -> str:
    image = found.text("image")
    if image is None:
        for name in ("image_alt", "image_credit"):
            if found.has(name) and not found.has("image"):
                message = Said(
                    "Bij “%(key)s” hoort een foto in “image”; zet die erbij of haal dit weg.",
                    key=name,
                )
                found.refuse(name, message)
        return ""
    if fault := picture_fault(image):
        found.refuse("image", picture_said(image, fault))
    if not found.has("image_alt"):
        message = Said("Bij “image” hoort “image_alt”: zeg daarin wat er op de foto te zien is.")
        found.refuse("image", message)
    alt = found.text("image_alt")
    if alt is not None and (fault := alternatives.fault(alt, image)):
        found.refuse("image_alt", alternatives.said(image, fault))
    return image


def _event(found: Fields, zone: ZoneInfo) -> Event | None:
    group = found.group("event", ("start", "end", "place"))
    if group is None:
        return None
    group.require("start")
    start, end = group.moment("start", zone), group.moment("end", zone)
    event = Event(start or Day.min, end, group.text("place", 200) or "")
    if start and end and _is_before(end, start):
        message = Said("Het evenement eindigt voor het begint; verbeter “start” of “end”.")
        group.refuse("end", message)
    return event


def _is_before(one: Day | datetime, other: Day | datetime) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one < other
    return _day_of(one) < _day_of(other)


def _day_of(value: Day | datetime) -> Day:
    return value.date() if isinstance(value, datetime) else value


def _sources(found: Fields) -> tuple[Source, ...]:
    sources = []
    for group in found.groups("sources", ("title", "url")):
        group.require("title", "url")
        sources.append(Source(group.text("title") or "", group.url("url", WEB) or ""))
    return tuple(sources)
