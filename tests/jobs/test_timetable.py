"""The embedded clock: one leader, everything by itself, and a clean end."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from newsletter.content import images
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.issues import slots
from newsletter.jobs import duties, tasks
from newsletter.jobs.timetable import Clock
from newsletter.models import Issue, IssueState, Slot
from newsletter.settings import Settings
from newsletter.subscribers.importing import import_csv
from tests.content.files import jpeg
from tests.relay import RelayLog, running


@pytest.fixture
def relay() -> Iterator[RelayLog]:
    with running() as log:
        yield log


@pytest.fixture
def office(settings: Settings, relay: RelayLog, tmp_path: Path) -> Settings:
    folder = tmp_path / "content/items/2026/11"
    folder.mkdir(parents=True)
    (tmp_path / "content/topics.toml").write_text(
        '[water]\nnl = "Water"\nfr = "Eau"\nen = "Water"\nde = "Wasser"\n'
    )
    (folder / "een.nl.md").write_text(
        "---\ntitle: Een bron voor het dorp\ndate: 2026-11-02\nstatus: ready\n"
        "topics: [water]\nsummary: Een korte zin over de bron.\n---\nHet verhaal.\n"
    )
    return replace(
        settings,
        content_dir=tmp_path / "content",
        mail_server="127.0.0.1",
        mail_port=relay.port,
        cadences={"monthly": "0 * * * *"},  # by the minute, a second slot could come meanwhile
        hold_hours=0.0,
    )


def add_readers(database: Database, settings: Settings) -> None:
    lines = [
        "email,confirmed_at",
        "a@voorbeeld.example,2026-01-01",
        "b@voorbeeld.example,2026-01-01",
    ]
    with database.write() as session:
        import_csv(
            session, settings, lines, source="x", now=utcnow(), invite=False, topics_known=()
        )
        past = utcnow() - timedelta(days=1)
        slots.take(session, "monthly", slots.latest(settings, "monthly", past), past)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in 30 seconds"
        time.sleep(0.05)


def test_a_due_slot_becomes_mail_by_itself(
    database: Database, office: Settings, relay: RelayLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NOTICE_SECONDS", "DELIVERY_SECONDS", "ISSUE_SECONDS"):
        monkeypatch.setattr(duties, name, 0.1)  # what is waited for is the work
    add_readers(database, office)
    clock = Clock(office, database)
    clock.start()
    try:
        wait_for(lambda: len(relay.taken) == 2)
    finally:
        clock.stop()
    with database.read() as session:
        assert session.query(Slot).filter(Slot.issue_number == 1).count() == 1
    assert sorted(taken.recipient[0] for taken in relay.taken) == ["a", "b"]
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in relay.taken[0].content


def test_of_two_clocks_one_leads_and_the_other_takes_over(
    database: Database, office: Settings, relay: RelayLog
) -> None:
    first, second = Clock(office, database), Clock(office, database)
    assert first.leadership.of_all()
    assert not second.leadership.of_all()
    first.stop()
    assert second.leadership.of_all()
    second.stop()


def test_the_leader_marks_that_it_ticks(office: Settings, database: Database) -> None:
    clock, lock = Clock(office, database), office.instance_dir / "clock.lock"
    assert clock.leadership.of_host()
    os.utime(lock, (0, 0))
    clock.guarded(clock.tick)
    assert lock.stat().st_mtime > 0
    clock.stop()


def test_two_clocks_make_one_issue_of_one_slot(
    database: Database, office: Settings, relay: RelayLog
) -> None:
    add_readers(database, office)
    library = Clock(office, database).library
    first = tasks.run_due_slots(database, office, library)
    again = tasks.run_due_slots(database, office, library)
    assert (first, again) == ([1], [])
    with database.read() as session:
        assert session.query(Issue).one().state is IssueState.HELD


def test_pictures_are_made_ready_while_others_can_write(
    database: Database, office: Settings, relay: RelayLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_readers(database, office)
    file = next(office.content_dir.rglob("een.nl.md"))
    lead = "image: bron.jpg\nimage_alt: Een bron in Guaranda\nimage_credit: An\n---\nHet verhaal."
    file.write_text(file.read_text().replace("---\nHet verhaal.", lead))
    (office.content_dir / "images").mkdir()
    (office.content_dir / "images/bron.jpg").write_bytes(jpeg())
    accept, write, locked, made = images.accept, database.write, [False], []

    @contextlib.contextmanager
    def writing() -> Iterator[Session]:
        with write() as session:
            locked[0] = True
            yield session
            locked[0] = False

    def accepting(data: bytes, name: str) -> images.Ready:
        made.append(locked[0])
        return accept(data, name)

    monkeypatch.setattr(database, "write", writing)
    monkeypatch.setattr(images, "accept", accepting)
    assert tasks.run_due_slots(database, office, Clock(office, database).library) == [1]
    assert made == [False]


def test_an_error_on_the_shelf_leaves_the_slot_for_when_it_is_mended(
    database: Database, office: Settings, relay: RelayLog
) -> None:
    add_readers(database, office)
    file = next(office.content_dir.rglob("een.nl.md"))
    good = file.read_text()
    file.write_text(good.replace("title:", "titel:"))
    clock = Clock(office, database)
    with pytest.raises(Exception, match=r"een\.nl\.md:2"):
        clock.compile_due()
    file.write_text(good)
    clock.compile_due()
    with database.read() as session:
        assert session.query(Issue).count() == 1


def test_a_task_in_trouble_stops_neither_clock_nor_others(
    database: Database, office: Settings, relay: RelayLog, caplog: pytest.LogCaptureFixture
) -> None:
    add_readers(database, office)
    broken = replace(office, mail_port=1)
    clock = Clock(broken, database)
    clock.compile_due()
    clock.advance_issues()
    for _ in range(3):
        clock.guarded(clock.deliver)
    assert sum("does not answer" in record.message for record in caplog.records) == 1
    clock.stop()
