"""Backups: made under way, read back, put back; and what then happened since happens again."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from newsletter import journal, suppression
from newsletter.cli.office import tidy
from newsletter.db import CLOCK_LOCK, Database, connect
from newsletter.delivery import ledger
from newsletter.errors import AdoptFirst, FixRequest, FixSettings
from newsletter.jobs import tasks
from newsletter.jobs.timetable import Clock
from newsletter.models import Notice, Subscriber, SubscriberState, SuppressionReason
from newsletter.recovery import archives, copying, living, restoring
from newsletter.settings import Settings
from newsletter.subscribers import leaving, privacy
from newsletter.tokens import tokens_of
from tests.fence.test_fence import raised

ACTIVE, LEFT = SubscriberState.ACTIVE, SubscriberState.LEFT
HOUR = timedelta(hours=1)


def backup(database: Database, settings: Settings, folder: Path, now: datetime) -> copying.Backup:
    file = folder / copying.name(database, now)
    return copying.make(database, settings, file, now, lambda _done, _all: None)


@pytest.fixture(autouse=True)
def swept(planned: Database) -> Iterator[None]:
    """The database of all tests on PostgreSQL is left as it was."""
    yield
    if planned.engine.name == "postgresql":
        with planned.engine.begin() as connection:
            query = text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_%'")
            for name in connection.execute(query).scalars().all():
                connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


def reader(number: int) -> str:
    return f"r{number}@voorbeeld.example"


def state(database: Database, number: int) -> SubscriberState | None:
    with database.read() as session:
        query = select(Subscriber.state).where(Subscriber.canonical == reader(number))
        return session.scalar(query)


def test_a_backup_is_read_back_and_put_back(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    raised(planned, settings)
    made = backup(planned, settings, tmp_path, now)
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert "the rows of each table were counted" in made.proven
    assert len(list(tmp_path.glob("*newsletter-*"))) == 2, "and its checksum"
    with pytest.raises(FixRequest, match="replaces no other"):
        backup(planned, settings, tmp_path, now)
    with planned.write() as session:
        session.execute(text("DELETE FROM deliveries"))
    with pytest.raises(FixRequest, match="--force"):
        restoring.restore(settings, made.file, now)
    done = restoring.restore(settings, made.file, now, force=True)
    assert done.kept
    with pytest.raises(AdoptFirst):  # who still has the old file open, too
        tasks.deliver(planned, settings)
    planned.engine.dispose()
    with planned.read() as session:
        assert session.execute(text("SELECT count(*) FROM deliveries")).scalar() == 25
    with pytest.raises(AdoptFirst):
        tasks.deliver(planned, settings)


def test_a_damaged_backup_and_one_of_another_kind_are_refused(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    made = backup(planned, settings, tmp_path, now)
    with made.file.open("r+b") as file:
        file.seek(made.octets // 2)
        file.write(b"\xff" * 100)
    with pytest.raises(FixRequest, match="damaged"):
        restoring.restore(settings, made.file, now, force=True)
    (tmp_path / "letter.txt").write_text("no backup")
    with pytest.raises(FixRequest, match="no backup"):
        restoring.restore(settings, tmp_path / "letter.txt", now, force=True)
    other = "sqlite:////tmp/none.db" if planned.engine.name == "postgresql" else "postgresql://x/y"
    (tmp_path / f"{made.file.name}.sha256").unlink()
    with pytest.raises(FixRequest, match="DATABASE_URL names"):
        restoring.restore(replace(settings, database_url=other), made.file, now)
    with planned.read() as session:
        assert session.execute(text("SELECT count(*) FROM deliveries")).scalar() == 25


@pytest.mark.sqlite("the file may be put there by any means")
def test_a_copied_backup_is_at_home_nowhere(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    """Level with the fence outside, in the same file, on the same machine: held all the same."""
    raised(planned, settings)
    made = backup(planned, settings, tmp_path, now)
    planned.engine.dispose()
    place = settings.instance_dir / "newsletter.db"
    place.write_bytes(made.file.read_bytes())
    with pytest.raises(AdoptFirst):
        tasks.deliver(planned, settings)


@pytest.mark.sqlite("pg_dump has its snapshots")
def test_a_backup_ends_while_rows_are_written(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    """Each write would begin a copy anew that does not hold on to its moment."""
    other = connect(settings.database_url)
    writes = 0

    def write(_done: int, _all: int) -> None:
        nonlocal writes
        with other.write() as session:
            session.execute(text("UPDATE deliveries SET attempts = attempts + 1"))
        writes += 1

    file = tmp_path / "b.db"
    pages, copying.PAGES = copying.PAGES, 10
    try:
        copying.make(planned, settings, file, now, write)
    finally:
        copying.PAGES = pages
        other.engine.dispose()
    assert 5 < writes < 500
    copy = sqlite3.connect(file)
    assert copy.execute("SELECT sum(attempts) FROM deliveries").fetchone() == (0,)
    copy.close()


def test_who_left_since_leaves_again_and_who_came_back_stays(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    raised(planned, settings)
    made = backup(planned, settings, tmp_path, now)
    with planned.write() as session:
        first = session.query(Subscriber).filter_by(canonical=reader(1)).one()
        second = session.query(Subscriber).filter_by(canonical=reader(2)).one()
        fourth = session.query(Subscriber).filter_by(canonical=reader(4)).one()
        leaving.leave(session, settings, first, "page", now + HOUR)
        privacy.erase(session, settings, second, now + HOUR)
        bounced = SuppressionReason.BOUNCED
        privacy.suppress(session, settings, reader(3), bounced, now + HOUR, "hard")
        privacy.suppress(session, settings, "else@where.example", bounced, now + HOUR)
        leaving.leave(session, settings, fourth, "page", now + HOUR)
        back = journal.Purpose.BACK
        journal.write(session, settings, back, [reader(4)], now + 2 * HOUR)
    done = restoring.restore(settings, made.file, now + 3 * HOUR, force=True)
    planned.engine.dispose()
    assert (done.replayed.left, done.replayed.blocked, done.replayed.erased) == (1, 1, 1)
    assert state(planned, 1) is LEFT
    assert state(planned, 2) is None
    assert state(planned, 3) is SubscriberState.SUPPRESSED
    assert state(planned, 4) is state(planned, 5) is ACTIVE
    with planned.read() as session:
        entry = suppression.is_suppressed(session, tokens_of(settings), "else@where.example")
        assert entry, "also who is not in the backup"
        assert session.scalars(select(Notice)).all() == [], "nobody is told a second time"


def test_a_forgotten_suppression_stays_forgotten_and_mails_nobody(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    made = backup(planned, settings, tmp_path, now)
    with planned.write() as session:
        first = session.query(Subscriber).filter_by(canonical=reader(1)).one()
        privacy.erase(session, settings, first, now + HOUR)
        bounced = SuppressionReason.BOUNCED
        privacy.suppress(session, settings, "else@where.example", bounced, now + HOUR)
    gone = [reader(1), "else@where.example"]
    with planned.write() as session:
        for one in gone:
            assert suppression.forget(session, tokens_of(settings), one)
        journal.write(session, settings, "forgotten", [*gone, reader(5)], now + 2 * HOUR)
    for _time in range(2):  # what a replay writes says the same
        restoring.restore(settings, made.file, now + 3 * HOUR, force=True)
        planned.engine.dispose()
        assert state(planned, 1) is None, "older than the erasure: erased again"
        assert state(planned, 5) is ACTIVE, "there was nothing before it"
        with planned.read() as session:
            assert suppression.listed(session) == []
        now += HOUR


def test_a_process_that_is_ended_leaves_no_half_backup(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    def end(_done: int, _all: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit), tidy():
        copying.make(planned, settings, tmp_path / "b", now, end)
    assert list(tmp_path.glob(".b*")) == list(tmp_path.glob("b*")) == []


def test_the_journal_holds_no_address(planned: Database, settings: Settings) -> None:
    now = datetime.now(UTC)
    with planned.write() as session:
        privacy.suppress(session, settings, reader(1), SuppressionReason.STAFF, now)
    [file] = journal.files(settings)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "voorbeeld" not in file.read_text()
    [line] = journal.read([file])
    assert line.purpose is journal.Purpose.STAFF
    assert line.at == now


def test_half_a_line_is_passed_over(settings: Settings, planned: Database, now: datetime) -> None:
    """The power goes in mid-write; what is written next stands on a line of its own."""
    leave(planned, settings, 1, now)
    [file] = journal.files(settings)
    with file.open("ab") as stream:
        stream.write(b"2026-11-23T09:00:00.000000+00:00 left 12ab")
    leave(planned, settings, 2, now)
    assert [line.purpose for line in journal.read([file])] == [journal.Purpose.LEFT] * 2


def leave(database: Database, settings: Settings, number: int, now: datetime) -> None:
    with database.write() as session:
        one = session.query(Subscriber).filter_by(canonical=reader(number)).one()
        leaving.leave(session, settings, one, "page", now)


def test_a_crash_around_the_commit_loses_nobody(
    planned: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaving is on the disk before it is committed; coming back is not there before it is."""

    def crash(*_anything: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(planned.engine.dialect, "do_commit", crash)
        with pytest.raises(KeyboardInterrupt):
            leave(planned, settings, 1, now)
        with pytest.raises(KeyboardInterrupt):
            come_back(planned, settings, now)
    assert state(planned, 1) is ACTIVE
    [line] = journal.read(journal.files(settings))
    assert line.purpose is journal.Purpose.LEFT
    come_back(planned, settings, now)
    assert [one.purpose for one in journal.read(journal.files(settings))] == ["left", "back"]


def come_back(database: Database, settings: Settings, now: datetime) -> None:
    with database.write() as session:
        session.execute(text("SELECT 1"))
        journal.write(session, settings, journal.Purpose.BACK, [reader(1)], now)


def test_nobody_is_kept_from_leaving_by_a_journal_that_cannot_be_written(
    planned: Database, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    settings.outside_dir.mkdir(exist_ok=True)
    (settings.outside_dir / "journal").write_text("a file where the folder should be")
    leave(planned, settings, 1, now)
    assert state(planned, 1) is LEFT
    assert "journal of who left cannot be written" in caplog.text


def test_a_database_that_runs_is_not_restored_over(
    planned: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    made = backup(planned, settings, tmp_path, now)
    clock = Clock(settings, planned)
    assert clock.leadership.of_all()
    with pytest.raises(FixRequest, match="stop it"):
        restoring.restore(settings, made.file, now, force=True)
    clock.stop()
    with planned.write() as session:
        lease = ledger.take_lease(session, settings, "host2:7", datetime.now(UTC))
    with pytest.raises(FixRequest, match="host2:7 mails"):
        restoring.restore(settings, made.file, now, force=True)
    with planned.write() as session:
        session.execute(text("DELETE FROM leases WHERE id = :id"), {"id": lease})
    restoring.restore(settings, made.file, now, force=True)


@pytest.mark.postgresql
@pytest.mark.sqlite("not both: its kind is said below")
@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_hosts_elsewhere_are_seen(planned: Database, settings: Settings) -> None:
    assert living.look(planned, settings) == []
    with planned.write() as session:
        session.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
    with planned.engine.connect() as elsewhere:
        elsewhere.execute(text("SELECT pg_advisory_lock(:clock)"), {"clock": CLOCK_LOCK})
        worker, clock = living.look(planned, settings)
        elsewhere.execute(text("SELECT pg_advisory_unlock_all()"))
    assert "newsletter worker" in worker
    assert "newsletter serve" in clock


@pytest.mark.postgresql
@pytest.mark.sqlite("not both: its kind is said below")
@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.parametrize("trouble", ["no program", "damaged", "interrupted"])
def test_a_restore_that_ends_half_way_leaves_all_as_it_was(
    planned: Database,
    settings: Settings,
    tmp_path: Path,
    now: datetime,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = backup(planned, settings, tmp_path, now)
    if trouble == "no program":
        monkeypatch.setenv("PATH", "")
    elif trouble == "damaged":
        (tmp_path / f"{made.file.name}.sha256").unlink()
        made.file.write_bytes(made.file.read_bytes()[:2000])
    else:

        def interrupt(*_anything: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(archives, "restore", interrupt)
    with pytest.raises((FixSettings, FixRequest, KeyboardInterrupt)):
        restoring.restore(settings, made.file, now, force=True)
    with planned.read() as session:
        assert session.execute(text("SELECT count(*) FROM deliveries")).scalar() == 25
        kept = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'before_%'"
        assert session.execute(text(kept)).scalar() == 0
