"""From bytes to what they do, in transactions of their own: crashes, replays, workers at once."""

import mailbox
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from newsletter.bounces import files, intake
from newsletter.bounces.intake import Counts, Incoming
from newsletter.db import Database
from newsletter.delivery.return_path import ReturnPath
from newsletter.delivery.sender import utcnow
from newsletter.jobs import reports
from newsletter.models import (
    Delivery,
    DeliveryState,
    Entry,
    Issue,
    IssueState,
    Setback,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from tests.bounces.mails import dsn, person, vacation
from tests.bounces.world import BOX, World

READERS = 30


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, return_path=BOX, reply_to="redactie@nieuws.test")


@pytest.fixture
def paths(database: Database, settings: Settings, now: datetime) -> list[str]:
    """Where mail comes back of an issue that 30 readers were sent."""
    with database.write() as session:
        world = World(session, settings, now)
        world.readers(READERS)
        return [world.verp(row) for row in world.issue(1, now)]


def numbers(database: Database) -> tuple[int, int, int]:
    """Deliveries marked, readers suppressed, setbacks written."""
    with database.read() as session:
        counts = (
            select(func.count()).where(Delivery.bounced_at.is_not(None)),
            select(func.count()).where(Subscriber.state == SubscriberState.SUPPRESSED),
            select(func.count()).select_from(Setback),
        )
        marked, stopped, written = (session.scalar(count) or 0 for count in counts)
        return marked, stopped, written


def test_a_mailbox_of_everything(database: Database, settings: Settings, paths: list[str]) -> None:
    messages = [
        dsn(paths[0]),
        dsn(paths[1], status="4.4.1", action="delayed"),
        dsn(paths[2], status="5.2.2", words="552 5.2.2 mailbox full"),
        vacation(paths[3]),
        person(paths[4]),
        dsn("bounce@nieuws.test"),
        b"\xff\x00 nonsense",
    ]
    counts = reports.take_in(database, settings, map(Incoming, messages))
    kinds = {name: times for name, times in counts.kinds.items() if times}
    assert kinds == {
        **{"hard": 2, "delayed": 1, "soft": 1, "auto_reply": 1, "human": 1, "unknown": 1}
    }
    assert (counts.suppressed, counts.unproven, counts.forwarded) == (1, 1, 2)
    assert numbers(database) == (2, 1, 2)


def test_after_a_crash_in_mid_mailbox_the_whole_mailbox_comes_again(
    database: Database, settings: Settings, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BATCH", 4)

    def until(crash: int) -> Iterator[Incoming]:
        for position, path in enumerate(paths):
            if position == crash:
                raise ConnectionError("the mailbox is gone")
            yield Incoming(dsn(path))

    with pytest.raises(ConnectionError):
        reports.take_in(database, settings, until(10))
    assert numbers(database) == (8, 8, 8)  # whole batches
    counts = reports.take_in(database, settings, until(-1))
    assert (counts.again, counts.suppressed) == (8, READERS - 8)
    assert numbers(database) == (READERS, READERS, READERS)
    assert reports.take_in(database, settings, until(-1)).again == READERS
    assert numbers(database) == (READERS, READERS, READERS)


def test_two_workers_at_once_count_each_report_once(
    database: Database, settings: Settings, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BATCH", 5)
    found, together = list[Counts](), threading.Barrier(2)

    def work(mine: list[str]) -> None:
        together.wait()
        found.append(reports.take_in(database, settings, (Incoming(dsn(path)) for path in mine)))

    workers = [threading.Thread(target=work, args=(mine,)) for mine in (paths, paths[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    both = found[0] + found[1]
    assert (both.reports, both.again, both.suppressed) == (2 * READERS, READERS, READERS)
    assert numbers(database) == (READERS, READERS, READERS)


@pytest.mark.parametrize("extra", ["", "Auto-Submitted: auto-generated\n", "Subject: \n"])
def test_uns_10_an_empty_mail_to_the_address_of_the_header_is_enough(
    database: Database, settings: Settings, paths: list[str], extra: str
) -> None:
    made = ReturnPath(settings)
    address = made.to_leave(made.leave_token(3).decode())
    mail = f"From: somebody@else.example\nTo: {address}\n{extra}\n".encode()
    assert reports.take_in(database, settings, [Incoming(mail)]).left == 1
    with database.read() as session:
        assert session.get_one(Subscriber, 3).state is SubscriberState.LEFT


def test_the_clock_weighs_what_was_refused_and_stops_a_bad_issue(
    database: Database, settings: Settings, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        issue = session.get_one(Issue, 1)
        issue.state, issue.sent_at = IssueState.SENDING, None
        issue.planned_at = utcnow()
        for row in session.scalars(select(Delivery).order_by(Delivery.id).limit(7)):
            row.state, row.settled_at = DeliveryState.REFUSED, utcnow()
            row.status, row.reply = "5.1.1", "550 5.1.1 no such user"
    monkeypatch.setattr(reports, "BATCH", 5)
    few = replace(settings, reputation_sample=10)
    assert reports.weigh(database, few) == 7
    assert numbers(database) == (0, 7, 7)
    assert reports.weigh(database, few) == 0
    with database.read() as session:
        assert session.get_one(Issue, 1).state is IssueState.PAUSED
        [line] = session.scalars(select(Entry)).all()
        assert (line.actor, line.action, line.subject) == ("clock", "issue.pause", "issue 1")


@pytest.mark.sqlite("no database is asked")
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300), to=st.none() | st.text(max_size=60))
def test_no_bytes_and_no_address_of_a_stranger_prove_anything(
    settings: Settings, raw: bytes, to: str | None
) -> None:
    header = b"To: bounce+d" + raw[:30].hex().encode()[:30] + b"@nieuws.test\n"
    for message in (raw, header + raw, header + b"Message-ID: <1." + raw.hex().encode() + b"@x>"):
        assert [one.about for one in intake.look(settings, Incoming(message, to))] == [None]


@pytest.mark.sqlite("files are read the same way for either database")
def test_nothing_of_a_long_message_is_cut(tmp_path: Path) -> None:
    """Somebody's mail with a photo is passed on whole."""
    mail = person() + b"x" * (2 << 20) + b"\n"
    (tmp_path / "one.eml").write_bytes(mail)
    box = mailbox.mbox(tmp_path / "box")
    box.add(mail)
    box.close()
    assert [raw.strip() for _name, raw in files.messages(tmp_path, whole=True)] == [
        mail.strip()
    ] * 2
    assert min(len(raw) for _name, raw in files.messages(tmp_path)) < len(mail)
