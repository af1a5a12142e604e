"""Claim, open, settle, reclaim: what one commit promises, and what a crash leaves behind."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Settled
from newsletter.delivery.outcomes import Outcome, Reply, Stage
from newsletter.models import (
    AT_ONCE,
    Cursor,
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from tests.delivery.conftest import add_issue, add_readers, claim, plan_all

OK = Reply(Stage.CONTENT, 250, "2.0.0 queued")
LATER = Reply(Stage.RCPT, 451, "4.3.0 try later jan@voorbeeld.example")
NO = Reply(Stage.RCPT, 550, "5.1.1 unknown")


@pytest.fixture
def worked(planned: Database, settings: Settings, now: datetime) -> Iterator[tuple[Session, int]]:
    """A write session on 25 planned rows, and a lease."""
    with Session(planned.engine, expire_on_commit=False) as session:
        yield session, ledger.take_lease(session, settings, "test", now)


def row(session: Session, delivery_id: int) -> Delivery:
    session.expire_all()
    return session.get_one(Delivery, delivery_id)


def settle(
    session: Session, settings: Settings, lease: int, id: int, outcome: Outcome, now: datetime
) -> None:
    reply = {Outcome.ACCEPTED: OK, Outcome.REFUSED: NO}.get(outcome, LATER)
    ledger.settle_and_open(
        session.connection(), settings, lease, [Settled(id, outcome, reply)], [], now
    )


def open_row(session: Session, settings: Settings, lease: int, id: int, now: datetime) -> bool:
    return bool(ledger.settle_and_open(session.connection(), settings, lease, [], [id], now))


def test_claims_are_ordered_limited_and_disjoint(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    first = claim(session, settings, lease, now, 10)
    second = claim(session, settings, lease, now, 10)
    third = claim(session, settings, lease, now, 10)
    ids = [claimed.id for claimed in first + second + third]
    assert [len(first), len(second), len(third)] == [10, 10, 5]
    assert ids == sorted(set(ids))
    assert first[0].email == "r1@voorbeeld.example"


def test_acceptance_moves_the_cursor_in_the_same_commit(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    first, second, *_ = claim(session, settings, lease, now, 10)
    assert open_row(session, settings, lease, first.id, now)
    done = [Settled(first.id, Outcome.ACCEPTED, OK)]
    assert ledger.settle_and_open(session.connection(), settings, lease, done, [second.id], now)
    assert row(session, first.id).state is DeliveryState.ACCEPTED
    assert row(session, second.id).opened_at == now
    assert session.get_one(Cursor, first.subscriber_id).number == 1
    assert session.get_one(Cursor, second.subscriber_id).number == 0


def test_a_zombie_settles_and_opens_nothing(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    first, second, *_ = claim(session, settings, lease, now, 10)
    open_row(session, settings, lease, first.id, now)
    late = now + timedelta(seconds=settings.lease_seconds + 1)
    assert ledger.reclaim(session, settings, late) == 1
    settle(session, settings, lease, first.id, Outcome.ACCEPTED, late)
    assert row(session, first.id).state is DeliveryState.PENDING
    assert row(session, first.id).in_doubt == 1
    assert row(session, second.id).in_doubt == 0
    assert not open_row(session, settings, lease, second.id, late)
    assert not ledger.renew_lease(session, settings, lease, late)
    assert claim(session, settings, lease, late, 10) == []


def test_a_lease_id_is_never_used_again(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    ledger.release_lease(session, settings, lease, now)
    assert ledger.take_lease(session, settings, "test", now) > lease


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=365)])
def test_an_expiry_too_far_ahead_counts_as_expired(
    worked: tuple[Session, int], settings: Settings, now: datetime, ahead: timedelta
) -> None:
    session, lease = worked
    claim(session, settings, lease, now, 10)
    assert ledger.reclaim(session, settings, now) == 0
    assert ledger.reclaim(session, settings, now - ahead) == 1


def test_in_doubt_is_sent_again_twice_then_held(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    id = claim(session, settings, lease, now, 1)[0].id
    waits = {1: timedelta(0), 2: timedelta(minutes=15)}
    due = {1: AT_ONCE, 2: now + waits[2]}
    for expected in (1, 2, 3):
        assert open_row(session, settings, lease, id, now)
        settle(session, settings, lease, id, Outcome.IN_DOUBT, now)
        assert row(session, id).in_doubt == expected
        if expected < 3:
            assert row(session, id).due_at == due[expected], "the second time it waits"
            now += waits[expected]
            assert id in [claimed.id for claimed in claim(session, settings, lease, now, 100)]
    assert row(session, id).due_at is None
    assert id not in [claimed.id for claimed in claim(session, settings, lease, now, 100)]
    assert ledger.counts(session, 1)["in_doubt"] == 1
    assert ledger.release_held(session, 1, now, send=True) == 1
    assert [claimed.id for claimed in claim(session, settings, lease, now, 100)] == [id]


def test_in_doubt_hold_holds_at_once(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    settings = replace(settings, in_doubt="hold")
    id = claim(session, settings, lease, now, 1)[0].id
    open_row(session, settings, lease, id, now)
    ledger.release_lease(session, settings, lease, now)
    assert row(session, id).due_at is None


def test_leaving_withdraws_all_but_the_opened_row(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    opened, claimed = claim(session, settings, lease, now, 2)
    open_row(session, settings, lease, opened.id, now)
    pending = session.scalars(select(Delivery).where(Delivery.state == "pending")).first()
    assert pending is not None
    for subscriber_id in (opened.subscriber_id, claimed.subscriber_id, pending.subscriber_id):
        session.get_one(Subscriber, subscriber_id).state = SubscriberState.LEFT
        ledger.withdraw(session, subscriber_id, now)
    assert row(session, opened.id).state is DeliveryState.CLAIMED
    assert row(session, claimed.id).state is DeliveryState.WITHDRAWN
    assert row(session, pending.id).state is DeliveryState.WITHDRAWN
    assert not open_row(session, settings, lease, claimed.id, now)
    settle(session, settings, lease, opened.id, Outcome.DEFERRED, now)
    assert row(session, opened.id).state is DeliveryState.WITHDRAWN, "left: never tried again"


def test_a_deferred_row_comes_back_and_is_given_up(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    id = claim(session, settings, lease, now, 1)[0].id
    open_row(session, settings, lease, id, now)
    settle(session, settings, lease, id, Outcome.DEFERRED, now)
    found = row(session, id)
    assert found.state is DeliveryState.DEFERRED
    assert found.due_at is not None
    assert timedelta(minutes=10) < found.due_at - now < timedelta(minutes=20)
    assert found.reply == "451 4.3.0 try later <address>"
    later = now + timedelta(hours=settings.delivery_give_up)
    assert id in [claimed.id for claimed in claim(session, settings, lease, later, 100)]
    open_row(session, settings, lease, id, later)
    settle(session, settings, lease, id, Outcome.DEFERRED, later)
    assert row(session, id).state is DeliveryState.REFUSED


def test_i3_the_states_add_up_to_planned(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    outcomes = [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.DEFERRED, Outcome.IN_DOUBT]
    for claimed, outcome in zip(claim(session, settings, lease, now, 4), outcomes, strict=True):
        open_row(session, settings, lease, claimed.id, now)
        settle(session, settings, lease, claimed.id, outcome, now)
    counts = ledger.counts(session, 1)
    assert counts == {
        "planned": 25,
        "pending": 22,
        "claimed": 0,
        "accepted": 1,
        "deferred": 1,
        "refused": 1,
        "withdrawn": 0,
        "in_doubt": 1,
        "bounced": 0,
    }


def test_a_newer_issue_takes_over_what_was_certainly_not_sent(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    accepted, claimed, doubtful = claim(session, settings, lease, now, 3)
    for one, outcome in ((accepted, Outcome.ACCEPTED), (doubtful, Outcome.IN_DOUBT)):
        open_row(session, settings, lease, one.id, now)
        settle(session, settings, lease, one.id, outcome, now)
    newer = add_issue(session, now, number=2)
    assert plan_all(session, newer, now) == 23, "22 pending ones and the accepted one"
    assert row(session, claimed.id).state is DeliveryState.CLAIMED
    assert row(session, doubtful.id).state is DeliveryState.PENDING
    assert ledger.readers_waiting(session, newer, 2, now)
    assert ledger.counts(session, 1)["withdrawn"] == 22
    ledger.release_lease(session, settings, lease, now)
    ledger.release_held(session, 1, now, send=False)
    lease = ledger.take_lease(session, settings, "test", now)
    for one in claim(session, settings, lease, now, 2, 1):
        open_row(session, settings, lease, one.id, now)
        settle(session, settings, lease, one.id, Outcome.ACCEPTED, now)
    assert plan_all(session, newer, now) == 2, "the two that had to settle first"
    assert not ledger.readers_waiting(session, newer, 2, now)
    assert plan_all(session, newer, now) == 0, "planning again plans nobody twice"


def test_the_database_itself_refuses_a_second_open_row(planned: Database, now: datetime) -> None:
    second = text(
        "INSERT INTO deliveries (issue_number, subscriber_id, edition_id, state, attempts,"
        " in_doubt) SELECT 2, subscriber_id, edition_id, 'pending', 0, 0 FROM deliveries"
    )
    with planned.write() as session:
        add_issue(session, now, number=2)
        with pytest.raises(IntegrityError):
            session.execute(second)
        session.rollback()


def test_who_confirms_later_gets_only_what_is_new(planned: Database, now: datetime) -> None:
    with planned.write() as session:
        (reader,) = add_readers(session, 1, now, first=100)
        assert session.get_one(Cursor, reader.id).number == 1


def test_skip_moves_cursors_without_rows(planned: Database, now: datetime) -> None:
    with planned.write() as session:
        session.execute(text("UPDATE deliveries SET state = 'accepted'"))
        newer = add_issue(session, now, number=2)
        (group,) = ledger.groups(session, newer, 2, now)
        assert ledger.skip(session, newer, 2, [group]) == 25
        assert ledger.lowest_cursor(session, "monthly", now) == 2
        assert ledger.counts(session, 2)["planned"] == 0


def test_a_clock_a_little_behind_takes_no_live_lease_away(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    ledger.renew_lease(session, settings, lease, now + timedelta(seconds=5))
    assert ledger.reclaim(session, settings, now) == 0


@pytest.mark.sqlite("PostgreSQL's planner goes by the size of the tables, and these are small")
def test_every_hot_question_is_answered_by_an_index(planned: Database, now: datetime) -> None:
    """A scan of all deliveries for each reader made planning quadratic."""
    seen: list[str] = []
    with planned.write() as session:
        issue = session.get_one(Issue, 1)
        raw = session.connection().connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(seen.append)
        ledger.groups(session, issue, 1, now)
        ledger.readers_waiting(session, issue, 1, now)
        ledger.withdraw(session, 1, now)
        ledger.next_due(session)
        raw.set_trace_callback(None)
        statements = [sql for sql in seen if sql.startswith(("SELECT", "UPDATE"))]
        assert len(statements) >= 4
        for sql in statements:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()
            assert not any("SCAN deliveries" in row[3] and "INDEX" not in row[3] for row in plan), (
                sql
            )


def test_smt_20_a_window_spreads_the_rows_evenly(
    database: Database, settings: Settings, now: datetime
) -> None:
    window = timedelta(hours=2)
    with database.write() as session:
        add_readers(session, 240, now)
        issue = add_issue(session, now)
        (group,) = ledger.groups(session, issue, 1, now)
        edition = session.scalars(select(Edition)).one()
        due_at = ledger.spread(session, now, window)
        assert ledger.plan(session, issue, 1, {group: edition.id}, due_at) == 240
        moments = [row.due_at or AT_ONCE for row in session.scalars(select(Delivery))]
    assert now <= min(moments) <= max(moments) < now + window
    for quarter in range(4):
        start = now + quarter * window / 4
        here = [moment for moment in moments if start <= moment < start + window / 4]
        assert 40 <= len(here) <= 80
    with database.write() as session:
        lease = ledger.take_lease(session, settings, "test", now)
        some = claim(session, settings, lease, now + window / 2, 1000)
        assert 100 <= len(some) <= 140


def test_a_clock_set_back_holds_up_nothing_for_long(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    """Pending rows have no time at all; deferred ones are brought back when theirs is absurd."""
    session, lease = worked
    first = claim(session, settings, lease, now, 1)[0]
    open_row(session, settings, lease, first.id, now)
    settle(session, settings, lease, first.id, Outcome.DEFERRED, now)
    yesterday = now - timedelta(days=1)
    assert len(claim(session, settings, lease, yesterday, 100)) == 24
    assert ledger.lies_too_far_ahead(session, settings, yesterday)
    assert ledger.bring_back(session, settings, yesterday) == 1
    assert [row.id for row in claim(session, settings, lease, yesterday, 100)] == [first.id]
    assert not ledger.lies_too_far_ahead(session, settings, now)


def test_smt_05_a_reader_refused_before_any_content_is_given_up_too(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    id = claim(session, settings, lease, now, 1)[0].id
    settle(session, settings, lease, id, Outcome.DEFERRED, now)
    later = now + timedelta(hours=settings.delivery_give_up)
    assert id in [row.id for row in claim(session, settings, lease, later, 100)]
    settle(session, settings, lease, id, Outcome.DEFERRED, later)
    assert row(session, id).state is DeliveryState.REFUSED
