"""The association's own login, against a provider that signs by RS256."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from newsletter.db import Database
from newsletter.models import Editor, Role
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


def come_back(client: FlaskClient, provider: Provider) -> TestResponse:
    """Start, sign in there, and come back with the code."""
    there = client.get("/desk/association")
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


def test_a_provider_that_is_away_is_no_error(build_desk: Build) -> None:
    desk = build_desk(oidc_issuer="http://127.0.0.1:9", oidc_client_id="fiabel")
    assert desk.stranger().get("/desk/association").location == "/desk/sign-in"


def test_without_a_provider_there_is_no_such_page(build_desk: Build) -> None:
    assert build_desk().stranger().get("/desk/association").status_code == 404
