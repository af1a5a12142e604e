"""The archive: finding items, what machines read of them, and what need not be sent twice."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import html5lib
import pytest
from sqlalchemy import select, update

from newsletter.delivery.message import Gap, gap
from newsletter.i18n import LOCALES
from newsletter.links import Links
from newsletter.models import Edition, Issue, IssueState, Piece
from newsletter.web import keeping, sitemap
from tests.web.conftest import PUBLISHED, WAITING, World, headers_of

ITEM = f"/items/{PUBLISHED[0]}"
SUBJECTS = ("/topics/bestuur", "/countries/bj", "/places/roeselare", "/places/dogbo", "/sdgs/16")
KEPT = ("/issues/", "/issues/1", "/issues/1/mail", ITEM, *SUBJECTS, "/feed.atom", "/agenda.ics")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("path", SUBJECTS)
def test_a_page_for_each_topic_country_place_and_goal(
    issued: World, locale: str, path: str
) -> None:
    page = issued.client.get(f"/{locale}{path}").text
    assert f'href="/{locale}{ITEM}"' in page
    assert page.count("<h1") == 1
    for other in LOCALES:
        assert f'hreflang="{other}" href="https://nieuws.test/{other}{path}"' in page
    for feed in ("feed.atom", "feed.json", "agenda.ics"):
        assert f'href="https://nieuws.test/{locale}{path}/{feed}"' in page
    html5lib.HTMLParser(strict=True).parse(page)


@pytest.mark.parametrize(
    "path",
    [
        "/topics/onzin",
        "/topics/BESTUUR",
        "/countries/BJ",
        "/countries/xx",
        "/places/atlantis",
        "/places/" + "a" * 5000,
        "/places/%00",
        "/items/%00",
        "/sdgs/0",
        "/sdgs/18",
        "/sdgs/016",
        "/topics/bestuur/1",
        "/topics/bestuur/2",
        "/topics/bestuur/0",
        "/planets/mars",
        "/topics/onzin/feed.atom",
        "/places/atlantis/agenda.ics",
    ],
)
def test_what_nothing_is_about_has_no_page(issued: World, path: str) -> None:
    assert issued.client.get(f"/nl{path}").status_code == 404


@pytest.mark.parametrize("path", ["/topics/economie", "/sdgs/1"])
def test_what_nothing_is_about_yet_says_so(issued: World, path: str) -> None:
    page = issued.client.get(f"/nl{path}").text
    assert "Hierover verscheen nog niets." in page
    assert "canonical" not in page, "search engines can wait"


def test_a_long_list_has_pages(issued: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.issues.reading.PAGE", 1)
    monkeypatch.setattr("newsletter.issues.reading.items.__defaults__", (1,))
    first, second = (issued.client.get(f"/nl/topics/agenda{n}").text for n in ("", "/2"))
    assert 'rel="next" href="/nl/topics/agenda/2"' in first
    assert 'rel="prev" href="/nl/topics/agenda"' in second
    assert 'rel="canonical" href="https://nieuws.test/nl/topics/agenda/2"' in second
    titles = [re.findall(r'<a href="(/nl/items/[^"]+)"', page) for page in (first, second)]
    assert len(titles[0]) == len(titles[1]) == 1
    assert titles[0] != titles[1]
    assert issued.client.get("/nl/topics/agenda/3").status_code == 404


def test_an_item_leads_to_all_it_is_about(issued: World) -> None:
    page = issued.client.get(f"/nl{ITEM}").text
    for path in SUBJECTS:
        assert f'href="/nl{path}"' in page
        assert issued.client.get(f"/nl{path}").status_code == 200
    for path in ("/nl/", "/nl/issues/1"):
        listed = issued.client.get(path).text
        assert 'href="/nl/sdgs/16"' in listed
        assert 'href="/nl/topics/' in listed


# --- the search -----------------------------------------------------------------------------------


def test_the_search_page(issued: World) -> None:
    answer = issued.client.get("/nl/search?q=registers+van+Roeselare")
    page = answer.text
    assert "<title>1 stuk gevonden: registers van Roeselare – Fiabel</title>" in page
    assert '<label for="q">' in page
    assert 'value="registers van Roeselare"' in page
    assert "<mark>" in page
    assert f'href="/nl{ITEM}"' in page
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "canonical" not in page
    html5lib.HTMLParser(strict=True).parse(page)


@pytest.mark.parametrize("locale", LOCALES)
def test_without_a_question_there_is_everything_to_choose_from(issued: World, locale: str) -> None:
    page = issued.client.get(f"/{locale}/search?q=+").text
    for path in SUBJECTS:
        assert f'href="/{locale}{path}"' in page
    assert "<mark>" not in page
    html5lib.HTMLParser(strict=True).parse(page)


@pytest.mark.parametrize(
    "query",
    [
        "q=%3Cscript%3Ealert(1)%3C/script%3E",
        "q=%00",
        "q=%FF%FE",
        "q=%22%22%22",
        "q=a&page=0",
        "q=benin&page=99999999999999",
        "q=benin&page=-1",
        "q=benin&page=%D9%A3",
        "q=" + "a" * 3000,
        "page=2",
        "Q=x",
    ],
)
def test_every_question_gets_a_page(issued: World, query: str) -> None:
    answer = issued.client.get(f"/nl/search?{query}")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)


def test_what_waits_is_not_found(issued: World) -> None:
    page = issued.client.get("/nl/search?q=Chefchaouen").text
    assert "Niets gevonden" in page
    assert WAITING not in page


# --- what machines read ---------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_an_item_is_a_news_article(issued: World, locale: str) -> None:
    page = issued.client.get(f"/{locale}{ITEM}").text
    [data] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    article = json.loads(data)
    assert article["@type"] == "NewsArticle"
    assert article["inLanguage"] == locale
    assert article["url"] == f"https://nieuws.test/{locale}{ITEM}"
    assert article["headline"] in page
    assert datetime.fromisoformat(article["datePublished"]).tzinfo
    assert article["image"] == ["https://nieuws.test/patterns/roeselare-dogbo-bj.png"]
    assert article["publisher"]["name"] == issued.settings.org_name
    assert "Benin" in article["contentLocation"]["name"] or locale == "fr"


def test_data_cannot_end_its_script(issued: World) -> None:
    with issued.database.write() as session:
        change = update(Piece).where(Piece.slug == PUBLISHED[0])
        session.execute(change.values(title='</script><script>alert("&")</script>', facts={}))
    page = issued.client.get(f"/nl{ITEM}").text
    assert page.count("<script") == 1
    [data] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert json.loads(data)["headline"] == '</script><script>alert("&")</script>'


@pytest.mark.parametrize("path", ["/", "/issues/1", ITEM, "/topics/bestuur", "/about/privacy"])
def test_a_page_says_how_it_looks_where_it_is_shared(issued: World, path: str) -> None:
    page = issued.client.get(f"/fr{path}").text
    found = dict(re.findall(r'<meta property="(og:[a-z_:]+)" content="([^"]*)">', page))
    assert found["og:title"]
    assert found["og:description"]
    assert found["og:url"] == f"https://nieuws.test/fr{path}"
    assert found["og:locale"] == "fr_BE"
    assert found["og:type"] == ("article" if path == ITEM else "website")
    picture = found["og:image"].removeprefix("https://nieuws.test")
    assert issued.client.get(picture).mimetype == "image/png"


def test_a_page_that_is_not_indexed_is_not_shared_either(issued: World) -> None:
    assert "og:title" not in issued.client.get("/nl/search").text
    assert "og:title" not in issued.client.get("/nl/nergens").text


def test_the_site_map_names_every_page_once(issued: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "PAGES", 7)
    spaces = {"s": sitemap.SCHEMA, "x": sitemap.XHTML}
    index = ElementTree.fromstring(issued.client.get("/sitemap.xml").data)  # noqa: S314
    parts = [str(one.text) for one in index.findall("s:sitemap/s:loc", spaces)]
    assert len(parts) > 1
    found: list[str] = []
    for part in parts:
        answer = issued.client.get(part.removeprefix("https://nieuws.test"))
        assert answer.content_type == "application/xml; charset=utf-8"
        for url in ElementTree.fromstring(answer.data).findall("s:url", spaces):  # noqa: S314
            address = url.findtext("s:loc", "", spaces)
            others = [link.get("href") for link in url.findall("x:link", spaces)]
            assert not others or address in others
            found.append(address.removeprefix("https://nieuws.test"))
    assert len(found) == len(set(found))
    assert {"/nl/", "/fr/issues/1", f"/de{ITEM}", "/en/sdgs/16", "/nl/about/privacy"} <= set(found)
    assert f"/de/items/{PUBLISHED[2]}" not in found, "it is not written in German"
    assert not any(WAITING in path for path in found)
    for path in found:
        page = issued.client.get(path)
        assert page.status_code == 200
        assert f'rel="canonical" href="https://nieuws.test{path}"' in page.text
    number = len(parts) + 1
    assert issued.client.get(f"/sitemap-{number}.xml").status_code == 404


def test_the_site_map_of_an_empty_site(world: World) -> None:
    assert b"/nl/about/privacy" in world.client.get("/sitemap-1.xml").data
    assert b"sitemap-1.xml" in world.client.get("/sitemap.xml").data


# --- what need not be sent twice ------------------------------------------------------------------


@pytest.mark.parametrize("path", KEPT)
def test_what_has_not_changed_is_not_sent_again(issued: World, path: str) -> None:
    first = issued.client.get(f"/nl{path}")
    etag, changed = first.headers["ETag"], first.headers["Last-Modified"]
    again = issued.client.get(f"/nl{path}", headers={"If-None-Match": f'"x", {etag}'})
    since = issued.client.get(f"/nl{path}", headers={"If-Modified-Since": changed})
    for answer in (again, since):
        assert answer.status_code == 304
        assert answer.data == b""
        assert answer.headers["ETag"] == etag
    head = issued.client.head(f"/nl{path}")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == etag
    assert head.headers["Content-Length"] == str(len(first.data))
    twice = issued.client.get(f"/nl{path}")
    assert twice.data == first.data
    assert headers_of(twice) == headers_of(first)
    assert "Vary" not in first.headers, "its address names its language"
    other = issued.client.get(f"/fr{path}", headers={"If-None-Match": etag})
    assert other.status_code == 200


def publish(world: World) -> None:
    """The issue that waited is planned."""
    with world.database.write() as session:
        at = datetime.now(UTC) + timedelta(minutes=1)
        change = update(Issue).where(Issue.number == 2)
        session.execute(change.values(planned_at=at, state=IssueState.SENT))


def rename(world: World) -> None:
    """A topic gets another name."""
    world.app.extensions["newsletter"].library.topics()["bestuur"]["nl"] = "Anders"


@pytest.mark.parametrize("change", [publish, rename])
def test_what_has_changed_is_sent(
    issued: World, change: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = issued.app.extensions["newsletter"].library
    names = {key: dict(name) for key, name in library.topics().items()}
    monkeypatch.setattr(library, "topics", lambda: names)
    before = issued.client.get(f"/nl{ITEM}")
    change(issued)
    after = issued.client.get(f"/nl{ITEM}", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert ("Anders" in after.text) == (change is rename)


def test_a_page_that_is_not_there_has_no_etag(issued: World) -> None:
    assert "ETag" not in issued.client.get("/nl/items/nergens").headers


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_OCTETS", 100)
    store = keeping.Store()
    for name in "abc":
        store.put(name, keeping.Kept(b"x" * 40, ()))
        store.get("a")
    store.put("d", keeping.Kept(b"x" * 101, ()))
    assert [bool(store.get(name)) for name in "abcd"] == [True, False, True, False]


def test_static_files_are_immutable(world: World) -> None:
    page = world.client.get("/nl/").text
    addresses = re.findall(r'"(/static/[^"]+)"', page)
    assert addresses
    for address in addresses:
        answer = world.client.get(address)
        assert "immutable" in answer.headers["Cache-Control"]
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        answer.close()
    for address in ("/static/fiabel.css", "/static/fiabel.css?v=old"):
        answer = world.client.get(address)
        assert answer.headers["Cache-Control"] == "no-cache", "without its hash it may change"
        answer.close()
    assert world.client.get("/static/nothing.css").status_code == 404


# --- view in browser ------------------------------------------------------------------------------


def test_htm_25_the_page_of_a_mail_is_the_mail(issued: World) -> None:
    """Octet for octet what was sent to readers of every topic, but for their own links."""
    with issued.database.write() as session:
        mine = select(Piece.id).where(Piece.issue_number == 1, Piece.locale == "fr")
        ids = session.scalars(mine.order_by(Piece.position)).all()
        links = Links(issued.settings.base_url)
        leave = links.unsubscribe(gap(Gap.UNSUBSCRIBE))
        choose = links.preferences("fr", gap(Gap.PREFERENCES))
        html = f'<html lang="fr"><a href="{leave}">x</a> <a href="{choose}">y</a> envoyé</html>'
        whole = ",".join(map(str, ids))
        for pieces, text in ((whole, html), (whole + "+", "older"), (str(ids[0]), "one topic")):
            edition = Edition(
                issue_number=1,
                locale="fr",
                piece_ids=pieces,
                subject="",
                html=text,
                text="",
                hash="",
            )
            session.add(edition)
    home = links.home("fr")
    expected = f'<html lang="fr"><a href="{home}">x</a> <a href="{home}">y</a> envoyé</html>'
    assert issued.client.get("/fr/issues/1/mail").text == expected
    assert "<h1" in issued.client.get("/nl/issues/1/mail").text, "made as it would have been"
