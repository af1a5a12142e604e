"""Who is let in: tokens, their scopes and ends, how often; and what a stranger is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from newsletter.errors import FixRequest
from newsletter.models import AccessToken, Limit, Scope
from newsletter.programs import access
from newsletter.settings.parsing import Rate
from tests.api.conftest import Program, administrator, token
from tests.web.conftest import Build, World

READ = "/subscribers"


def test_a_secret_has_256_bits_and_only_its_hash_is_kept(world: World, program: Program) -> None:
    assert program.secret.startswith("fnt_")
    assert len(program.secret) == 4 + 43
    with world.database.read() as session:
        row = session.execute(text("SELECT * FROM access_tokens")).one()
    assert program.secret not in str(row)
    assert program.secret[4:] not in str(row)


def test_nobody_without_a_token_gets_in(world: World) -> None:
    answer = world.client.get("/api/v1/subscribers")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="newsletter"'
    assert answer.mimetype == "application/problem+json"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("given", ["Bearer fnt_x", "Bearer ", "Basic YTpi", "Bearer \xe9\xff", "x"])
def test_nobody_gets_in_with_another_one(world: World, given: str) -> None:
    answer = world.client.get("/api/v1/subscribers", headers={"Authorization": given})
    assert answer.status_code == 401


def test_a_token_ends(world: World, program: Program) -> None:
    assert program.get(READ).status_code == 200
    with world.database.write() as session:
        ended = update(AccessToken).values(expires_at=datetime.now(UTC))
        session.execute(ended)
    answer = program.get(READ)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_is_revoked_at_once(world: World, program: Program) -> None:
    with world.database.write() as session:
        assert access.revoke(session, program.id, datetime.now(UTC))
        assert not access.revoke(session, program.id, datetime.now(UTC))
    assert program.get(READ).status_code == 401


def test_a_missing_scope_is_named(world: World) -> None:
    program = token(world, [Scope.ISSUES_READ])
    assert program.get("/issues").status_code == 200
    answer = program.get(READ)
    assert answer.status_code == 403
    assert 'scope="subscribers:read"' in answer.headers["WWW-Authenticate"]
    assert "subscribers:read" in answer.get_json()["detail"]
    reader = token(world, [Scope.SUBSCRIBERS_READ])
    sent = {"email": "jan@voorbeeld.be", "source": "beurs"}
    assert reader.post(READ, sent).status_code == 403


def test_a_token_that_asks_too_often_waits(build: Build) -> None:
    program = token(build(api_rate=Rate(2, 3600)))
    assert program.get(READ).status_code == 200
    answer = program.get(READ)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    other = token(program.world)
    assert other.get(READ).status_code == 200, "each for itself"


def test_when_it_was_used_is_noted_now_and_then(world: World, program: Program) -> None:
    def used() -> datetime | None:
        with world.database.read() as session:
            return session.scalar(select(AccessToken.used_at))

    assert used() is None
    program.get(READ)
    first = used()
    assert first
    program.get(READ)
    assert used() == first
    with world.database.write() as session:
        session.execute(update(AccessToken).values(used_at=first - access.NOTED))
        assert session.scalar(select(Limit.name)) == f"api:{program.id}"
    program.get(READ)
    later = used()
    assert later
    assert later >= first


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", ["items:read"], 1),
        ("jan@voorbeeld.be", ["items:read"], 1),
        ("x" * 81, ["items:read"], 1),
        ("CRM", [], 1),
        ("CRM", ["items:read", "all"], 1),
        ("CRM", ["items:read"], 0),
        ("CRM", ["items:read"], 367),
    ],
)
def test_a_token_has_a_name_scopes_and_an_end(
    world: World, name: str, scopes: list[str], days: int
) -> None:
    by = administrator(world)
    with world.database.write() as session, pytest.raises(FixRequest):
        access.make(session, name, scopes, days, by, datetime.now(UTC))


def test_a_cookie_opens_nothing_and_none_is_set(world: World, program: Program) -> None:
    client = world.app.test_client()
    client.set_cookie("__Host-desk", "anything")
    assert client.get("/api/v1/issues").status_code == 401
    answer = program.get("/issues")
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1", "/api/v1/issues/x"])
def test_what_is_not_there_is_a_problem_too(world: World, path: str) -> None:
    answer = world.client.get(path)
    assert answer.status_code in (404, 302)
    assert answer.status_code == 302 or answer.mimetype == "application/problem+json"


def test_a_wrong_method_is_a_problem_that_names_the_others(world: World) -> None:
    answer = world.client.delete("/api/v1/issues")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    found = answer.get_json()
    assert (found["status"], found["instance"]) == (405, "/api/v1/issues")


def test_an_error_of_ours_is_a_problem_too(world: World, program: Program) -> None:
    with world.database.write() as session:
        session.execute(text("ALTER TABLE suppressions RENAME TO elsewhere"))
    try:
        answer = program.get("/suppressions")
    finally:
        with world.database.write() as session:
            session.execute(text("ALTER TABLE elsewhere RENAME TO suppressions"))
    assert answer.status_code in (500, 503)
    assert answer.mimetype == "application/problem+json"


def test_a_secret_of_another_length_of_life_is_another(world: World) -> None:
    first, second = token(world, days=1), token(world, days=2)
    assert first.secret != second.secret
    moment = datetime.now(UTC) + timedelta(days=1, minutes=1)
    with world.database.read() as session:
        assert access.found(session, first.secret, moment) is None
        assert access.found(session, second.secret, moment) is not None
    assert replace(first, secret=second.secret).get(READ).status_code == 200
