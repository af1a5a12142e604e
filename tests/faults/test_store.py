"""The database goes away, is locked, read-only or full: what cannot be recorded is not sent."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.programs import Forked, wait_for
from tests.faults.world import World, build
from tests.relay import running

SLOWLY = {"content": "wait 0.02"}
CUT_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
    "AND datname = current_database()"
)
PATIENT = {"LEASE_SECONDS": "10"}  # a commit is tried as long as a lease lasts


def slow(world: World) -> None:
    world.relay.script = lambda stage, _recipient: SLOWLY.get(stage)


def ends_well(world: World, after: int = 0) -> None:
    """The same process goes on to the end, and nothing was doubled."""
    wait_for(lambda: len(world.relay.taken) > after or world.state() == "sent", "more messages")
    assert world.programs[-1].wait().code == 0, world.programs[-1].err
    assert judge(world).duplicates == 0


@pytest.mark.postgresql
def test_postgresql_restarted_in_mid_send(birth: Forked) -> None:
    """A crash of the server (immediate shutdown), with the outcomes of four messages in hand."""
    programs = postgres.binaries()
    if programs is None:
        pytest.skip("there is no PostgreSQL")
    with postgres.running(programs) as server, running() as log:
        world = build(server, 200, birth)
        try:
            world.relay = log
            slow(world)
            world.run("issues", "send", "1")
            world.start("deliver", **PATIENT)
            world.until_taken(40)
            server.crash()
            ends_well(world)
        finally:
            world.close()


@pytest.mark.postgresql
def test_all_backends_terminated(new_world: NewWorld) -> None:
    world = new_world(store="postgresql")
    slow(world)
    world.start("deliver", **PATIENT)
    for taken in (20, 60, 100):
        world.until_taken(taken)
        world.store.rows(CUT_OFF)
    ends_well(world)


@pytest.mark.postgresql
def test_read_only_for_a_while(new_world: NewWorld) -> None:
    world = new_world(store="postgresql")
    slow(world)
    world.start("deliver", **PATIENT)
    world.until_taken(20)
    setting = f"ALTER DATABASE {world.store.name} SET default_transaction_read_only"
    world.store.change(f"{setting} = on")
    world.store.rows(CUT_OFF)
    halted = standstill(world)
    world.store.change(f"SET default_transaction_read_only = off; {setting} = off")
    world.store.rows(CUT_OFF)
    ends_well(world, halted)


def standstill(world: World) -> int:
    """While nothing can be recorded no message goes, but those that were under way."""
    before = len(world.relay.taken)
    threading.Event().wait(1.0)
    now = len(world.relay.taken)
    assert now - before <= 2 * 4, "one message a connection, and one that was behind it"
    return now


@pytest.mark.postgresql
@pytest.mark.parametrize("lease", ["10", "1"], ids=["within-the-lease", "longer-than-the-lease"])
def test_a_long_lock_on_postgresql(new_world: NewWorld, lease: str) -> None:
    world = new_world(store="postgresql", readers=60)
    slow(world)
    world.start("deliver", LEASE_SECONDS=lease)
    world.until_taken(10)
    with psycopg.connect(world.store.url) as other:
        other.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
        halted = standstill(world)
        threading.Event().wait(1.0)
    ends_well(world, halted)


def test_a_second_writer_on_sqlite(new_world: NewWorld) -> None:
    """BEGIN IMMEDIATE held for seconds by somebody else."""
    world = new_world()
    slow(world)
    world.start("deliver", **PATIENT)
    world.until_taken(20)
    other = sqlite3.connect(world.store.file, timeout=30, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    halted = standstill(world)
    threading.Event().wait(1.0)
    other.execute("ROLLBACK")
    other.close()
    ends_well(world, halted)


def test_kill_at_a_checkpoint(new_world: NewWorld) -> None:
    """The main file is written only then: the kill follows its first change."""
    world = new_world()
    for _ in range(2):
        before = world.store.file.stat().st_mtime_ns
        program = world.start("deliver")
        while world.store.file.stat().st_mtime_ns == before and program.runs:
            pass  # a checkpoint takes milliseconds: no sleep
        program.kill()
        program.wait()
        assert world.store.rows("PRAGMA integrity_check") == [("ok",)]
    world.finish()
    judge(world, allowed=2 * 4)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB in memory: room for the database and the whole of its log."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("this machine mounts nothing")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_disk_full_stops_before_sending(new_world: NewWorld, small_disk: Path) -> None:
    """It ends with one sentence, and every message that was handed over is known or in doubt."""
    world = new_world()
    shutil.copytree(world.store.folder, small_disk, dirs_exist_ok=True)
    world.store.folder = small_disk
    slow(world)
    program = world.start("deliver", LEASE_SECONDS="1")
    world.until_taken(20)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)
    done = program.wait()
    assert done.code == 1, done
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    taken = len(world.relay.taken)
    assert taken < len(world.readers)
    filler.unlink()
    known = world.counts()["accepted"]
    assert taken - known <= 4, "one message a connection may have been answered in vain"
    world.finish()
    judge(world, allowed=4)
