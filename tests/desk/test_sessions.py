"""What a session of the desk holds, and for how long what it says counts."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from newsletter.models import Role
from tests.desk.conftest import Desk
from tests.desk.signing import Person, token

pytestmark = pytest.mark.sqlite("sessions do not depend on the database")


def test_a_proof_counts_from_when_it_was_given(desk: Desk) -> None:
    client, start = desk(Role.ADMINISTRATOR), datetime.now(UTC)
    paths = ("/desk/people", "/desk/passkeys")
    for minutes, opens in ((4, True), (9, True), (11, False)):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            for path in paths:
                assert (client.get(path).status_code == 200) is opens, (minutes, path)


def test_a_token_from_before_signing_in_is_no_use_after(desk: Desk) -> None:
    an, client = Person.make(desk), desk.stranger()
    before = token(client.get("/desk/sign-in"))
    an.sign_in(client)
    path = "/desk/account/sign-ins/end-others"
    assert client.post(path, data={"csrf_token": before}).status_code == 400
    after = token(client.get("/desk/account"))
    assert client.post(path, data={"csrf_token": after}).status_code == 303


def test_a_password_without_a_code_is_forgotten_in_the_end(desk: Desk) -> None:
    an, client = Person.make(desk), desk.stranger()
    an.try_password(client)
    start, hours = datetime.now(UTC), desk.settings.desk_session_hours
    for later, asks in ((-5, True), (5, False)):
        with time_machine.travel(start + timedelta(hours=hours, seconds=later)):
            assert ("one-time-code" in client.get("/desk/code").text) is asks


def test_an_old_cookie_opens_no_larger_body(desk: Desk) -> None:
    client = desk(Role.WRITER)
    cookie = client.get_cookie(desk.app.config["SESSION_COOKIE_NAME"], "localhost")
    assert cookie
    head = f"POST /desk/items/x/nl HTTP/1.1\r\nCookie: {cookie.key}={cookie.value}".encode()
    allowed, now = desk.app.config["LARGER_BODY"], datetime.now(UTC)
    assert allowed(head) > 20_000_000
    hours = desk.settings.desk_session_hours
    with time_machine.travel(now + timedelta(hours=hours, seconds=5)):
        assert not allowed(head)


def test_buttons_that_sign_a_browser_out_have_names_of_their_own(desk: Desk) -> None:
    start = datetime.now(UTC)
    for minutes in range(3):
        with time_machine.travel(start - timedelta(minutes=minutes + 1)):
            desk(Role.WRITER)
    page = desk(Role.WRITER).get("/desk/account").text
    names = re.findall(r">Meld af(<span.*?)</button>", page)
    assert len(names) == len(set(names)) == 3, names
