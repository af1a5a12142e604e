"""The gauges against rows that were written one by one."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.issues import slots
from newsletter.models import (
    AT_ONCE,
    Cursor,
    Delivery,
    DeliveryState,
    Edition,
    Figure,
    FormRequest,
    Issue,
    IssueState,
    Lease,
    Notice,
    NoticeKind,
    NoticeState,
    RequestKind,
    Subscriber,
    SubscriberState,
    TopicChoice,
)
from newsletter.seeing import figures
from newsletter.settings import Settings

MINUTE = timedelta(minutes=1)


def gauges(session: Session, settings: Settings, now: datetime) -> dict[str, dict[str, float]]:
    """By name, then by the values of the labels."""
    session.flush()
    return {
        one.name: {" ".join(values): number for values, number in one.rows}
        for one in figures.look(session, settings, now)
    }


@pytest.fixture
def issue(session: Session, now: datetime) -> Issue:
    """One that is being sent since ten minutes."""
    issue = Issue(number=7, state=IssueState.SENDING, by_clock=True, compiled_at=now)
    issue.planned_at = now - 10 * MINUTE
    session.add(issue)
    session.flush()
    edition = {"locale": "nl", "piece_ids": "", "subject": "", "html": "", "text": "", "hash": ""}
    session.add(Edition(id=1, issue_number=7, **edition))
    session.add(TopicChoice(id=1, topics=""))
    session.flush()
    return issue


def deliver(session: Session, number: int, state: DeliveryState, **more: object) -> None:
    words = {"locale": "nl", "cadence": "monthly", "topic_choice_id": 1}
    email = f"r{number}@voorbeeld.example"
    state_of = {"state": SubscriberState.ACTIVE, "created_at": AT_ONCE}
    session.add(Subscriber(id=number, email=email, canonical=email, **words, **state_of))
    session.flush()
    session.add(Cursor(subscriber_id=number, number=0))
    row = {"issue_number": 7, "edition_id": 1, "attempts": 0, "in_doubt": 0}
    session.add(Delivery(subscriber_id=number, state=state, **row, **more))
    session.flush()


def test_an_empty_database_has_all_figures(
    session: Session, settings: Settings, now: datetime
) -> None:
    found = gauges(session, settings, now)
    assert found["database_up"] == {"": 1}
    assert found["queue_age_seconds"] == {"requests": 0, "notices": 0, "deliveries": 0}
    assert found["leases"] == {"live": 0, "expired": 0}
    assert set(found["subscribers"].values()) == {0}
    assert "issue_sent_timestamp_seconds" not in found
    assert found["issues"]["paused"] == 0


def test_states_of_an_issue_that_runs_add_up(
    session: Session, settings: Settings, now: datetime, issue: Issue
) -> None:
    states = [DeliveryState.ACCEPTED] * 3 + [DeliveryState.REFUSED, DeliveryState.WITHDRAWN]
    for number, state in enumerate(states):
        deliver(session, number + 1, state)
    deliver(session, 10, DeliveryState.PENDING, due_at=AT_ONCE)
    deliver(session, 11, DeliveryState.DEFERRED, due_at=now + MINUTE)
    deliver(session, 12, DeliveryState.PENDING)  # in doubt, and held for a person
    found = gauges(session, settings, now)["issue_deliveries"]
    assert found == {
        "7 open": 3,
        "7 accepted": 3,
        "7 refused": 1,
        "7 withdrawn": 1,
        "7 bounced": 0,
        "7 complained": 0,
        "7 held": 1,
    }


@pytest.mark.parametrize(
    ("due", "age"),
    [
        (AT_ONCE, 600.0),  # since it was planned
        (AT_ONCE + 99 * MINUTE, 600.0),  # the order of a warm-up
        (-3 * MINUTE, 180.0),
        (MINUTE, 0.0),  # put off
        (None, 0.0),  # held for a person
    ],
)
def test_how_long_deliveries_have_been_due(
    session: Session,
    settings: Settings,
    now: datetime,
    issue: Issue,
    due: datetime | timedelta | None,
    age: float,
) -> None:
    due_at = now + due if isinstance(due, timedelta) else due
    deliver(session, 1, DeliveryState.DEFERRED, due_at=due_at)
    assert gauges(session, settings, now)["queue_age_seconds"]["deliveries"] == age
    issue.state = IssueState.PAUSED  # that it waits is told by another figure
    assert gauges(session, settings, now)["queue_age_seconds"]["deliveries"] == 0


def test_domains_are_told_by_class_and_old_issues_are_not(
    session: Session, settings: Settings, now: datetime, issue: Issue
) -> None:
    old = Issue(number=6, state=IssueState.SENT, by_clock=True, compiled_at=now)
    old.planned_at = old.sent_at = now - timedelta(days=40)
    session.add(old)
    for period, key, times in (
        ("7", "gmail.com accepted", 90),
        ("7", "googlemail.com accepted", 5),
        ("7", "gmail.com bounced", 4),
        ("7", "leden.vvsg.be refused", 3),
        ("7", "* accepted", 2),
        ("6", "gmail.com accepted", 1000),
    ):
        session.add(Figure(name="domain", period=period, key=key, times=times))
    found = gauges(session, settings, now)["deliveries"]
    assert {key: number for key, number in found.items() if number} == {
        "gmail accepted": 95,
        "gmail bounced": 4,
        "own refused": 3,
        "other accepted": 2,
    }
    assert len(found) == 8 * 7


def test_letters_and_requests_that_wait(
    session: Session, settings: Settings, now: datetime
) -> None:
    for minutes in (4, 2):
        due = now - minutes * MINUTE
        facts = {"facts": {}, "attempts": 0, "created_at": due, "due_at": due, "locale": "nl"}
        session.add(Notice(kind=NoticeKind.ALARM, state=NoticeState.WAITING, **facts))
        session.add(Notice(kind=NoticeKind.ALARM, state=NoticeState.SENT, **facts))
        words = dict.fromkeys(("email", "canonical", "cadence", "topics", "wording"), "x")
        words |= dict.fromkeys(("form_url", "ip", "user_agent", "locale"), "x")
        session.add(FormRequest(kind=RequestKind.LINK, asked_at=due, facts={}, **words))
        session.flush()
    found = gauges(session, settings, now)
    assert found["queue_age_seconds"] == {"requests": 240, "notices": 240, "deliveries": 0}
    assert found["queue_length"] == {"requests": 2, "notices": 2}


def test_leases_that_ran_out(session: Session, settings: Settings, now: datetime) -> None:
    """One lies so far ahead that a wrong clock wrote it."""
    for seconds in (30, -1, 3600):
        session.add(Lease(owner="h:1", expires_at=now + timedelta(seconds=seconds)))
    assert gauges(session, settings, now)["leases"] == {"live": 1, "expired": 2}


def test_slots(session: Session, settings: Settings, now: datetime) -> None:
    due = slots.latest(settings, "weekly", now)
    slots.take(session, "weekly", due - timedelta(days=14), now - timedelta(days=14))
    found = gauges(session, settings, now)
    assert found["slot_ran_timestamp_seconds"] == {"weekly": (now - timedelta(days=14)).timestamp()}
    assert found["slots_missed"] == {"weekly": 2, "monthly": 0}
    assert all(at > now.timestamp() for at in found["slot_next_timestamp_seconds"].values())


def test_no_question_reads_all_deliveries_or_subscribers(
    session: Session, database: Database, settings: Settings, now: datetime, issue: Issue
) -> None:
    """As SQLite and PostgreSQL plan them: with an index, whatever is large."""
    deliver(session, 1, DeliveryState.PENDING, due_at=AT_ONCE)
    session.add(Figure(name="delivery", period="7", key="pending", times=1))
    session.commit()
    asked = list[tuple[str, object]]()

    def note(_c: object, _cursor: object, statement: str, values: object, *_rest: object) -> None:
        asked.append((statement, values))

    with database.read() as reading:
        engine = reading.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        figures.look(reading, settings, now)
        event.remove(engine, "before_cursor_execute", note)
        raw = reading.connection().connection.driver_connection
        assert raw is not None
        assert len(asked) > 10
        for statement, values in asked:
            for line in _plan(raw, statement, values):
                assert "SCAN deliveries" not in line or "INDEX" in line, (statement, line)
                assert "Seq Scan on deliveries" not in line, (statement, line)
                assert "subscribers" not in line, (statement, line)


def _plan(raw: Any, statement: str, values: object) -> list[str]:
    if hasattr(raw, "pgconn"):
        raw.execute("SET LOCAL enable_seqscan = off")  # one row is always read whole
        return [row[0] for row in raw.execute(f"EXPLAIN {statement}", values)]
    return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
