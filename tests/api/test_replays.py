"""Idempotency keys: the same request is done once, whatever happens between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import func, select, update

from newsletter.db import Database
from newsletter.jobs import nightly
from newsletter.models import Entry, Replay, Subscriber
from newsletter.programs import replays
from newsletter.programs.replays import Clash
from newsletter.web.api import calls, people
from newsletter.web.api.routes import OPERATIONS
from tests.api.conftest import Program, token
from tests.web.conftest import World

PATH, KEY = "/subscribers", "8e03978e-40d5-43dd-bc93-6894a57f9324"
SENT = {"email": "jan@voorbeeld.be", "source": "beurs"}


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_same_request_is_done_once_and_answered_alike(world: World, program: Program) -> None:
    first = program.post(PATH, SENT, KEY)
    again = program.post(PATH, SENT, KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert count(world.database, Entry) == 1
    assert program.post(PATH, SENT).status_code == 200, "without a key it is another request"


def test_a_key_is_of_one_request_and_of_one_token(world: World, program: Program) -> None:
    program.post(PATH, SENT, KEY)
    other = program.post(PATH, SENT | {"source": "markt"}, KEY)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.get_json()["detail"]
    assert token(world).post(PATH, SENT, KEY).status_code == 200, "not another's answer"


def test_what_failed_is_not_kept(world: World, program: Program) -> None:
    late = {"at": "2020-01-01T00:00:00Z"}
    assert program.post("/issues/7/schedule", late, KEY).status_code == 404
    assert count(world.database, Replay) == 0
    assert program.post(PATH, SENT, KEY).status_code == 201


def test_no_address_is_kept(world: World, program: Program) -> None:
    program.post(PATH, SENT, KEY)
    program.post("/suppressions", {"email": "jan@voorbeeld.be", "why": "belde"}, "two")
    with world.database.read() as session:
        kept = session.scalars(select(Replay)).all()
    assert len(kept) == 2
    assert "voorbeeld" not in " ".join(f"{one.body} {one.fingerprint}" for one in kept)


def test_a_crash_before_the_commit_leaves_neither(
    world: World, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(replays, "keep", crash)
    with pytest.raises(KeyboardInterrupt):
        program.post(PATH, SENT, KEY)
    monkeypatch.undo()
    assert (count(world.database, Subscriber), count(world.database, Replay)) == (0, 0)
    assert program.post(PATH, SENT, KEY).status_code == 201
    assert (count(world.database, Subscriber), count(world.database, Replay)) == (1, 1)


def test_while_it_is_done_the_same_one_is_told_so(
    world: World, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view is held up in the middle of its transaction."""
    begun, go_on, add = Event(), Event(), people.add

    def slowly(call: calls.Call) -> object:
        made = add(call)
        begun.set()
        assert go_on.wait(20)
        return made

    operation = next(one for one in OPERATIONS if one.name == "add_subscriber")
    monkeypatch.setattr(type(operation), "load", lambda _self: slowly)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(program.post, PATH, SENT, KEY)
        assert begun.wait(20)
        if world.database.engine.name == "postgresql":
            with world.database.write() as session:  # as another host would find it
                found = replays.find(session, program.id, KEY, "x", datetime.now(UTC))
                assert found is Clash.RUNNING
        with replays.turn(program.id, KEY) as mine:
            assert not mine
        go_on.set()
        assert first.result().status_code == 201
    monkeypatch.undo()
    assert program.post(PATH, SENT, KEY).status_code == 201


def test_of_many_at_once_one_is_done(world: World, program: Program) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _n: program.post(PATH, SENT, KEY), range(6)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert 201 in {answer.status_code for answer in answers}
    assert len({answer.data for answer in answers if answer.status_code == 201}) == 1
    assert (count(world.database, Subscriber), count(world.database, Entry)) == (1, 1)


def test_after_a_day_a_key_is_free_and_the_night_takes_it(world: World, program: Program) -> None:
    program.post(PATH, SENT, KEY)
    with world.database.write() as session:
        session.execute(update(Replay).values(at=datetime.now(UTC) - timedelta(hours=25)))
    answer = program.post(PATH, SENT | {"source": "markt"}, KEY)
    assert answer.status_code == 200
    assert nightly.forget_replays(world.database, datetime.now(UTC)) == 0
    with world.database.write() as session:
        session.execute(update(Replay).values(at=datetime.now(UTC) - replays.KEPT))
    assert nightly.forget_replays(world.database, datetime.now(UTC)) == 1
    assert count(world.database, Replay) == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
def test_a_key_is_plain(program: Program, key: str) -> None:
    headers = program.headers() | {"Idempotency-Key": key}
    answer = program.world.client.post(f"/api/v1{PATH}", json=SENT, headers=headers)
    assert answer.status_code == 400
