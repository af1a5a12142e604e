"""Tokens and endpoints on the desk: for administrators who prove it, shown once, written down."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from newsletter.models import AccessToken, Endpoint, Entry, Role
from newsletter.programs import endpoints
from newsletter.tokens import tokens_of
from tests.desk.conftest import Desk

TOKENS, ENDPOINTS = "/desk/programs/tokens", "/desk/programs/endpoints"
CRM = {"name": "CRM", "scope": ["subscribers:read", "issues:read"], "days": "30"}
URL = "https://crm.voorbeeld.be/fiabel"


def log(desk: Desk) -> list[tuple[str, str]]:
    with desk.database.read() as session:
        return [(one.action, one.subject) for one in session.scalars(select(Entry))]


def test_a_token_is_shown_once_and_opens_the_api(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    page = client.send(TOKENS, **CRM)
    secret = re.search(r"fnt_[\w-]{43}", page.text)
    assert secret
    assert page.headers["Cache-Control"] == "no-store"
    again = client.get("/desk/programs").text
    assert secret[0] not in again
    assert "CRM" in again
    headers = {"Authorization": f"Bearer {secret[0]}"}
    stranger = desk.stranger()
    assert stranger.get("/api/v1/issues", headers=headers).status_code == 200
    assert stranger.get("/api/v1/items", headers=headers).status_code == 403
    assert client.get("/api/v1/issues").status_code == 401, "who is signed in is no program"
    client.send(f"{TOKENS}/1/revoke")
    assert stranger.get("/api/v1/issues", headers=headers).status_code == 401
    assert log(desk) == [("token.make", "token 1"), ("token.revoke", "token 1")]
    assert client.send(f"{TOKENS}/1/revoke").status_code == 404


def test_only_an_administrator_who_proves_it_makes_one(desk: Desk) -> None:
    for path, sent in ((TOKENS, CRM), (ENDPOINTS, {"url": URL, "kind": "issue.sent"})):
        assert desk(Role.PUBLISHER).send(path, **sent).status_code == 403
        late = desk(Role.ADMINISTRATOR, fs_paa=0.0).send(path, **sent)
        assert "/desk/again" in late.headers["Location"]
        answer = desk(Role.ADMINISTRATOR).post(path, data=sent)
        assert answer.status_code == 400, "without the token that forms carry"
    with desk.database.read() as session:
        assert session.scalars(select(AccessToken)).all() == []
        assert session.scalars(select(Endpoint)).all() == []


def test_what_is_wrong_is_said_and_what_was_typed_stays(desk: Desk) -> None:
    page = desk(Role.ADMINISTRATOR).send(TOKENS, **CRM | {"scope": []})
    assert page.status_code == 422
    assert "Kies wat het programma mag." in page.text
    assert 'value="CRM"' in page.text
    page = desk(Role.ADMINISTRATOR).send(ENDPOINTS, url="http://x.be/", kind="issue.sent")
    assert page.status_code == 422
    assert "https://" in page.text
    assert log(desk) == []


@pytest.mark.parametrize(
    ("path", "wrong", "field"),
    [
        (TOKENS, CRM | {"name": ""}, "name"),
        (TOKENS, CRM | {"scope": []}, "scope"),
        (TOKENS, CRM | {"days": "999"}, "days"),
        (ENDPOINTS, {"url": "x", "kind": "issue.sent"}, "url"),
        (ENDPOINTS, {"url": URL}, "kind"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    desk: Desk, path: str, wrong: dict[str, Any], field: str
) -> None:
    page = desk(Role.ADMINISTRATOR).send(path, **wrong).text
    assert page.count(f'href="#{field}"') == page.count(f' id="{field}"') == 1
    assert f' id="{field}-problem"' in page


def test_an_endpoint_is_made_disabled_enabled_and_removed(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    page = client.send(ENDPOINTS, url=URL, kind=["subscriber.left", "issue.sent"], address="yes")
    with desk.database.read() as session:
        made = session.scalars(select(Endpoint)).one()
    secret = endpoints.secret(tokens_of(desk.settings), made)
    assert secret.replace("+", "&#43;") in page.text or secret in page.text
    assert (made.kinds, made.with_address) == ("issue.sent subscriber.left", True)
    assert secret not in client.get("/desk/programs").text
    for deed in ("disable", "enable", "remove"):
        assert client.send(f"{ENDPOINTS}/{made.id}/{deed}").status_code == 303
    assert client.send(f"{ENDPOINTS}/{made.id}/remove").status_code == 404
    actions = [action for action, _subject in log(desk)]
    assert actions == [f"endpoint.{deed}" for deed in ("make", "disable", "enable", "remove")]


def test_the_log_names_the_program(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    secret = re.search(
        r"fnt_[\w-]{43}", client.send(TOKENS, **CRM | {"scope": "subscribers:write"}).text
    )
    assert secret
    sent = {"email": "jan@voorbeeld.be", "source": "beurs"}
    headers = {"Authorization": f"Bearer {secret[0]}"}
    assert (
        desk.stranger().post("/api/v1/subscribers", json=sent, headers=headers).status_code == 201
    )
    page = client.get("/desk/log").text
    assert "Een ander programma voegde een abonnee toe." in page
    assert "CRM" in page
