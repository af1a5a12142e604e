"""Readers who pause are left out of issues, lose nothing, and are back when the time comes."""

import threading
import time
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.issues import publishing
from newsletter.models import Cursor, Delivery, DeliveryState, IssueState, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import pausing
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled

MONTH = timedelta(days=30)
UNTIL = date(2027, 2, 1)  # before the fourth of the months below


def publish(
    session: Session, settings: Settings, shelf: Shelf, slug: str, now: datetime
) -> dict[str, list[str]]:
    """Send out one item as an issue; what each reader got, by name."""
    shelf.put(slug)
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    got = accept_all(session, settings, now)
    assert issue.state is IssueState.SENT
    return {name: sorted(slugs) for name, slugs in got.items()}


def cursor(session: Session, reader: Subscriber) -> int:
    return session.get_one(Cursor, reader.id, populate_existing=True).number


def test_after_a_pause_comes_what_was_missed(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    jan, _els = add_reader(session, "jan"), add_reader(session, "els")
    pausing.pause(session, settings, jan, UNTIL, now)
    for month, slug in enumerate(["een", "twee"]):
        assert publish(session, settings, shelf, slug, now + month * MONTH) == {"els": [slug]}
        assert cursor(session, jan) == 0
    after = now + 3 * MONTH
    got = publish(session, settings, shelf, "drie", after)
    assert got == {"els": ["drie"], "jan": ["drie", "een", "twee"]}
    assert cursor(session, jan) == 3
    assert publish(session, settings, shelf, "vier", after + MONTH)["jan"] == ["vier"]


def test_after_a_long_pause_come_at_most_backlog_issues(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, backlog=1)
    jan, _els = add_reader(session, "jan"), add_reader(session, "els")
    pausing.pause(session, settings, jan, UNTIL, now)
    for month, slug in enumerate(["een", "twee"]):
        publish(session, settings, shelf, slug, now + month * MONTH)
    assert publish(session, settings, shelf, "drie", now + 3 * MONTH)["jan"] == ["drie", "twee"]


def test_a_pause_makes_no_issue_longer(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """What only people who pause have missed is not in the issue that others get and see."""
    jan, _els = add_reader(session, "jan"), add_reader(session, "els")
    pausing.pause(session, settings, jan, UNTIL, now)
    publish(session, settings, shelf, "een", now)
    publish(session, settings, shelf, "twee", now + MONTH)
    slugs = select(text("slug")).select_from(text("pieces")).where(text("issue_number = 2"))
    assert set(session.scalars(slugs)) == {"twee"}


def test_who_ends_a_pause_gets_the_withdrawn_issue_with_the_next(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    jan = add_reader(session, "jan")
    shelf.put("een")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    pausing.pause(session, settings, jan, UNTIL, now)
    assert accept_all(session, settings, now) == {}
    assert ledger.counts(session, issue.number)["withdrawn"] == 1
    assert pausing.resume(session, jan, now)
    got = publish(session, settings, shelf, "twee", now + MONTH)
    assert got == {"jan": ["een", "twee"]}


def test_a_pause_that_ends_while_an_issue_is_held_counts_no_more(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    jan, _els = add_reader(session, "jan"), add_reader(session, "els")
    pausing.pause(session, settings, jan, date(2026, 12, 24), now)
    publish(session, settings, shelf, "een", now)
    shelf.put("twee")
    issue = compiled(session, settings, shelf, now + MONTH)
    assert pausing.mails_again(settings, jan, now + MONTH)
    later = now + MONTH + timedelta(days=2)
    publishing.send(session, settings, issue.number, later)
    got = accept_all(session, settings, later)
    assert sorted(got["jan"]) == ["een", "twee"]


def test_a_pause_that_is_not_committed_while_the_issue_is_planned_still_holds(
    database: Database, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """PostgreSQL plans from what was committed before: its row is withdrawn again after it."""
    with database.write() as session:
        id = add_reader(session, "jan").id
        shelf.put("een")
        number = compiled(session, settings, shelf, now).number

    def send() -> None:
        with database.write() as session:
            publishing.send(session, settings, number, now)

    planner = threading.Thread(target=send)
    with database.write() as session:
        jan = session.get_one(Subscriber, id, with_for_update=True)
        pausing.pause(session, settings, jan, UNTIL, now)
        session.flush()
        planner.start()
        wait_for_a_lock(database)
    planner.join()
    with database.read() as session:
        states = session.scalars(select(Delivery.state)).all()
        assert set(states) <= {DeliveryState.WITHDRAWN}
        assert cursor(session, jan) == 0


def wait_for_a_lock(database: Database) -> None:
    """Until somebody waits for our lock; on SQLite a writer waits before it has read anything."""
    if database.engine.name == "sqlite":
        return
    waiting = text("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    end = time.monotonic() + 30
    with database.engine.connect() as connection:
        while connection.execute(waiting).first() is None:
            connection.rollback()
            assert time.monotonic() < end, "nobody waits"
