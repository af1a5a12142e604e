"""What programs read of the archive, judged by validators that are not ours: vobject (RFC 5545),
atoma (JSON Feed) and Protego (RFC 9309). For Atom no package has a validator: the rules of RFC 4287
stand here, as it says them. Each judge first proves that it sees a fault."""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import atoma  # type: ignore[import-untyped]
import pytest
import vobject  # type: ignore[import-untyped]
from protego import Protego

from newsletter.i18n import LOCALES
from newsletter.web import sitemap
from tests.web.conftest import PUBLISHED, World

pytestmark = pytest.mark.sqlite("what a page shows does not depend on the database")

WHERE = ("", "/topics/agenda", "/places/dogbo", "/countries/bj", "/sdgs/16", "/topics/economie")
ATOM = "{http://www.w3.org/2005/Atom}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")  # RFC 4287, 3.3
ABSOLUTE = re.compile(r"https?://[^\s<>\"{}|\\^`]+")
ONCE = ("id", "title", "updated")  # in a feed and in each entry (4.1.1, 4.1.2)
AT_MOST_ONCE = {
    "feed": ("generator", "icon", "logo", "rights", "subtitle"),
    "entry": ("content", "published", "rights", "source", "summary"),
}
MANY = ("author", "category", "contributor", "link", "entry")
URLS, OCTETS = 50_000, 50 * 1024 * 1024  # of a site map (sitemaps.org)


def judge_atom(data: bytes) -> list[str]:
    """What RFC 4287 does not allow, in words."""
    feed = ElementTree.fromstring(data)  # noqa: S314 (our own)
    faults = [] if feed.tag == f"{ATOM}feed" else ["the root is no feed"]
    faults += judge_element(feed, "feed")
    entries = feed.findall(f"{ATOM}entry")
    for entry in entries:
        faults += judge_element(entry, "entry")
        if feed.find(f"{ATOM}author") is None and entry.find(f"{ATOM}author") is None:
            faults.append("nobody is the author")
    ids = Counter(entry.findtext(f"{ATOM}id") for entry in entries)
    return faults + [f"{id} twice" for id, count in ids.items() if count > 1]


def judge_element(one: Element, kind: str) -> list[str]:
    names = [child.tag.removeprefix(ATOM) for child in one]
    known = {*ONCE, *AT_MOST_ONCE[kind], *MANY}
    faults = [f"{kind}: {name} is unknown" for name in names if name not in known]
    faults += [f"{kind}: not one {name}" for name in ONCE if names.count(name) != 1]
    faults += [f"{kind}: two of {name}" for name in AT_MOST_ONCE[kind] if names.count(name) > 1]
    for child in one:
        name, text = child.tag.removeprefix(ATOM), child.text or ""
        if name in ("updated", "published") and not MOMENT.fullmatch(text):
            faults.append(f"{kind}: {text} is no moment")
        if name == "id" and not ABSOLUTE.fullmatch(text):
            faults.append(f"{kind}: {text} is no IRI")
        if name == "link" and not ABSOLUTE.fullmatch(child.get("href", "")):
            faults.append(f"{kind}: a link to nowhere")
        if name == "category" and not child.get("term"):
            faults.append(f"{kind}: a category without a term")
        if name == "content" and child.get("type") != "html":
            faults.append(f"{kind}: HTML that does not say so")
    alternates = Counter(
        (link.get("type"), link.get("hreflang"))
        for link in one.findall(f"{ATOM}link")
        if link.get("rel", "alternate") == "alternate"
    )
    return faults + [f"{kind}: two alternates" for count in alternates.values() if count > 1]


