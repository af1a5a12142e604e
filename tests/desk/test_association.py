"""The association's own login, against a provider that signs by RS256."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from newsletter.db import Database
from newsletter.editors import people
from newsletter.models import Editor, Notice, NoticeKind, Role, SignIn
from newsletter.notices import desk as letters
from newsletter.tokens import Purpose, tokens_of
from tests.desk import provider as providers
from tests.desk.conftest import Build, Desk
from tests.desk.provider import Provider

pytestmark = pytest.mark.sqlite("who a provider says one is does not depend on the database")
AN = {"sub": "an-1", "email": "an@voorbeeld.example", "email_verified": True}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providers.running() as provider:
        provider.claims = dict(AN)
        yield provider


@pytest.fixture
def desk(build_desk: Build, provider: Provider) -> Desk:
    desk = build_desk(oidc_issuer=provider.issuer, oidc_client_id="fiabel", oidc_client_secret="s3")
    desk.editor(Role.ADMINISTRATOR)
    return desk


def come_back(
    client: FlaskClient, provider: Provider, start: str = "/desk/association"
) -> TestResponse:
    """Start, sign in there, and come back with the code."""
    there = client.get(start)
    assert there.status_code == 302
    assert there.location.startswith(f"{provider.issuer}/authorize?")
    asked = providers.parts(there.location)
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    return client.get(provider.authorize(asked).removeprefix("https://nieuws.test"))


def subject(database: Database, editor: Editor) -> str | None:
    with database.read() as session:
        return session.get_one(Editor, editor.id).subject


def is_in(client: FlaskClient) -> bool:
    return client.get("/desk/").status_code == 200


def test_who_was_invited_gets_in_and_is_known_afterwards(desk: Desk, provider: Provider) -> None:
    client = desk.stranger()
    assert come_back(client, provider).location == "/desk/"
    assert is_in(client)
    assert subject(desk.database, desk.editor(Role.ADMINISTRATOR)) == "an-1"
    provider.claims["email"] = "an@elders.example"  # known by its own name for her from now on
    again = desk.stranger()
    come_back(again, provider)
    assert is_in(again)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "iemand@voorbeeld.example"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://elders.example"},
        {"exp": 1},
    ],
)
def test_who_was_not_invited_or_not_proven_stays_out(
    desk: Desk, provider: Provider, claims: dict[str, object]
) -> None:
    provider.claims |= claims
    client = desk.stranger()
    assert come_back(client, provider).location == "/desk/sign-in"
    assert not is_in(client)
    assert subject(desk.database, desk.editor(Role.ADMINISTRATOR)) is None


def test_a_forged_signature_and_a_foreign_state_stay_out(desk: Desk, provider: Provider) -> None:
    provider.forged = True
    client = desk.stranger()
    come_back(client, provider)
    assert not is_in(client)
    provider.forged = False
    assert client.get("/desk/association/back?code=a-code&state=x").location == "/desk/sign-in"
    assert not is_in(client)


def test_another_account_cannot_take_over_a_known_address(desk: Desk, provider: Provider) -> None:
    come_back(desk.stranger(), provider)
    provider.claims["sub"] = "somebody-else"
    client = desk.stranger()
    come_back(client, provider)
    assert not is_in(client)


@pytest.fixture
def waiting(desk: Desk, provider: Provider) -> FlaskClient:
    """Somebody with this login alone, whom the provider let through: it asked them an hour ago."""
    client = desk.stranger()
    come_back(client, provider)
    with desk.database.write() as session:
        session.get_one(Editor, desk.editor(Role.ADMINISTRATOR).id).password = None
    return client


def test_who_has_this_login_alone_proves_anew_who_it_is(
    waiting: FlaskClient, provider: Provider
) -> None:
    asked = waiting.get("/desk/people")
    again = re.search(r'href="(/desk/association/again[^"]*)"', waiting.get(asked.location).text)
    assert again, "there is a way on"
    assert come_back(waiting, provider, again[1]).location == "/desk/people"
    assert (provider.asked["prompt"], provider.asked["max_age"]) == ("login", "0")
    assert waiting.get("/desk/people").status_code == 200


def test_another_account_or_an_old_sign_in_proves_nothing(
    desk: Desk, waiting: FlaskClient, provider: Provider
) -> None:
    right = dict(provider.claims)
    wrongs: list[dict[str, object]] = [{"sub": "another"}, {"auth_time": 1}, {"auth_time": None}]
    for wrong in wrongs:
        provider.claims = right | wrong
        back = come_back(waiting, provider, "/desk/association/again?next=/desk/people")
        assert back.location == "/desk/again?next=/desk/people"
        assert "Meld je af en weer aan" in waiting.get(back.location).text
        assert waiting.get("/desk/people").status_code == 303
    assert is_in(waiting), "as before"
    with desk.database.read() as session:
        assert len(session.scalars(select(SignIn)).all()) == 1, "nobody else came in"


def test_after_the_proof_one_is_led_nowhere_else(waiting: FlaskClient, provider: Provider) -> None:
    start = "/desk/association/again?next=//elders.example/"
    assert come_back(waiting, provider, start).location == "/desk/account"
    waiting.get(start)  # and does not come back from there
    assert come_back(waiting, provider).location == "/desk/", "who signs in proves nothing besides"


def test_a_provider_that_does_not_say_when_it_asked_is_believed(
    desk: Desk, provider: Provider
) -> None:
    provider.claims["auth_time"] = None
    client = desk.stranger()
    come_back(client, provider)
    assert client.get("/desk/people").status_code == 200


def test_a_mailed_invitation_ends_when_its_person_came_by_this_login(
    desk: Desk, provider: Provider
) -> None:
    with desk.database.write() as session:
        editor = session.get_one(Editor, desk.editor(Role.ADMINISTRATOR).id)
        editor.password = None
        people.invite(session, editor, datetime.now(UTC))
    now, keys = datetime.now(UTC), tokens_of(desk.settings)
    token = keys.issue(Purpose.INVITATION, editor.id, now, letters.bound(editor))
    assert desk.stranger().get(f"/desk/password/{token}").status_code == 200
    come_back(desk.stranger(), provider)
    assert desk.stranger().get(f"/desk/password/{token}").status_code == 404
    with desk.database.read() as session:
        notice = session.scalars(select(Notice).where(Notice.kind == NoticeKind.INVITATION)).one()
        assert letters.editor_of(session, notice) is None, "nor is it mailed any more"


def test_a_provider_that_is_away_is_no_error(build_desk: Build) -> None:
    desk = build_desk(oidc_issuer="http://127.0.0.1:9", oidc_client_id="fiabel")
    assert desk.stranger().get("/desk/association").location == "/desk/sign-in"


def test_without_a_provider_there_is_no_such_page(build_desk: Build) -> None:
    assert build_desk().stranger().get("/desk/association").status_code == 404
