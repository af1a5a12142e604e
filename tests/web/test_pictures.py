"""Pictures on the site: from the database, for good, and as large as the place they stand in."""

import io
import json
import re
import shutil
from pathlib import Path

import feedparser  # type: ignore[import-untyped]
import html5lib
import pytest
from PIL import Image
from sqlalchemy import select

from newsletter.app import create_app
from newsletter.i18n import LOCALES
from newsletter.models import Picture, Piece
from tests.web.conftest import PICTURED, PUBLISHED, Build, World

ABOVE, WITHIN = (f"/items/{slug}" for slug in PICTURED)
ALTS = {
    "nl": "Tekening van een vallei in de bergen",
    "fr": "Tekening van een vallei in de bergen",  # there is no French text
    "en": "Drawing of a mountain valley",
    "de": "Zeichnung eines Tals in den Bergen",
}


def served(world: World) -> list[str]:
    with world.database.read() as session:
        return list(session.scalars(select(Picture.name).order_by(Picture.name)))


def tags(page: str) -> list[dict[str, str]]:
    found = html5lib.parse(page, namespaceHTMLElements=False).iter("img")
    return [dict(image.attrib) for image in found]


def test_a_picture_is_served_as_it_was_frozen_and_for_good(issued: World) -> None:
    names = served(issued)
    assert len(names) == 4
    for name in names:
        answer = issued.client.get(f"/pictures/{name}")
        assert answer.status_code == 200
        assert answer.content_type == "image/png"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers
        image = Image.open(io.BytesIO(answer.data))
        assert image.format == "PNG"
        with issued.database.read() as session:
            row = session.get_one(Picture, name)
            assert image.size == (row.width, row.height)
            assert answer.data == row.data
        head = issued.client.head(f"/pictures/{name}")
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Length"] == str(len(answer.data))
        known = {"If-None-Match": answer.headers["ETag"]}
        again = issued.client.get(f"/pictures/{name}", headers=known)
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "0" * 32 + ".jpg",
        "2026/bron-tot-kraan.png",
        "bron-tot-kraan.png",
        "..%2F..%2Ftopics.toml",
        "%2e%2e/topics.toml",
        "%00",
        "x" * 3000,
        "0" * 32 + ".svg",
        "0" * 32,
        "",
    ],
)
def test_what_is_not_there_is_not_served(issued: World, name: str) -> None:
    answer = issued.client.get(f"/pictures/{name}")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers["Cache-Control"]


def test_a_host_without_the_folder_serves_them_too(
    issued: World, build: Build, tmp_path: Path
) -> None:
    empty = tmp_path / "content"
    (empty / "pages").mkdir(parents=True)
    shutil.copy(issued.settings.content_dir / "topics.toml", empty)
    other = build(content_dir=empty)
    assert (
        f"/pictures/{served(issued)[0].partition('-')[0]}" in other.client.get("/nl" + ABOVE).text
    )
    for name in served(issued):
        assert other.client.get(f"/pictures/{name}").status_code == 200


@pytest.mark.parametrize("locale", LOCALES)
def test_the_page_of_an_item_shows_its_picture(issued: World, locale: str) -> None:
    page = issued.client.get(f"/{locale}{ABOVE}").text
    [image] = tags(page)
    name = image["src"].removeprefix("/pictures/")
    assert name in served(issued)
    assert image["alt"].startswith(ALTS[locale])
    assert (image["width"], image["height"]) == ("1200", "800")
    small = name.replace(".png", "-600.png")
    assert image["srcset"] == f"/pictures/{small} 600w, /pictures/{name} 1200w"
    assert image["sizes"]
    assert "loading" not in image, "it is what is seen first"
    credit = {"en": "Drawing: VVSG", "de": "Zeichnung: VVSG"}.get(locale, "Tekening: VVSG")
    assert f"<figcaption>{credit}</figcaption>" in page
    assert ('<figure class="picture" lang="nl">' in page) == (locale == "fr")
    html5lib.HTMLParser(strict=True).parse(page)


