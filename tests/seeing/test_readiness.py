"""Ready or not, on both databases: each thing that can be wrong, and nothing that says too much."""

import dataclasses
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from newsletter.db import Database, connect
from newsletter.errors import FixSettings
from newsletter.seeing import figures, host, readiness
from newsletter.seeing.glance import Watch
from newsletter.seeing.kept import Kept
from newsletter.seeing.listening import Listener, listen
from newsletter.seeing.readiness import Storage
from newsletter.settings import Settings
from tests.postgres import Server, Shared


def test_a_current_database_is_ready(settings: Settings, database: Database) -> None:
    storage = Storage(settings, database)
    assert storage.look() == {"database": "ok", "migrations": "ok"}
    assert storage.look() == {"database": "ok", "migrations": "ok"}  # by what is remembered


@pytest.mark.parametrize(
    ("version", "floor", "word"),
    [("0005", "", "behind"), ("9999", "", "ok"), ("9999", "9999", "newer")],
)
def test_a_schema_that_is_not_ours(
    settings: Settings, database: Database, version: str, floor: str, word: str
) -> None:
    """A newer program may have added to it, and may have taken away what this one needs."""
    storage = Storage(settings, database)
    assert storage.look()["migrations"] == "ok"
    before = _versions(database, None)
    _versions(database, (version, floor))  # while this process runs
    try:
        assert storage.look() == {"database": "ok", "migrations": word}
    finally:
        _versions(database, before)
    assert storage.look()["migrations"] == "ok"


def _versions(database: Database, new: tuple[str, str] | None) -> tuple[str, str]:
    """Revision and floor as they were."""
    columns = ("alembic_version", "version_num"), ("schema_floor", "revision")
    with database.write() as session:
        found = [session.scalar(text(f"SELECT {name} FROM {table}")) for table, name in columns]
        for (table, name), value in zip(columns, new or (), strict=False):
            session.execute(text(f"UPDATE {table} SET {name} = :value"), {"value": value})
    return str(found[0]), str(found[1])


def test_an_empty_database_is_not_ready(settings: Settings, empty_url: str) -> None:
    empty = dataclasses.replace(settings, database_url=empty_url)
    database = connect(empty_url)
    assert Storage(empty, database).look() == {"database": "ok", "migrations": "none"}
    database.engine.dispose()


def test_a_server_that_is_gone_is_away_at_once(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"postgresql://nobody:a-password@127.0.0.1:{port}/none"
    found = Storage(dataclasses.replace(settings, database_url=url), connect(url)).look()
    assert found == {"database": "away", "migrations": "unknown"}


@pytest.mark.postgresql
def test_a_standby_only_reads(settings: Settings, postgres: Server) -> None:
    url = postgres.create("standby")
    database = connect(url)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
        one.execute(text("ALTER DATABASE standby SET default_transaction_read_only = on"))
    database.engine.dispose()
    found = Storage(dataclasses.replace(settings, database_url=url), database).look()
    assert found == {"database": "read-only", "migrations": "unknown"}
    postgres.drop("standby")


@pytest.mark.postgresql
def test_the_clock_of_many_hosts(settings: Settings, shared: Shared) -> None:
    """Any worker that gave a sign lately, on whatever host."""
    many = dataclasses.replace(settings, clock="workers", database_url=shared.emptied())
    database = connect(many.database_url)
    storage = Storage(many, database)
    assert storage.look()["clock"] == "never"
    for seconds, word in ((3600, "stuck"), (3, "ok")):
        with database.write() as session:
            beat = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - :s)"
            session.execute(text(beat), {"s": timedelta(seconds=seconds)})
        assert storage.look()["clock"] == word
    found = readiness.look(many, storage.look(), datetime.now(UTC))
    assert found.checks == dict.fromkeys(readiness.CHECKS, "ok")
    with database.read() as session:
        gauges = {one.name: one for one in figures.look(session, many, datetime.now(UTC))}
    assert dict(gauges["workers"].rows) == {("live",): 1, ("silent",): 1}
    ((_, at),) = gauges["clock_tick_timestamp_seconds"].rows
    assert abs(datetime.now(UTC).timestamp() - at) < 60
    database.engine.dispose()


# --- clock and disk -------------------------------------------------------------------------------


@pytest.fixture
def lock(settings: Settings) -> Path:
    return settings.instance_dir / "clock.lock"


