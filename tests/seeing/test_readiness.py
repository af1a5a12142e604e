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
from typing import Any

import pytest
import requests
from sqlalchemy import text

from newsletter.db import Database, connect
from newsletter.doctor import machine
from newsletter.errors import FixSettings
from newsletter.seeing import Listener, Watch, listen, readiness
from newsletter.seeing.kept import Kept
from newsletter.seeing.readiness import Storage
from newsletter.settings import Settings


def test_a_current_database_is_ready(settings: Settings, database: Database) -> None:
    storage = Storage(settings, database)
    assert storage.look() == {"database": "ok", "migrations": "ok"}
    assert storage.look() == {"database": "ok", "migrations": "ok"}  # by what is remembered


@pytest.mark.parametrize(("version", "word"), [("0005", "behind"), ("9999", "newer")])
def test_a_schema_that_is_not_ours(
    settings: Settings, database: Database, version: str, word: str
) -> None:
    storage = Storage(settings, database)
    assert storage.look()["migrations"] == "ok"
    with database.write() as session:  # while this process runs
        before = session.scalar(text("SELECT version_num FROM alembic_version"))
        session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
        if word == "newer":  # what adds only is no hindrance
            session.execute(text("UPDATE schema_floor SET revision = :v"), {"v": version})
    try:
        assert storage.look() == {"database": "ok", "migrations": word}
    finally:
        with database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": before})
            session.execute(text("UPDATE schema_floor SET revision = ''"))
    assert storage.look()["migrations"] == "ok"


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
def test_a_standby_only_reads(postgres: Any) -> None:
    url = postgres.create("standby")
    try:
        database = connect(url)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.execute(text("ALTER DATABASE standby SET default_transaction_read_only = on"))
        settings = dataclasses.make_dataclass("S", ["database_url"])(url)
        assert Storage(settings, database).look()["database"] == "read-only"
        database.engine.dispose()
    finally:
        postgres.drop("standby")


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
        long_ago = now - timedelta(seconds=machine.TICK_SECONDS + 5)
        os.utime(lock, (long_ago.timestamp(), long_ago.timestamp()))
        assert readiness.clock(settings, now) == "stuck"


@pytest.mark.parametrize(
    ("room", "word"),
    [
        (machine.Room(10**9, 5), "ok"),
        (machine.Room(10**8, 5), "full"),
        (machine.Room(10**9, 0), "full"),
        (machine.Room(10**9, None), "ok"),
    ],
)
def test_the_disk(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, room: machine.Room, word: str
) -> None:
    monkeypatch.setattr(machine, "room", lambda _folder: room)
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