def test_a_picture_in_a_text_waits_until_it_is_scrolled_to(issued: World) -> None:
    page = issued.client.get(f"/nl{WITHIN}").text
    drawn, image = tags(page)
    assert drawn["src"].startswith("/patterns/")
    assert image["loading"] == "lazy"
    assert (image["width"], image["height"]) == ("1200", "700")
    assert image["alt"].startswith("Tekening van een compostbak")
    for address in (image["src"], *(one.split()[0] for one in image["srcset"].split(", "))):
        assert issued.client.get(address).status_code == 200
    assert "<em>Tekening: VVSG</em>" in page
    html5lib.HTMLParser(strict=True).parse(page)


def test_whoever_shares_an_item_shares_its_picture(issued: World) -> None:
    page = issued.client.get(f"/en{ABOVE}").text
    found = dict(re.findall(r'<meta property="(og:image[a-z_:]*)" content="([^"]*)">', page))
    [image] = tags(page)
    assert found == {
        "og:image": f"https://nieuws.test{image['src']}",
        "og:image:type": "image/png",
        "og:image:width": "1200",
        "og:image:height": "800",
        "og:image:alt": image["alt"],
    }
    [data] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert json.loads(data)["image"] == [
        {
            "@type": "ImageObject",
            "url": found["og:image"],
            "width": 1200,
            "height": 800,
            "caption": image["alt"],
            "creditText": "Drawing: VVSG",
        }
    ]


def test_feeds_carry_pictures_with_absolute_addresses(issued: World) -> None:
    items = json.loads(issued.client.get("/nl/feed.json").data)["items"]
    above, within = (next(one for one in items if slug in one["url"]) for slug in PICTURED)
    assert above["image"].startswith("https://nieuws.test/pictures/")
    assert 'src="https://nieuws.test/pictures/' in within["content_html"]
    feed = feedparser.parse(issued.client.get("/nl/feed.atom").data)
    entries = {entry.link.rpartition("/")[2]: entry for entry in feed.entries}
    [enclosed] = entries[PICTURED[0]].enclosures
    assert (enclosed.href, enclosed.type) == (above["image"], "image/png")
    assert not entries[PICTURED[1]].enclosures
    for one in (enclosed.href, above["image"]):
        assert issued.client.get(one.removeprefix("https://nieuws.test")).mimetype == "image/png"


def test_lists_show_drawings_unless_the_lead_has_a_picture(issued: World) -> None:
    pages = ("/nl/issues/", "/nl/issues/1", "/nl/")
    for path in pages:
        [image] = tags(issued.client.get(path).text)
        assert image["src"].startswith("/patterns/")
    with issued.database.write() as session:
        mine = select(Piece).where(Piece.locale == "nl")
        pictured = session.scalars(mine.where(Piece.slug == PICTURED[0])).one()
        for piece in session.scalars(mine.where(Piece.slug == PUBLISHED[0])):
            piece.facts = {**piece.facts, "picture": pictured.facts["picture"]}
    fresh = create_app(issued.settings, issued.database).test_client()
    shown = {path: tags(fresh.get(path).text) for path in pages}
    for [image] in shown.values():
        assert image["src"].startswith("/pictures/")
        assert fresh.get(image["src"]).status_code == 200
    for path in pages[1:]:
        assert shown[path][0]["alt"].startswith(ALTS["nl"])
        assert "<figcaption>Tekening: VVSG</figcaption>" in fresh.get(path).text
    [listed] = shown["/nl/issues/"]
    assert (listed["alt"], listed["loading"]) == ("", "lazy"), "it adorns a title"
    assert (listed["width"], listed["height"]) == ("600", "400")
    html5lib.HTMLParser(strict=True).parse(fresh.get("/nl/issues/").text)


def test_htm_25_the_copy_of_a_mail_shows_pictures_under_its_own_policy(issued: World) -> None:
    answer = issued.client.get("/nl/issues/1/mail")
    images = tags(answer.text)
    assert images
    assert all(image["src"].startswith("https://nieuws.test/") for image in images)
    assert "img-src https://nieuws.test" in answer.headers["Content-Security-Policy"]


def test_originals_are_never_served(issued: World) -> None:
    for path in (
        "/images/2026/bron-tot-kraan.png",
        "/content/images/2026/bron-tot-kraan.png",
        "/static/images/2026/bron-tot-kraan.png",
        "/static/..%2F..%2F..%2Fcontent/images/2026/bron-tot-kraan.png",
    ):
        assert issued.client.get(path).status_code == 404