def test_the_clock_of_this_host(settings: Settings, lock: Path) -> None:
    now = datetime.now(UTC)
    assert readiness.clock(settings, now) == "never"
    lock.write_text("1\n")
    assert readiness.clock(settings, now) == "stopped"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert readiness.clock(settings, now) == "ok"
        long_ago = now - timedelta(seconds=host.TICK_SECONDS + 5)
        os.utime(lock, (long_ago.timestamp(), long_ago.timestamp()))
        assert readiness.clock(settings, now) == "stuck"


@pytest.mark.parametrize(
    ("room", "word"),
    [
        (host.Room(10**9, 5), "ok"),
        (host.Room(10**8, 5), "full"),
        (host.Room(10**9, 0), "full"),
        (host.Room(10**9, None), "ok"),
    ],
)
def test_the_disk(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, room: host.Room, word: str
) -> None:
    monkeypatch.setattr(host, "room", lambda _folder: room)
    assert readiness.disk(settings) == word


def test_a_folder_that_is_gone(settings: Settings) -> None:
    assert readiness.disk(dataclasses.replace(settings, instance_dir=Path("/nowhere"))) == "unknown"


# --- what is kept ---------------------------------------------------------------------------------


def test_what_hangs_is_waited_for_once_and_by_one_thread() -> None:
    end, begun = threading.Event(), list[int]()

    def make() -> str:
        begun.append(1)
        end.wait(30)
        return "at last"

    kept = Kept(make, seconds=60.0, patience=0.05)
    started = time.monotonic()
    assert [kept.get() for _ in range(50)] == [None] * 50
    assert len(begun) == 1
    assert time.monotonic() - started < 20  # not fifty times the patience of a database
    end.set()
    while kept.get() is None:
        time.sleep(0.001)
    assert kept.get() == "at last"
    assert len(begun) == 1


def test_an_error_is_none_and_is_tried_again() -> None:
    found = iter([ValueError(), "then"])

    def make() -> object:
        one = next(found)
        if isinstance(one, Exception):
            raise one
        return one

    kept = Kept(make, seconds=0.0, patience=10.0)
    assert [kept.get(), kept.get()] == [None, "then"]


def test_what_is_fresh_is_not_made_anew() -> None:
    made = iter(range(10))
    kept = Kept(lambda: next(made), seconds=60.0, patience=10.0)
    assert [kept.get() for _ in range(3)] == [0, 0, 0]
    stale = Kept(lambda: next(made), seconds=0.0, patience=10.0)
    assert [stale.get() for _ in range(3)] == [1, 2, 3]


def test_a_database_that_hangs_is_silent(settings: Settings) -> None:
    found = readiness.look(settings, None, datetime.now(UTC))
    assert found.checks["database"] == "silent"
    assert found.checks["migrations"] == "unknown"
    assert not found.ready


# --- METRICS_PORT ---------------------------------------------------------------------------------


@pytest.fixture
def asked(settings: Settings, database: Database) -> Iterator[str]:
    """Two processes' worth of servers on one socket."""
    with listen(0) as shared:
        both = [Listener(Watch(settings, database), shared) for _ in range(2)]
        for one in both:
            one.start()
        yield f"http://127.0.0.1:{shared.getsockname()[1]}"
        for one in both:
            one.stop()


@pytest.mark.sqlite("the pages are the same")
def test_the_port_for_this_machine(asked: str) -> None:
    with requests.Session() as session:
        session.trust_env = False  # no proxy
        for _ in range(4):
            assert session.get(f"{asked}/healthz", timeout=20).text == "ok\n"
        ready = session.get(f"{asked}/readyz?x", timeout=20)
        assert ready.status_code == 503
        assert json.loads(ready.text)["checks"]["clock"] == "never"
        found = session.get(f"{asked}/metrics", timeout=20)
        assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "newsletter_database_up 1.0" in found.text
        assert session.get(f"{asked}/desk/", timeout=20).status_code == 404
        assert session.post(f"{asked}/metrics", timeout=20).status_code == 501


def test_a_port_that_is_taken_is_told() -> None:
    with (
        listen(0) as taken,
        pytest.raises(FixSettings, match=r"METRICS_PORT .* cannot be used"),
    ):
        listen(taken.getsockname()[1])
