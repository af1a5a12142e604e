"""Numbers without persons: what the clock counts is what is there, and few are told together."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import statistics
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.jobs import counting
from newsletter.models import (
    ConsentEvent,
    Delivery,
    DeliveryState,
    Figure,
    Issue,
    IssueState,
    LeavingReason,
    Subscriber,
    SubscriberState,
    SurveyAnswer,
)
from newsletter.settings import Settings
from newsletter.statistics import EVERY, OTHER, Live
from tests.statistics.world import DAY, NOW, Readers


def figures(session: Session) -> dict[tuple[str, str, str], int]:
    rows = session.scalars(select(Figure))
    return {(row.name, row.period, row.key): row.times for row in rows}


def count(session: Session, settings: Settings, now: datetime = NOW) -> list[int]:
    """What the clock does, in one transaction."""
    session.flush()
    statistics.store(session, statistics.count_readers(session, settings))
    statistics.store(session, statistics.count_proofs(session, settings, now))
    due = statistics.due_issues(session, now)
    for number in due:
        statistics.store(session, statistics.count_issue(session, number, now))
    return due


def test_readers_are_counted_by_state_language_and_topic(
    session: Session, settings: Settings
) -> None:
    readers = Readers(session)
    for _time in range(6):
        readers.add(topics="climate|water")
    for _time in range(4):
        readers.add(topics="youth", locale="fr")
    readers.add()
    readers.add(state=SubscriberState.PENDING, confirmed_at=None)
    count(session, settings)
    assert statistics.by_key(session, "state") == {"active": 11, "pending": 1}
    assert statistics.by_key(session, "language") == {"nl": 7, "fr": 4}
    topics = statistics.by_key(session, "topic")
    assert topics == {"climate": 6, "water": 6, OTHER: 4, EVERY: 1}, "four are told together"


def test_growth_adds_up_to_the_readers_there_are(session: Session, settings: Settings) -> None:
    readers, chance = Readers(session), random.Random(6)
    for _time in range(200):
        joined = NOW - timedelta(hours=chance.randrange(5000))
        left = joined + timedelta(hours=chance.randrange(2000))
        state = chance.choice(list(SubscriberState))
        values: dict[str, Any] = {"confirmed_at": joined, "left_at": left}
        if state is SubscriberState.ACTIVE:
            values["left_at"] = None
        elif state is SubscriberState.PENDING:
            values = {"confirmed_at": None}
        readers.add(state=state, **values)
    count(session, settings)
    active = statistics.by_key(session, "state")["active"]
    for months in (True, False):
        assert statistics.growth(session, months=months)[-1].readers == active


def test_a_day_is_a_day_of_timezone(session: Session, settings: Settings) -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # half past midnight in Brussels
    readers = Readers(session)
    readers.prove(readers.add(confirmed_at=late), ConsentEvent.CONFIRMED, late)
    count(session, settings)
    found = figures(session)
    assert found["joined", "2026-11-23", ""] == 1
    assert found["consent", "2026-11-23", "confirmed form"] == 1


def test_proofs_are_counted_once_however_often_the_clock_comes(
    session: Session, settings: Settings
) -> None:
    """Also those that come late: each round counts yesterday and today anew."""
    readers, chance, now = Readers(session), random.Random(7), NOW - 20 * DAY
    one = readers.add()
    for _round in range(40):
        for _time in range(chance.randrange(4)):
            at = now - timedelta(hours=chance.randrange(5))
            event = chance.choice([ConsentEvent.ASKED, ConsentEvent.WITHDRAWN])
            readers.prove(one, event, at, chance.choice(["form", "page"]))
        count(session, settings, now)
        now += timedelta(hours=chance.randrange(40))
    kept = {key: times for key, times in figures(session).items() if key[0] == "consent"}
    statistics.forget(session)
    count(session, settings, now)
    whole = {key: times for key, times in figures(session).items() if key[0] == "consent"}
    assert kept == whole
    assert sum(whole.values()) > 20
    months = statistics.consents(session, date(2026, 1, 1))
    assert sum(sum(month.values()) for month in months.values()) == sum(whole.values())


def test_what_leavers_answered(session: Session, settings: Settings) -> None:
    readers = Readers(session)
    for reason in (LeavingReason.TOO_MUCH, LeavingReason.TOO_MUCH, LeavingReason.OTHER):
        one = readers.add(state=SubscriberState.LEFT, left_at=NOW)
        session.add(SurveyAnswer(subscriber_id=one, reason=reason, at=NOW))
    count(session, settings)
    assert statistics.by_key(session, "survey") == {"too_much": 2, "other": 1}


def test_an_issue_by_domain_reply_language_and_topic(session: Session, settings: Settings) -> None:
    readers = Readers(session)
    edition = readers.issue(1)
    for number in range(8):
        refused = number < 2
        state = DeliveryState.REFUSED if refused else DeliveryState.ACCEPTED
        status = "5.1.1" if refused else "2.0.0"
        one = readers.add("groot.example", topics="climate")
        readers.deliver(1, edition, one, state, status=status)
    for number in range(4):
        bounced = NOW if number else None
        one = readers.add(f"klein{number}.example", topics="youth")
        readers.deliver(1, edition, one, DeliveryState.ACCEPTED, bounced_at=bounced)
    gone = readers.add(state=SubscriberState.ERASED, left_at=NOW)
    readers.deliver(1, edition, gone, DeliveryState.WITHDRAWN)
    assert count(session, settings) == [1]
    assert statistics.parted(session, "domain", "1") == {
        "groot.example": {"accepted": 6, "refused": 2},
        OTHER: {"accepted": 1, "bounced": 3, "withdrawn": 1},
    }
    assert statistics.by_key(session, "reply", "1") == {"bounced -": 3, "refused 5.1.1": 2}
    assert statistics.parted(session, "spoken", "1")["nl"]["accepted"] == 7
    assert statistics.parted(session, "chosen", "1") == {
        "climate": {"accepted": 6, "refused": 2},
        OTHER: {"accepted": 1, "bounced": 3},
        EVERY: {"withdrawn": 1},
    }
    [row] = statistics.issues(session, 5)
    assert row.counts == Live(13, 0, 10, 2, 1, 3, 0)
    assert not row.running


def test_an_issue_is_counted_again_when_it_has_changed(
    session: Session, settings: Settings
) -> None:
    readers = Readers(session)
    edition = readers.issue(1)
    readers.deliver(1, edition, readers.add(), DeliveryState.ACCEPTED)
    assert count(session, settings) == [1]
    assert count(session, settings) == []
    session.scalars(select(Delivery)).one().bounced_at = NOW
    assert count(session, settings) == [1]
    assert count(session, settings) == []
    assert statistics.issues(session, 5)[0].counts.bounced == 1


def test_an_issue_that_runs_is_told_live(session: Session, settings: Settings) -> None:
    readers = Readers(session)
    edition = readers.issue(1, IssueState.SENDING)
    states = [DeliveryState.PENDING] * 5 + [DeliveryState.CLAIMED, DeliveryState.DEFERRED]
    for state in states:
        due = NOW if state is not DeliveryState.CLAIMED else None
        readers.deliver(1, edition, readers.add(), state, due_at=due)
    [row] = statistics.issues(session, 5)
    assert (row.running, row.counts) == (True, Live(7, 7, 0, 0, 0, 0, 0)), "before it was counted"
    assert count(session, settings) == [1]
    rows = session.scalars(select(Delivery).order_by(Delivery.id)).all()
    ends = ("accepted", "accepted", "refused", "withdrawn")
    for one, end in zip(rows, ends, strict=False):
        one.state, one.due_at = DeliveryState(end), None
    session.flush()
    [row] = statistics.issues(session, 5)
    assert row.counts == Live(7, 3, 2, 1, 1, 0, 0)
    assert statistics.standing(session, ledger.progress(session, 1, NOW), 1) == row.counts
    assert count(session, settings) == [], "in parts only every ten minutes"
    assert count(session, settings, NOW + timedelta(minutes=10)) == [1]
    assert count(session, settings, NOW + timedelta(minutes=20)) == [], "nothing changed"
    issue = session.get_one(Issue, 1)
    issue.state, issue.sent_at = IssueState.SENT, NOW + timedelta(minutes=21)
    assert count(session, settings, NOW + timedelta(minutes=22)) == [1]


def test_the_clock_counts_and_writes_no_more_than_figures(
    database: Database, settings: Settings
) -> None:
    with database.write() as session:
        readers = Readers(session)
        edition = readers.issue(3)
        readers.deliver(3, edition, readers.add(), DeliveryState.ACCEPTED)
    assert counting.count(database, settings) == [3]
    assert counting.count(database, settings) == []
    with database.read() as session:
        assert statistics.by_key(session, "state") == {"active": 1}
        assert statistics.counted_at(session, 3) is not None
        assert not [key for key in figures(session) if "@" in "".join(key)]
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 1
