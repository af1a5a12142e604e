"""Every page: its language, its headers, its errors, and what it must never do."""

import html
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import html5lib
import pytest
from werkzeug.test import TestResponse

from newsletter.i18n import LOCALES
from newsletter.models import Piece, SubscriberState
from newsletter.tokens import Purpose
from newsletter.web import tables
from newsletter.web.sheet import Sheet, sheet
from tests.web.conftest import PUBLISHED, WAITING, Build, World

pytestmark = pytest.mark.sqlite("what a page shows does not depend on the database")

PATHS = [
    "/",
    "/signup",
    "/check-your-mail",
    "/issues/",
    "/issues/1",
    f"/items/{PUBLISHED[0]}",
    f"/items/{PUBLISHED[2]}",
    "/about/in-het-kort",
    "/about/privacy",
    "/about/toegankelijkheid",
]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("path", PATHS)
def test_prv_16_20_every_page_in_every_language(issued: World, path: str, locale: str) -> None:
    answer = issued.client.get(f"/{locale}{path}")
    assert answer.status_code == 200
    assert answer.headers["Content-Language"] == locale
    page = answer.text
    assert f'<html lang="{locale}">' in page
    assert page.count("<h1") == 1
    assert len(re.findall("<main|<footer|<header class=.masthead", page)) == 3
    written = ("nl",) if path == f"/items/{PUBLISHED[2]}" else LOCALES
    original = locale if locale in written else "nl"
    assert f'<link rel="canonical" href="https://nieuws.test/{original}{path}">' in page
    for other in LOCALES:
        there = f"/{other}{path}"
        link = f'rel="alternate" hreflang="{other}" href="https://nieuws.test{there}"'
        assert (link in page) == (other in written)
        assert f'<a href="{there}" lang="{other}" hreflang="{other}"' in page
    for fact in ("vzw", "Bischoffsheimlaan", "0451.763.878", "RPR Brussel", "privacy"):
        assert fact in page
    html5lib.HTMLParser(strict=True).parse(page)


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("fr-BE,fr;q=0.9", "fr"),
        ("es, de;q=0.5", "de"),
        ("es", "nl"),
        ("", "nl"),
        ("en;q=x", "nl"),
        ("en;q=0", "nl"),
        ("en;q=0,*", "nl"),
        ("en;q=0.000, de;q=0.1", "de"),
        ("*", "nl"),
        ("*;q=0, fr", "fr"),
        ("nl-BE", "nl"),
        ("DE-be;q=0.2", "de"),
        (';;=,q=,--,"', "nl"),
    ],
)
def test_the_front_page_speaks_the_readers_language(
    world: World, accepted: str, locale: str
) -> None:
    answer = world.client.get("/", headers={"Accept-Language": accepted})
    assert answer.status_code == 200
    assert f'<html lang="{locale}">' in answer.text
    assert f'rel="canonical" href="https://nieuws.test/{locale}/"' in answer.text
    assert "Accept-Language" in answer.headers["Vary"]


def test_only_what_was_sent_is_in_the_archive(issued: World) -> None:
    listed = issued.client.get("/nl/issues/").text
    assert "Nummer 1" in listed
    assert "Nummer 2" not in listed
    for path in (f"/items/{WAITING}", "/issues/2", "/issues/2/mail", "/issues/9", "/items/x"):
        assert issued.client.get(f"/nl{path}").status_code == 404


def test_before_the_first_issue(world: World) -> None:
    assert world.client.get("/nl/").status_code == 200
    assert "Het eerste nummer komt eraan" in world.client.get("/nl/issues/").text


def test_an_item_says_all_it_knows(issued: World) -> None:
    page = issued.client.get(f"/nl/items/{PUBLISHED[0]}").text
    for fact in (
        "Roeselare – Dogbo, Benin",
        "Stedenbanden en partnerschappen",
        '<span class="goal goal-16">16</span> Vrede, justitie en sterke publieke diensten',
        "/patterns/roeselare-dogbo-bj.svg",
        "https://kw.be/",
        'href="/nl/issues/1"',
        "<h2>Twee loketten, één vak</h2>",
    ):
        assert fact in page
    assert "18–25 september 2027" in issued.client.get(f"/nl/items/{PUBLISHED[2]}").text


def test_a_text_without_translation_says_its_language(issued: World) -> None:
    page = issued.client.get(f"/de/items/{PUBLISHED[2]}").text
    assert '<h1 lang="nl">' in page
    assert '<div class="body" lang="nl">' in page
    assert "Niederländisch" in page


@pytest.mark.parametrize("number", ["0", "01", "-1", "9223372036854775808", "9" * 5000, "٣"])
@pytest.mark.parametrize("view", ["", "/mail"])
def test_a_number_no_issue_can_have(issued: World, number: str, view: str) -> None:
    assert issued.client.get(f"/nl/issues/{number}{view}").status_code == 404


