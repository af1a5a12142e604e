"""Coupling an app: who mistypes the first code sees the same key again, and what to do."""

import re

import pytest
from flask_security import hash_password
from passlib.totp import TOTP
from werkzeug.test import TestResponse

from newsletter.models import Editor, Role
from tests.desk.conftest import Desk
from tests.desk.signing import PASSWORD, send, token

pytestmark = pytest.mark.sqlite("what a page says does not depend on the database")
WRONG = "Wacht tot je app een nieuwe toont en typ die."


def key(page: TestResponse) -> str:
    """The key that a page shows, to be typed into an app; with the picture of it."""
    found = re.search(r'class="secret">([^<]+)<', page.text)
    assert found, page.text
    assert "<svg" in page.text
    return found[1]


def code(page: TestResponse) -> str:
    """What an app with that key shows."""
    return str(TOTP(key(page).replace("-", "")).generate().token)


def other(right: str) -> str:
    """A code that is wrong."""
    return f"{(int(right) + 500_000) % 1_000_000:06}"


def target(page: TestResponse) -> str:
    """Where the form of the page goes."""
    found = re.search(r'action="(/desk/(?:code|app/)[^"]*)"', page.text)
    assert found, page.text
    return found[1]


def test_a_wrong_first_code_keeps_the_key_before_the_first_sign_in(desk: Desk) -> None:
    editor, client = desk.editor(Role.EDITOR), desk.stranger()
    with desk.app.app_context():
        hashed = hash_password(PASSWORD)
    with desk.database.write() as session:
        session.get_one(Editor, editor.id).password = hashed
    send(client, "/desk/sign-in", email=editor.email, password=PASSWORD)
    page = send(client, "/desk/app", setup="authenticator")
    assert WRONG not in page.text
    sent = {"csrf_token": token(page), "code": other(code(page))}
    again = client.post(target(page), data=sent)
    assert key(again) == key(page)
    assert WRONG in again.text
    assert "herstelcode" not in again.text, "nobody has one yet"
    assert key(client.get("/desk/code")) == key(page), "and when the page is opened anew"
    done = client.post(target(again), data={"csrf_token": token(again), "code": code(again)})
    assert done.location == "/desk/"


def test_a_wrong_code_keeps_the_key_of_who_is_signed_in(desk: Desk) -> None:
    client = desk(Role.EDITOR)
    page = client.send("/desk/app", setup="authenticator")
    again = client.send(target(page), code=other(code(page)))
    assert key(again) == key(page)
    assert WRONG in again.text
    assert client.send(target(again), code=code(again)).location == "/desk/account"


def test_a_key_that_nobody_saw_is_shown_to_nobody(desk: Desk) -> None:
    """Signed in a while ago, on the page for a code: that shows no key, right or wrong."""
    client = desk(Role.EDITOR)
    page = client.send("/desk/app", setup="authenticator")
    for answer in (client.get("/desk/code"), client.send("/desk/code", code="000000")):
        assert key(page) not in answer.text
