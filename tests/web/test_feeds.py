"""Feeds, judged by other programs: feedparser, and the icalendar package."""

import json
from datetime import date, datetime
from typing import Any

import feedparser  # type: ignore[import-untyped]
import html5lib
import icalendar
import pytest
from sqlalchemy import update

from newsletter.i18n import LOCALES
from newsletter.models import Piece
from newsletter.web import calendar
from tests.web.conftest import PICTURED, PUBLISHED, WAITING, World

pytestmark = pytest.mark.sqlite("what a page shows does not depend on the database")

WHERE = ("", "/topics/agenda", "/places/dogbo", "/countries/bj", "/sdgs/16", "/topics/economie")
EVENT, CALL = PUBLISHED[2], PUBLISHED[3]


def read_calendar(data: bytes) -> Any:
    return icalendar.Calendar.from_ical(data)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("where", WHERE)
def test_atom(issued: World, locale: str, where: str) -> None:
    """RFC 4287: what must be there, once, with absolute addresses."""
    path = f"/{locale}{where}/feed.atom"
    answer = issued.client.get(path)
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    feed = feedparser.parse(answer.data)
    assert not feed.bozo
    assert feed.version == "atom10"
    assert feed.feed.id == f"https://nieuws.test{path}"
    assert feed.feed.title
    assert feed.feed.author
    assert feed.feed.language == locale
    assert feed.feed.updated_parsed
    rels = {link.rel: link.href for link in feed.feed.links}
    assert rels["self"] == f"https://nieuws.test{path}"
    assert (
        issued.client.get(rels["alternate"].removeprefix("https://nieuws.test")).status_code == 200
    )
    expected = 0 if where == "/topics/economie" else 1
    assert len(feed.entries) >= expected
    for entry in feed.entries:
        assert entry.id == entry.link
        assert entry.link.startswith(f"https://nieuws.test/{locale}/items/")
        assert entry.title
        assert entry.summary
        assert entry.updated_parsed
        assert entry.published_parsed
        [content] = entry.content
        assert content.type == "text/html"
        assert content.language in (locale, "nl")
        html5lib.parseFragment(content.value)
    assert WAITING not in answer.text


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("where", WHERE)
def test_json_feed(issued: World, locale: str, where: str) -> None:
    """jsonfeed.org, version 1.1."""
    path = f"/{locale}{where}/feed.json"
    answer = issued.client.get(path)
    assert answer.content_type == "application/feed+json; charset=utf-8"
    feed = json.loads(answer.data)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"https://nieuws.test{path}"
    assert feed["language"] == locale
    assert feed["authors"][0]["name"]
    assert len({item["id"] for item in feed["items"]}) == len(feed["items"])
    for item in feed["items"]:
        assert item["url"] == item["id"]
        assert item["url"].startswith(f"https://nieuws.test/{locale}/items/")
        assert item["content_html"]
        assert datetime.fromisoformat(item["date_published"]).tzinfo
        assert datetime.fromisoformat(item["date_modified"]).tzinfo
        kind = "pictures" if PICTURED[0] in item["url"] else "patterns"
        assert item["image"].startswith(f"https://nieuws.test/{kind}/")
        assert item["language"] in (locale, "nl")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("where", WHERE)
def test_icalendar(issued: World, locale: str, where: str) -> None:
    """RFC 5545, read by the icalendar package."""
    answer = issued.client.get(f"/{locale}{where}/agenda.ics")
    assert answer.content_type == "text/calendar; charset=utf-8"
    lines = answer.data.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    found = read_calendar(answer.data)
    assert found["VERSION"] == "2.0"
    assert not found.errors
    for event in found.walk("VEVENT"):
        assert not event.errors
        assert event["UID"].endswith("@nieuws.test")
        assert event["DTSTAMP"].dt.tzinfo
        assert event["URL"].startswith(f"https://nieuws.test/{locale}/items/")
    dated = {"", "/topics/agenda"}
    uids = [event["UID"] for event in found.walk("VEVENT")]
    expected = [f"{EVENT}-event@nieuws.test", f"{CALL}-deadline@nieuws.test"]
    assert sorted(uids) == (sorted(expected) if where in dated else [])


def test_days_of_a_calendar_end_the_day_after(issued: World) -> None:
    found = read_calendar(issued.client.get("/nl/agenda.ics").data)
    events = {event["UID"].partition("@")[0]: event for event in found.walk("VEVENT")}
    week, call = events[f"{EVENT}-event"], events[f"{CALL}-deadline"]
    assert (week["DTSTART"].dt, week["DTEND"].dt) == (date(2027, 9, 18), date(2027, 9, 26))
    assert week["LOCATION"] == "Vlaanderen"
    assert (call["DTEND"].dt - call["DTSTART"].dt).days == 1
    assert call["SUMMARY"].startswith("Deadline: ")


@pytest.mark.parametrize(
    ("start", "end", "lines"),
    [
        (
            "2026-12-01T09:00:00+01:00",
            "2026-12-01T10:30:00+01:00",
            ["DTSTART:20261201T080000Z", "DTEND:20261201T093000Z"],
        ),
        ("2026-07-01T09:00:00+02:00", None, ["DTSTART:20260701T070000Z"]),
        (
            "2026-12-31",
            None,
            ["DTSTART;VALUE=DATE:20261231", "DTEND;VALUE=DATE:20270101"],
        ),
    ],
)
def test_moments_are_in_utc(start: str, end: str | None, lines: list[str]) -> None:
    assert calendar._times({"start": start, "end": end}) == lines


NASTY = 'Één; twee, drie\\vier\r\nBEGIN:VEVENT\r"x" ' + "é🌍" * 60 + "\0\x1f\u2028 ]]> & <b>"


def test_whatever_a_title_holds_feeds_stay_whole(issued: World) -> None:
    with issued.database.write() as session:
        nasty = NASTY.replace("\0", "")  # PostgreSQL keeps none
        change = update(Piece).where(Piece.slug == EVENT, Piece.locale == "nl")
        session.execute(change.values(title=nasty, summary=nasty, html='<p><a href="#a">x</a></p>'))
    answer = issued.client.get("/nl/agenda.ics").data
    assert all(len(line) <= 75 for line in answer.split(b"\r\n"))
    found = read_calendar(answer)
    titles = [str(event["SUMMARY"]) for event in found.walk("VEVENT")]
    assert len(titles) == 2
    assert any(title.startswith("Één; twee, drie\\vier\nBEGIN:VEVENT") for title in titles)
    assert any("é🌍" * 60 in title for title in titles)
    atom = feedparser.parse(issued.client.get("/nl/feed.atom").data)
    assert not atom.bozo
    whole = json.loads(issued.client.get("/nl/feed.json").data)
    [item] = [item for item in whole["items"] if EVENT in item["url"]]
    assert item["title"] == nasty
    assert item["content_html"] == (
        f'<p><a href="https://nieuws.test/nl/items/{EVENT}#a">x</a></p>'
    )


def test_feeds_are_named_in_the_head_and_may_be_read_by_any_page(issued: World) -> None:
    page = issued.client.get("/de/").text
    for name, kind in (
        ("feed.atom", "application/atom+xml"),
        ("feed.json", "application/feed+json"),
        ("agenda.ics", "text/calendar"),
    ):
        assert f'rel="alternate" type="{kind}"' in page
        assert f'href="https://nieuws.test/de/{name}"' in page
        answer = issued.client.get(f"/de/{name}")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Content-Language"] == "de"
        assert "max-age=600" in answer.headers["Cache-Control"]