def judge_calendar(data: str) -> Any:
    """Raises what vobject finds."""
    found = vobject.readOne(data)
    found.validate(raiseException=True)
    return found


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("where", WHERE)
def test_feeds_stand_before_their_judges(issued: World, locale: str, where: str) -> None:
    at = f"/{locale}{where}"
    assert judge_atom(issued.client.get(f"{at}/feed.atom").data) == []
    feed = atoma.parse_json_feed_bytes(issued.client.get(f"{at}/feed.json").data)
    assert feed.feed_url == f"https://nieuws.test{at}/feed.json"
    assert all(item.date_published and item.date_modified for item in feed.items)
    calendar = judge_calendar(issued.client.get(f"{at}/agenda.ics").text)
    assert all(event.summary.value for event in calendar.contents.get("vevent", []))


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        ("<updated>[^<]*</updated>", ""),
        ("<id>[^<]*</id>", ""),
        ("<title>", "<title>x</title><title>"),
        ("<updated>[^<]*", "<updated>gisteren"),
        ("<id>[^<]*", "<id>een stuk"),
        ("(<link [^>]*alternate[^>]*>)", r"\1\1"),
        ('term="[^"]*"', ""),
        ("<author>.*?</author>", ""),
        ("<summary>", "<summery>x</summery><summary>"),
        ("(<entry .*?</entry>)", r"\1\1"),
    ],
)
def test_the_judge_of_atom_sees_faults(issued: World, pattern: str, instead: str) -> None:
    good = issued.client.get("/nl/feed.atom").text
    bad = re.sub(pattern, instead, good, flags=re.DOTALL)
    assert bad != good
    assert judge_atom(bad.encode())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda feed: feed.pop("title"),
        lambda feed: feed["items"][0].pop("id"),
        lambda feed: feed["items"][0].update(title=3),
        lambda feed: feed.update(version=1),
    ],
)
def test_the_judge_of_json_feeds_sees_faults(
    issued: World, spoil: Callable[[dict[str, Any]], object]
) -> None:
    feed = json.loads(issued.client.get("/nl/feed.json").data)
    spoil(feed)
    with pytest.raises(atoma.FeedParseError):
        atoma.parse_json_feed_bytes(json.dumps(feed).encode())


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        ("UID:.*\r\n", ""),
        ("DTSTAMP:.*\r\n", ""),
        ("PRODID:.*\r\n", ""),
        ("(SUMMARY.*\r\n)", r"\1\1"),
        ("(DTEND.*\r\n)", "\\1DURATION:P1D\r\n"),
        (r"DTSTART;VALUE=DATE:\d+", "DTSTART;VALUE=DATE:2027-01-01"),
    ],
)
def test_the_judge_of_calendars_sees_faults(issued: World, pattern: str, instead: str) -> None:
    good = issued.client.get("/nl/agenda.ics").text
    bad = re.sub(pattern, instead, good)
    assert bad != good
    with pytest.raises((vobject.base.ValidateError, vobject.base.ParseError)):
        judge_calendar(bad)


def test_robots_may_read_all_but_what_is_somebodys(issued: World) -> None:
    """RFC 9309, read by Protego: the parser of Scrapy."""
    said = Protego.parse(issued.client.get("/robots.txt").text)
    assert list(said.sitemaps) == ["https://nieuws.test/sitemap.xml"]
    for path in ("/", "/nl/", f"/de/items/{PUBLISHED[0]}", "/fr/feed.atom", "/static/fiabel.css"):
        assert said.can_fetch(f"https://nieuws.test{path}", "Googlebot"), path
    for path in ("/u/abc", "/nl/preferences/abc", "/en/data/abc", "/de/undo/abc"):
        assert not said.can_fetch(f"https://nieuws.test{path}", "Googlebot"), path


def test_the_site_map_keeps_to_its_limits(issued: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """sitemaps.org: addresses in a part and octets of it, and what each entry says."""
    assert sitemap.PAGES * len(LOCALES) <= URLS
    data = issued.client.get("/sitemap-1.xml").data
    name = f"{{{sitemap.SCHEMA}}}"
    found = ElementTree.fromstring(data).findall(f"{name}url")  # noqa: S314 (our own)
    assert found
    assert len(data) / len(found) * sitemap.PAGES * len(LOCALES) < OCTETS
    for url in found:
        address, at = url.findtext(f"{name}loc", ""), url.findtext(f"{name}lastmod")
        assert ABSOLUTE.fullmatch(address)
        assert address.startswith("https://nieuws.test/")
        assert len(address) < 2048
        assert at is None or MOMENT.fullmatch(at) or re.fullmatch(r"\d{4}-\d\d-\d\d", at)
