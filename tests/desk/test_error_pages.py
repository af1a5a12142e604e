"""Errors below /desk are explained by the desk: its layout, a way on, and how long to wait."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from newsletter.issues import stock
from newsletter.models import Role
from newsletter.settings.parsing import Rate
from tests.desk.conftest import Build, Client, Desk
from tests.desk.signing import Person, send

pytestmark = pytest.mark.sqlite("the pages of errors do not depend on the database")


def is_the_desks(page: TestResponse, signed_in: bool) -> bool:
    """Is this a page of the desk, with the way on of who is signed in or not?"""
    way = "/desk/" if signed_in else "/desk/sign-in"
    sections = "sign-out" in page.text and 'class="sections"' in page.text
    ours = 'class="desk"' in page.text and f'<a href="{way}">' in page.text.split("<h1>")[1]
    return ours and sections is signed_in and "Inschrijven" not in page.text


def many_bytes(client: Client) -> TestResponse:
    return client.send("/desk/items", title="x" * 22_000_000)


def from_another_site(client: FlaskClient) -> TestResponse:
    return client.post("/desk/items", headers={"Sec-Fetch-Site": "cross-site"})


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        (400, from_another_site),
        (403, lambda client: client.get("/desk/people")),
        (404, lambda client: client.get("/desk/nothing/here")),
        (404, lambda client: client.get("/desk/items/nothing/nl")),
        (405, lambda client: client.send("/desk/settings")),
        (413, many_bytes),
    ],
)
def test_an_error_keeps_the_desk_around_it(
    desk: Desk, status: int, ask: Callable[[Client], TestResponse]
) -> None:
    page = ask(desk(Role.WRITER))
    assert (page.status_code, is_the_desks(page, True)) == (status, True)


def test_who_is_not_signed_in_is_led_to_signing_in(desk: Desk) -> None:
    for page in (desk.stranger().get("/desk/nothing/here"), from_another_site(desk.stranger())):
        assert is_the_desks(page, False)


def test_our_own_fault_is_told_by_the_desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(stock, "listed", lambda *_values: 1 / 0)
    page = desk(Role.WRITER).get("/desk/items")
    assert (page.status_code, is_the_desks(page, True)) == (500, True)


def test_a_public_error_stays_public(desk: Desk) -> None:
    page = desk(Role.WRITER).get("/nl/nothing")
    assert page.status_code == 404
    assert 'class="desk"' not in page.text


def test_who_guessed_too_often_hears_how_long_and_what_else(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(2, 3600), oidc_issuer="https://login.vvsg.example")
    an, client = Person.make(desk), desk.stranger()
    an.try_password(client, "helemaal fout dit")
    page = an.try_password(client, "helemaal fout dit")
    assert page.status_code == 429
    minutes = -(-int(page.headers["Retry-After"]) // 60)
    assert f"Wacht nog {minutes} minuten." in page.text
    assert is_the_desks(page, False)
    ways = re.findall(r'(?:action|href)="(/desk/[^"]+)"', page.text.split("<h2>")[1])
    assert {"/desk/passkey", "/desk/association", "/desk/sign-in"} <= set(ways)
    assert client.get("/desk/passkey").status_code == 200
    assert "browser waarin je dat al eens deed" in page.text


def test_who_is_in_already_hears_only_how_long(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(4, 120))
    client = desk(Role.EDITOR)
    for _ in range(3):
        page = send(client, "/desk/again", password="helemaal fout dit")
    assert page.status_code == 429
    assert "Wacht nog 1 minuut." in page.text, page.headers["Retry-After"]
    assert is_the_desks(page, True)
    assert "toegangssleutel" not in page.text