def test_browsers_and_search_engines_get_what_they_ask_for(world: World) -> None:
    icon, robots = world.client.get("/favicon.ico"), world.client.get("/robots.txt")
    assert (icon.status_code, robots.status_code) == (200, 200)
    assert icon.data.startswith(b"\0\0\1\0"), "an ICO"
    assert icon.mimetype in {"image/vnd.microsoft.icon", "image/x-icon"}
    assert "max-age=604800" in icon.headers["Cache-Control"]
    assert robots.content_type == "text/plain; charset=utf-8"
    rules = robots.text.splitlines()
    assert rules[0] == "User-agent: *"
    # Every address that holds a token is one person's.
    routes = (str(rule) for rule in world.app.url_map.iter_rules() if "<token>" in str(rule))
    paths = {re.sub("<any[^>]*>", "*", route).partition("<token>")[0] for route in routes}
    readers = {path for path in paths if not path.startswith("/desk/")}
    forbidden = {f"Disallow: {path}" for path in readers | {"/desk/", "/inbox/"}}
    assert set(rules[1:]) == {*forbidden, "", "Sitemap: https://nieuws.test/sitemap.xml"}
    icon.close()


@pytest.mark.parametrize("locale", LOCALES)
def test_the_publishers_address_is_dutch(world: World, locale: str) -> None:
    page = html5lib.parse(world.client.get(f"/{locale}/").text, namespaceHTMLElements=False)
    dutch = ["".join(part.itertext()) for part in page.findall(".//address/span[@lang='nl']")]
    settings = world.settings
    for fact in (settings.org_name, settings.org_legal_form, settings.org_address):
        assert fact in dutch[0]
    assert settings.org_court in dutch[1]


def test_lists_show_the_goals_and_the_front_page_is_short(issued: World) -> None:
    home, issue = (issued.client.get(path).text for path in ("/nl/", "/nl/issues/1"))
    for page in (home, issue):
        assert '<span class="goal goal-16">16</span> Vrede, justitie' in page
    assert "Alle stukken van nummer 1" in home
    assert "Alle stukken van nummer 1" not in issue


def test_the_front_page_has_five_short_items(
    issued: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(pieces: Sequence[Piece]) -> Sheet:
        found = sheet(pieces)
        return replace(found, shorts=found.shorts * 20)

    monkeypatch.setattr("newsletter.web.public.sheet", long)
    assert issued.client.get("/nl/").text.count('<article class="short">') == 5


def test_a_cell_of_a_table_knows_its_column(world: World) -> None:
    page = world.client.get("/de/about/privacy").text
    assert page.count("<td") == page.count('<td role="cell" data-label="') > 0
    for name in ("Daten", "Zweck und Rechtsgrundlage", "Dauer"):
        assert re.search(f'<th role="columnheader"[^>]*>{name}</th>', page)
        assert f'data-label="{name}"' in page


def test_a_column_is_named_without_its_footnote() -> None:
    head = '<th>A &amp; "B"<sup>1</sup></th><th align="right"><em>C</em></th>'
    table = f"<table><thead><tr>{head}</tr></thead><tbody><tr><td>1</td><td>2</td><td>3</td></tr>"
    html = tables.readable(f"{table}</tbody></table>", "nl")
    assert re.findall('data-label="(.*?)"', html) == ["A &amp; &#34;B&#34;", "C", ""]


def test_the_mail_as_a_page_is_locked_in(issued: World) -> None:
    answer = issued.client.get("/nl/issues/1/mail")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "/u/" not in answer.text
    assert "\ue000" not in answer.text


def test_pictures_of_places(world: World) -> None:
    svg = world.client.get("/patterns/dogbo-benin.svg")
    png = world.client.get("/patterns/dogbo-benin.png")
    assert (svg.mimetype, png.mimetype) == ("image/svg+xml", "image/png")
    assert png.data.startswith(b"\x89PNG")
    assert "max-age" in svg.headers["Cache-Control"]
    for bad in ("Dogbo.svg", "a--b.svg", "-a.svg", "a.gif", f"{'a' * 251}.svg", "%2e%2e%2fx.svg"):
        assert world.client.get(f"/patterns/{bad}").status_code == 404


def test_styles_are_kept_for_good_and_change_their_address(world: World) -> None:
    page = world.client.get("/nl/").text
    found = re.search(r'href="(/static/fiabel\.css\?v=[0-9a-f]{12})"', page)
    assert found
    with world.client.get(found[1]) as answer:
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/nl/", "/nl/signup", "/es/", "/static/fiabel.css"])
def test_sec_10_17_headers(world: World, path: str) -> None:
    with world.client.get(path) as answer:
        headers = answer.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    if path in ("/", "/nl/", "/nl/signup"):  # pages with a form, whose work is a script of ours
        assert (policy.pop("script-src"), policy.pop("worker-src")) == ("'self'", "'self'")
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Permissions-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Set-Cookie" not in headers


def test_http_promises_no_https(build: Build) -> None:
    world = build(base_url="http://localhost:5000")
    assert "Strict-Transport-Security" not in world.client.get("/").headers


def test_pages_run_nothing_and_fetch_nothing_from_elsewhere(issued: World) -> None:
    for path in PATHS:
        page = issued.client.get(f"/nl{path}").text
        ours = page.count('<script type="module" src="/static/work.js?v=')
        data = page.count('<script type="application/ld+json">')  # which runs nothing
        assert page.count("<script") == ours + data
        assert ours + data <= 1
        assert not re.search(r"\son\w+=|\sstyle=", page)
        assert not re.search(r'(?:src|<link rel="(?:icon|stylesheet)" href)="(?!/)', page)


def test_reading_changes_nothing(issued: World) -> None:
    before = issued.dump()
    for locale in LOCALES:
        for path in [*PATHS, "/issues/1/mail"]:
            for method in ("GET", "HEAD", "OPTIONS"):
                assert issued.client.open(f"/{locale}{path}", method=method).status_code == 200
    assert issued.dump() == before


def everything(answer: TestResponse) -> str:
    return f"{answer.headers}{answer.text}"


@pytest.mark.parametrize(
    "path", ["/", "/nl", "/nl/", "//nl/", "/nl/issues", "/es/", "/nl/issues/1/"]
)
def test_sec_09_the_host_header_is_not_believed(issued: World, path: str) -> None:
    forged = {"Host": "kwaad.example", "X-Forwarded-Host": "kwaad.example"}
    answer = issued.client.get(path, headers=forged)
    assert answer.status_code in {200, 404}
    assert "kwaad.example" not in everything(answer)
    posted = issued.client.post("/nl/signup", data=issued.form(), headers=forged)
    assert "kwaad.example" not in everything(posted)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/es/", 404),
        ("GET", "/nl/x", 404),
        ("POST", "/nl/", 405),
        ("GET", "/nl/about/x", 404),
    ],
)
def test_errors_are_pages(world: World, method: str, path: str, code: int) -> None:
    answer = world.client.open(path, method=method, headers={"Accept-Language": "fr"})
    assert answer.status_code == code
    locale = "nl" if path.startswith("/nl") else "fr"
    assert f'<html lang="{locale}">' in answer.text
    for other, words in zip(LOCALES, ("voorpagina", "accueil", "front page", "Start"), strict=True):
        assert re.search(f'<a href="/{other}/" lang="{other}"[^>]*>[^<]*{words}', answer.text)
    assert 'rel="canonical"' not in answer.text
    if code == 405:
        assert "GET" in answer.headers["Allow"]


