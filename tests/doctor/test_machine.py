"""Disks, clocks, the leader and the shelf, with every figure put in from outside."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from newsletter import audit
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.doctor import machine
from newsletter.seeing.host import Room
from newsletter.settings import Settings
from tests.doctor.conftest import graded, said


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (Room(5_000_000_000, None), []),
        (Room(1_900_000_000, 10_000), ["disk warn", "disk warn"]),
        (Room(190_000_000, 10_000), ["disk fail", "disk fail"]),
        (Room(5_000_000_000, 0), ["disk fail", "disk fail"]),
    ],
)
def test_room_on_the_disks(settings: Settings, room: Room, expected: list[str]) -> None:
    assert graded(machine.disks(settings, lambda folder: room)) == expected


def test_the_disk_of_a_folder_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    lines = machine.disks(replace(settings, content_dir=tmp_path / "none"))
    assert [line.grade for line in lines][1] == "fail"
    assert "CONTENT_DIR" in lines[1].said


def test_a_folder_of_somebody_else(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    assert graded(machine.disks(settings)) == ["disk fail"]


def test_the_kernel_is_asked_about_its_clock() -> None:
    assert machine.in_step() in (True, False, None)


@pytest.mark.parametrize(
    ("kept", "expected"), [(True, []), (None, []), (False, ["clock warn"])], ids=str
)
def test_a_clock_that_nobody_keeps_in_step(
    database: Database, kept: bool | None, expected: list[str]
) -> None:
    lines = machine.clock(database, kept)
    assert graded(lines) == expected
    agrees = database.engine.name == "postgresql" and not expected
    assert ("database server agrees" in said(lines)) == agrees


@pytest.mark.parametrize(("seconds", "grade"), [(10, "warn"), (600, "fail")])
def test_a_clock_that_was_set_back(
    database: Database, settings: Settings, seconds: float, grade: str
) -> None:
    """SQLite has no clock of its own: then the log alone tells."""
    with database.write() as session:
        at = utcnow() + timedelta(seconds=seconds)
        audit.record(session, settings, audit.CLOCK, "issue.compile", "issue 1", at)
    lines = machine.clock(database, None)
    assert graded(lines) == [f"clock {grade}"]
    assert "ahead of the clock" in said(lines)


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=False)
@pytest.mark.parametrize(("seconds", "grade"), [(10, "warn"), (600, "fail")])
def test_a_server_with_another_time(
    database_kind: str, request: pytest.FixtureRequest, seconds: float, grade: str
) -> None:
    database: Database = request.getfixturevalue("database")
    lines = machine.clock(database, None, lambda: utcnow() + timedelta(seconds=seconds))
    assert graded(lines) == [f"clock {grade}"]
    assert f"is {seconds:.0f} s away" in said(lines)


@pytest.fixture
def led(settings: Settings) -> Iterator[Path]:
    """A clock's lock, held as by another process."""
    file = settings.instance_dir / "clock.lock"
    file.write_text("4711\n")
    with file.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


def test_a_clock_that_ticks(settings: Settings, led: Path) -> None:
    (line,) = machine.ticking(settings, utcnow())
    assert line.grade == "ok"
    assert "Process 4711" in line.said


def test_a_clock_that_stands_still(settings: Settings, led: Path, now: datetime) -> None:
    os.utime(led, (now.timestamp(), now.timestamp()))
    (line,) = machine.ticking(settings, now + timedelta(minutes=10))
    assert line.grade == "fail"
    assert "has not ticked for 600 s" in line.said


def test_no_clock_at_all(settings: Settings, now: datetime) -> None:
    assert "ever" in machine.ticking(settings, now)[0].said
    (settings.instance_dir / "clock.lock").write_text("4711\n")
    (line,) = machine.ticking(settings, now)
    assert (line.name, line.grade) == ("ticks", "warn")
    assert "now" in line.said


def test_the_shelf(settings: Settings, tmp_path: Path) -> None:
    assert graded(machine.shelf(settings)) == []
    own = replace(settings, content_dir=tmp_path / "content")
    assert graded(machine.shelf(own)) == ["content fail"], "no topics.toml"
    folder = tmp_path / "content/items/2026/11"
    folder.mkdir(parents=True)
    (tmp_path / "content/topics.toml").write_text(
        '[water]\nnl = "Water"\nfr = "Eau"\nen = "Water"\nde = "Wasser"\n'
    )
    assert graded(machine.shelf(own)) == ["content warn"], "no items"
    (folder / "een.nl.md").write_text("---\ntitle: half\n---\n")
    (line,) = machine.shelf(own)
    assert line.grade == "fail"
    assert "een.nl.md" in line.said
