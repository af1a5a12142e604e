"""The form on other sites: in a frame, and as a piece of HTML to copy."""

import html
import re

import html5lib
import pytest
from sqlalchemy import select

from newsletter.i18n import LOCALES
from newsletter.models import FormRequest
from newsletter.web.answers import HONEYPOT
from tests.web.conftest import Build, World

pytestmark = pytest.mark.sqlite("what a page shows does not depend on the database")


def policy(world: World, path: str) -> dict[str, str]:
    header = world.client.get(path).headers["Content-Security-Policy"]
    return dict(part.split(" ", 1) for part in header.split("; "))


@pytest.mark.parametrize(
    ("origins", "ancestors"),
    [
        ("*", "*"),
        ("", "'self'"),
        ("https://www.gent.example https://aalst.example", None),
    ],
)
def test_only_this_page_may_stand_in_a_frame_of_the_sites_we_name(
    build: Build, origins: str, ancestors: str | None
) -> None:
    world = build(embed_origins=origins)
    expected = ancestors or f"'self' {origins}"
    assert policy(world, "/nl/embed")["frame-ancestors"] == expected
    for path in ("/nl/", "/nl/signup", "/nl/for-your-site", "/nl/check-your-mail"):
        assert policy(world, path)["frame-ancestors"] == "'none'"
    refused = world.client.post("/nl/embed", data=world.form(email="geen adres"))
    assert f"frame-ancestors {expected}" in refused.headers["Content-Security-Policy"]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_frame_shows_the_form_and_what_came_of_it(world: World, locale: str) -> None:
    page = world.client.get(f"/{locale}/embed")
    assert page.status_code == 200
    html5lib.HTMLParser(strict=True).parse(page.text)
    assert f'<html lang="{locale}">' in page.text
    assert f'action="/{locale}/embed"' in page.text
    assert 'name="robots" content="noindex"' in page.text
    links = re.findall(r'<a href="(?!#|mailto)[^>]*>', page.text)
    assert links
    assert all('target="_blank"' in link for link in links), "what is elsewhere leaves the frame"
    for fact in ("vzw", "Bischoffsheimlaan", "0451.763.878", "RPR Brussel"):
        assert fact in page.text
    answer = world.client.post(f"/{locale}/embed", data=world.form(locale))
    assert answer.status_code == 200
    assert 'role="status"' in answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    with world.database.read() as session:
        asked = session.scalars(select(FormRequest)).one()
    assert asked.form_url == f"https://nieuws.test/{locale}/embed"
    assert asked.wording == f"signup-1.{locale}"


def test_the_frame_protects_as_the_site_does(world: World) -> None:
    trapped = world.client.post("/nl/embed", data=world.form() | {HONEYPOT: "x"})
    stale = world.client.post("/nl/embed", data=world.form(token=""))
    mistyped = world.client.post("/nl/embed", data=world.form(email="jan@gmial.com"))
    assert (trapped.status_code, stale.status_code, mistyped.status_code) == (422, 422, 200)
    assert "jan@gmail.com" in mistyped.text
    for page in (trapped, stale, mistyped):
        assert 'action="/nl/embed"' in page.text
    with world.database.read() as session:
        assert not session.scalars(select(FormRequest)).all()


def test_public_forms_set_no_cookie(world: World) -> None:
    client = world.app.test_client()
    form = world.form()
    answers = [
        client.get("/nl/embed"),
        client.post("/nl/embed", data=form),
        client.get("/nl/signup"),
        client.post("/nl/signup", data=form),
        client.post("/nl/signup/start", data={"email": "x@y.be"}),
        client.get("/nl/for-your-site"),
        client.get("/api/v1/challenge"),
    ]
    assert not [answer for answer in answers if "Set-Cookie" in answer.headers]


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_copied_works(world: World, locale: str) -> None:
    page = world.client.get(f"/{locale}/for-your-site")
    assert page.status_code == 200
    html5lib.HTMLParser(strict=True).parse(page.text)
    frame, form = (
        html.unescape(found) for found in re.findall(r"<code>(.*?)</code>", page.text, re.S)
    )
    assert f'src="https://nieuws.test/{locale}/embed"' in frame
    assert 'title="' in frame
    target = re.search(r'action="https://nieuws.test([^"]*)"', form)
    assert target
    assert world.client.post(target[1], data={"email": "jan@voorbeeld.example"}).status_code == 200
    html5lib.HTMLParser(strict=True).parse(
        f"<!doctype html><html lang=nl><title>x</title>{frame}{form}</html>"
    )
    assert policy(world, f"/{locale}/for-your-site")["frame-src"] == "'self'"
    assert f'href="/{locale}/for-your-site"' in world.client.get(f"/{locale}/").text