def test_sec_11_an_unexpected_error_is_explained_and_logged_without_the_token(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any) -> None:
        raise RuntimeError("boe")

    monkeypatch.setattr("newsletter.web.leaving.leaving.find", broken)
    token = world.token(Purpose.UNSUBSCRIBE, world.add("jan", SubscriberState.ACTIVE))
    with caplog.at_level(logging.DEBUG):
        answer = world.client.get(f"/u/{token}", headers={"Accept-Language": "en"})
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "boe" not in answer.text
    assert "boe" in caplog.text
    assert token not in caplog.text


def test_an_editors_mistake_does_not_close_the_site(
    build: Build, tmp_path: Any, now: datetime
) -> None:
    (tmp_path / "topics.toml").write_text("[kapot", "utf-8")
    world = build(content_dir=tmp_path)
    assert world.client.get("/nl/").status_code == 200
    assert world.client.post("/nl/signup", data=world.form()).status_code == 303


def test_no_inbox_in_production(build: Build) -> None:
    assert build().client.get("/inbox/").status_code == 200
    assert build(newsletter_env="production").client.get("/inbox/").status_code == 404


@pytest.mark.parametrize("locale", LOCALES)
def test_prv_19_the_accessibility_statement_is_on_every_page_and_whole(
    issued: World, locale: str
) -> None:
    """After the Commission's model (Implementing Decision (EU) 2018/1523)."""
    path = f"/{locale}/about/toegankelijkheid"
    for other in PATHS:
        footer = issued.client.get(f"/{locale}{other}").text.partition("<footer")[2]
        assert f'href="{path}"' in footer
    page = html.unescape(issued.client.get(path).text).replace("\N{NO-BREAK SPACE}", " ")
    text = issued.app.extensions["newsletter"].library.page("toegankelijkheid", locale)
    dated = rf"\b{text.updated.day}\b[ .]+\w+ {text.updated.year}"
    assert len(re.findall(dated, page)) >= 2, "when it was made, and when it was last looked at"
    for part in ("2016/2102", "WCAG) 2.2", "EN 301 549", "axe", "Ombudsdienst", "1000 Br"):
        assert part in page
    # Status, what is not accessible, preparation, feedback, enforcement.
    assert page.partition("<main")[2].count("<h2") >= 5
