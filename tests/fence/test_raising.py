"""Raised by time on each host, so that a copy made between two issues is behind the file."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter import fence, journal
from newsletter.db import Database
from newsletter.errors import AdoptFirst, TryLater
from newsletter.jobs.raising import Raiser
from newsletter.jobs.timetable import Clock
from newsletter.models import Fence, Subscriber, SubscriberState
from newsletter.recovery import replaying
from newsletter.settings import Settings
from newsletter.subscribers import privacy
from tests.fence.test_backup import leave, reader, state
from tests.fence.test_fence import adopt, go_back, held, outside, raised

LEFT = SubscriberState.LEFT


def counter(database: Database) -> int:
    with database.read() as session:
        return session.get_one(Fence, 1).counter


@pytest.mark.sqlite("files of databases")
def test_a_file_put_back_between_issues_is_held_and_who_left_leaves_again(
    planned: Database, settings: Settings, now: datetime
) -> None:
    raised(planned, settings)
    raiser = Raiser(settings, planned)
    raiser.turn()
    planned.engine.dispose()
    file = settings.instance_dir / "newsletter.db"
    with sqlite3.connect(file) as direct:
        direct.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    direct.close()
    kept = file.read_bytes()
    leave(planned, settings, 1, now)
    with planned.write() as session:
        second = session.query(Subscriber).filter_by(canonical=reader(2)).one()
        privacy.erase(session, settings, second, now)
    raiser.turn()
    planned.engine.dispose()
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    file.write_bytes(kept)  # as `cp` does: into the same inode
    found = held(planned, settings)
    assert found
    assert found.ahead == 1
    lines = journal.read(journal.files(settings))
    replaying.replay(planned, settings, lines, now, lambda _count: None)
    adopt(planned, settings)
    assert (state(planned, 1), state(planned, 2)) == (LEFT, None)
    assert held(planned, settings) is None


def test_it_is_raised_each_minute_and_when_somebody_left(
    planned: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(planned, settings)
    raiser, before = Raiser(settings, planned), counter(planned)
    for _turn in range(3):
        raiser.turn()
    assert counter(planned) == before + 1
    leave(planned, settings, 1, now)
    for _turn in range(2):
        raiser.turn()
    assert counter(planned) == int(outside(settings)) == before + 2
    monkeypatch.setattr("newsletter.jobs.raising.MINUTE", 0.0)
    raiser.turn()
    assert counter(planned) == before + 3


def test_it_is_raised_before_the_first_issue_only_when_somebody_left(
    planned: Database, settings: Settings, now: datetime
) -> None:
    Raiser(settings, planned).turn()
    assert not (settings.outside_dir / "fence").exists()
    leave(planned, settings, 1, now)
    Raiser(settings, planned).turn()
    go_back(planned)
    assert held(planned, settings)


def test_a_clock_that_stops_raises_it_once_more(planned: Database, settings: Settings) -> None:
    raised(planned, settings)
    clock = Clock(settings, planned)
    clock.start()
    clock.raise_fence()
    before = counter(planned)
    clock.stop()
    assert counter(planned) == int(outside(settings)) == before + 1


def test_a_crash_before_the_file_or_a_full_disk_holds_nothing(
    planned: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(planned, settings)
    raiser, before = Raiser(settings, planned), counter(planned)

    def full(*_anything: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(fence, "note", full)
        with pytest.raises(TryLater, match="OUTSIDE_DIR"):
            raiser.turn()
    assert (counter(planned), int(outside(settings))) == (before + 1, before)
    assert held(planned, settings) is None
    raiser.turn()
    assert int(outside(settings)) == before + 2


def test_a_host_that_is_ahead_holds_all(
    planned: Database, settings: Settings, tmp_path: Path
) -> None:
    """By its duty; raising elsewhere releases nobody, and an adoption releases all."""
    older = replace(settings, outside_dir=tmp_path / "older")
    raised(planned, settings)
    with planned.engine.begin() as connection:
        mark = fence.advance(connection, settings)
    older.outside_dir.mkdir()
    fence.note(older, mark)
    raised(planned, settings, 3)
    go_back(planned, 3)
    assert held(planned, older) is None, "by itself it cannot know"
    with pytest.raises(AdoptFirst):
        fence.require_home(planned, settings)
    for one in (older, replace(settings, outside_dir=tmp_path / "none"), settings):
        before = counter(planned)
        Raiser(one, planned).turn()
        assert held(planned, one)
        assert counter(planned) == before
    adopt(planned, settings)
    assert held(planned, older) is None
    Raiser(older, planned).turn()


@pytest.mark.postgresql
def test_a_host_without_a_file_joins_only_while_another_works(
    planned: Database, settings: Settings, tmp_path: Path
) -> None:
    raised(planned, settings)
    new = replace(settings, outside_dir=tmp_path / "new")
    assert held(planned, new) is None
    with planned.write() as session:
        session.get_one(Fence, 1).raised_at = datetime.now(UTC) - timedelta(minutes=4)
    assert held(planned, new)
    with pytest.raises(AdoptFirst), planned.engine.begin() as connection:
        fence.advance(connection, new)
    assert held(planned, settings) is None
    Raiser(settings, planned).turn()
    raised(planned, new)
    assert held(planned, new) is None
