"""The fence: nothing goes out of a copy or of a database that went back in time."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from newsletter import fence
from newsletter.db import Database, connect
from newsletter.delivery import ledger
from newsletter.delivery.sender import Sender
from newsletter.errors import AdoptFirst, TryLater
from newsletter.fence import Held, Mark
from newsletter.jobs import tasks, telling
from newsletter.models import Event, EventKind, Fence, Subscriber
from newsletter.programs import endpoints
from newsletter.recovery import adopting
from newsletter.settings import Settings
from newsletter.subscribers import leaving


def raised(database: Database, settings: Settings, times: int = 1) -> Mark:
    """As a claim does: in the database, committed, then in the file."""
    for _time in range(times):
        with database.engine.begin() as connection:
            mark = fence.advance(connection, settings)
        fence.note(settings, mark)
    return mark


def held(database: Database, settings: Settings) -> Held | None:
    with database.read() as session:
        return fence.look(session, settings)


def outside(settings: Settings) -> str:
    return (settings.outside_dir / "fence").read_text().split()[1]


def go_back(database: Database, times: int = 1) -> None:
    """As a backup that was put back into the same place."""
    with database.write() as session:
        session.execute(text(f"UPDATE fence SET counter = counter - {times}"))


def adopt(database: Database, settings: Settings, *, send: bool = False) -> adopting.Adopted:
    with database.write() as session:
        return adopting.adopt(session, settings, datetime.now(UTC), send=send)


@pytest.fixture
def used(database: Database, settings: Settings) -> Database:
    raised(database, settings, 3)
    return database


def test_a_fresh_database_needs_no_ceremony(database: Database, settings: Settings) -> None:
    assert held(database, settings) is None
    raised(database, settings, 2)
    assert held(database, settings) is None
    assert int(outside(settings)) == 2
    assert (settings.outside_dir / "fence").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_ahead_holds_everything(used: Database, settings: Settings) -> None:
    go_back(used, 2)
    found = held(used, settings)
    assert found
    assert found.ahead == 2
    assert "newsletter adopt" in str(found.said)
    with pytest.raises(AdoptFirst, match="newsletter adopt"), used.engine.begin() as connection:
        fence.advance(connection, settings)


def test_a_crash_before_the_file_leaves_it_behind_and_holds_nothing(
    used: Database, settings: Settings
) -> None:
    with used.engine.begin() as connection:
        fence.advance(connection, settings)
    assert int(outside(settings)) == 3
    assert held(used, settings) is None
    assert raised(used, settings).counter == 5


def test_a_crash_in_the_very_first_claim_holds_nothing(
    database: Database, settings: Settings
) -> None:
    """The file is there, and the transaction that says so is rolled back."""
    with database.engine.connect() as connection:
        fence.advance(connection, settings)
        connection.rollback()
    assert int(outside(settings)) == 0
    assert held(database, settings) is None
    raised(database, settings)


def test_processes_that_note_late_do_not_set_it_back(used: Database, settings: Settings) -> None:
    early, late = (committed(used, settings) for _ in range(2))
    fence.note(settings, late)
    fence.note(settings, early)
    assert int(outside(settings)) == late.counter == 5


def committed(database: Database, settings: Settings) -> Mark:
    with database.engine.begin() as connection:
        return fence.advance(connection, settings)


@pytest.mark.parametrize("content", ["", "half a line", "x" * 60])
@pytest.mark.sqlite("a new host of many needs no file")
def test_a_file_that_says_nothing_holds_everything(
    used: Database, settings: Settings, content: str
) -> None:
    (settings.outside_dir / "fence").write_text(content)
    assert held(used, settings)


@pytest.mark.sqlite("a new host of many needs no file")
def test_a_copy_without_the_file_is_held(used: Database, settings: Settings) -> None:
    (settings.outside_dir / "fence").unlink()
    assert held(used, settings)


@pytest.mark.sqlite("a database server has a home of its own")
def test_another_machine_and_another_path_are_held(
    used: Database, settings: Settings, tmp_path: Path
) -> None:
    assert held(used, replace(settings, machine_id="another machine"))
    used.forget()
    shutil.copytree(settings.instance_dir, tmp_path / "copy")
    file = tmp_path / "copy" / "newsletter.db"
    moved = replace(settings, instance_dir=tmp_path / "copy", outside_dir=tmp_path / "copy/outside")
    copy = connect(f"sqlite:///{file}")
    assert held(copy, moved)
    with pytest.raises(AdoptFirst):
        tasks.deliver(copy, moved)
    copy.engine.dispose()
    assert held(used, settings) is None


@pytest.mark.sqlite("files of databases")
def test_a_new_database_in_the_old_folder_is_not_held(
    used: Database, settings: Settings, migrated_file: Path
) -> None:
    """Who deletes the database of development begins anew; one that is older is asked about."""
    used.engine.dispose()
    (settings.instance_dir / "newsletter.db").unlink()
    shutil.copy(migrated_file, settings.instance_dir / "newsletter.db")
    with used.write() as session:
        session.get_one(Fence, 1).lineage = "f" * 32
    assert held(used, settings) is None
    assert raised(used, settings).counter == 1
    assert outside(settings) == f"{1:020d}"
    with used.write() as session:
        row = session.get_one(Fence, 1)
        row.lineage, row.identity = "e" * 32, None
    assert held(used, settings)


@pytest.mark.postgresql
def test_a_new_host_joins_and_a_restored_database_is_held(
    used: Database, settings: Settings, tmp_path: Path
) -> None:
    new_host = replace(settings, outside_dir=tmp_path / "new", machine_id="another machine")
    assert held(used, new_host) is None
    raised(used, new_host)
    assert held(used, settings) is None
    with used.write() as session:  # a dump that was put back makes another table
        row = session.get_one(Fence, 1)
        assert row.identity
        row.identity = row.identity.replace(" ", " 1", 1)
    assert held(used, settings)
    assert held(used, new_host)
    adopt(used, settings)
    assert held(used, settings) is None
    assert held(used, new_host) is None, "the file of the other host lies behind the leap"


def test_adopting_goes_past_the_file_and_releases(used: Database, settings: Settings) -> None:
    go_back(used, 3)
    adopt(used, settings)
    assert held(used, settings) is None
    assert int(outside(settings)) == 3 - 3 + 1 + fence.LEAP + 2
    raised(used, settings)


def test_no_door_sends_from_a_copy(planned: Database, settings: Settings) -> None:
    raised(planned, settings)
    go_back(planned)
    doors = (
        lambda: tasks.deliver(planned, settings),
        lambda: tasks.advance_issues(planned, settings),
        lambda: tasks.drain_notices(planned, settings, stop=threading.Event()),
        lambda: Sender(planned, settings).work(),
        lambda: telling.tell(planned, settings),
    )
    for door in doors:
        with pytest.raises((AdoptFirst, TryLater)):
            door()
    with planned.read() as session:
        assert ledger.counts(session, 1)["pending"] == 25


def test_a_copy_tells_no_endpoint(planned: Database, settings: Settings) -> None:
    raised(planned, settings)
    go_back(planned)
    now = datetime.now(UTC)
    with planned.write() as session:
        endpoints.make(session, "https://crm.voorbeeld.be/", [EventKind.LEFT], now)
        reader = session.scalars(select(Subscriber).limit(1)).one()
        leaving.leave(session, settings, reader, "page", now)
    with pytest.raises(AdoptFirst):
        telling.tell(planned, settings)
    with planned.read() as session:
        event = session.scalars(select(Event)).one()
    assert (event.attempts, event.due_at) == (0, now)


@pytest.fixture
def withdrawn(planned: Database, settings: Settings) -> Iterator[Session]:
    raised(planned, settings)
    go_back(planned)
    with planned.read() as session:
        found = adopting.look(session, settings, datetime.now(UTC))
    assert found
    assert (found.ahead, found.open, found.issues[0].number) == (1, 25, 1)
    done = adopt(planned, settings)
    assert (done.withdrawn, list(done.stopped)) == (25, [1])
    with planned.read() as session:
        yield session


def test_withdrawing_leaves_nothing_open_and_moves_no_cursor(
    withdrawn: Session, settings: Settings
) -> None:
    assert ledger.counts(withdrawn, 1)["withdrawn"] == 25
    assert not ledger.has_open(withdrawn, 1)
    assert ledger.lowest_cursor(withdrawn, None, datetime.now(UTC)) == 0
    state = withdrawn.execute(text("SELECT state FROM issues")).scalar()
    assert state == "stopped", "I7: not sent by itself"


def test_sending_leaves_rows_open(planned: Database, settings: Settings) -> None:
    raised(planned, settings)
    go_back(planned)
    assert adopt(planned, settings, send=True).withdrawn == 0
    with planned.read() as session:
        assert ledger.counts(session, 1)["pending"] == 25
        assert fence.look(session, settings) is None
