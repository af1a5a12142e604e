"""Restoring is refused under those who work, and undone when it ends half way."""

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from newsletter.db import CLOCK_LOCK, Database
from newsletter.delivery import ledger
from newsletter.errors import FixRequest, FixSettings
from newsletter.jobs.timetable import Clock
from newsletter.recovery import archives, living, restoring
from newsletter.settings import Settings
from tests.fence.test_backup import backup, swept

__all__ = ["swept"]


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
    killed = {"id": lease, "owner": f"{socket.gethostname()}:{2**22 + 1}"}  # past any process
    with planned.write() as session:
        session.execute(text("UPDATE leases SET owner = :owner WHERE id = :id"), killed)
    restoring.restore(settings, made.file, now, force=True)


@pytest.mark.postgresql
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
def test_a_role_that_may_not_restore_is_told(database: Database) -> None:
    assert archives._owned(database) == ""
    with database.engine.begin() as connection:
        connection.execute(text("CREATE ROLE guest"))
    own = database.engine.connect

    def guest() -> Connection:
        connection = own()
        connection.execute(text("SET ROLE guest"))
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.engine, "connect", guest)
        assert "does not own" in archives._owned(database)
    with database.engine.begin() as connection:
        connection.execute(text("RESET ROLE"))
        connection.execute(text("DROP ROLE guest"))


@pytest.mark.postgresql
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
