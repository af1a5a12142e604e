"""A new sending domain gives more each day, holds to it whoever asks, and leaves nobody out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger, throttle, warming
from newsletter.delivery.sender import Sender
from newsletter.delivery.throttle import Throttle
from newsletter.delivery.warming import DAY, WARM_UP, allowance
from newsletter.models import (
    Delivery,
    DeliveryState,
    Issue,
    Quota,
    Subscriber,
)
from newsletter.settings import Settings
from tests.delivery.conftest import add_issue, add_readers, claim, plan_all
from tests.relay import RelayLog

HOUR = timedelta(hours=1)
ALLOWED = [3, 6, 12]  # messages on days 1, 2 and 3 for 25 readers


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A warm-up of three days that begins with a handful."""
    monkeypatch.setattr(warming, "START", 2)
    return replace(settings, warmup_days=3)


@pytest.fixture
def session(planned: Database) -> Iterator[Session]:
    with Session(planned.engine, expire_on_commit=False) as session:
        yield session


@given(st.integers(1, 60), st.integers(0, 2_000_000))
def test_smt_20_no_day_has_more_than_twice_the_day_before(days: int, readers: int) -> None:
    plan = [allowance(days, day, readers) for day in range(1, days + 1)]
    for before, after in zip(plan, [*plan[1:], readers], strict=True):
        assert after <= 2 * before + 1, "which is rounding"
    assert plan == sorted(plan)
    assert plan[0] >= warming.START, "fewer would take weeks"


def test_the_plan_reads_as_in_the_documentation() -> None:
    assert [allowance(7, day, 30_000) for day in (1, 2, 7)] == [234, 468, 15_000]
    assert [allowance(14, day, 30_000) for day in (1, 7, 14)] == [200, 1712, 20_974]
    assert [allowance(7, day, 150) for day in (1, 7)] == [200, 200], "so few need none"


@pytest.mark.parametrize("seed", range(4))
def test_smt_20_a_day_never_has_more_than_its_allowance_and_everybody_gets_it(
    session: Session, settings: Settings, now: datetime, seed: int
) -> None:
    """Whoever claims, however often, with restarts, and days on which nobody does."""
    chance, at = Random(seed), now
    gone: list[tuple[datetime, int]] = []
    while len(gone) < 25:
        assert at < now + 60 * DAY
        lease = ledger.take_lease(session, settings, f"host {at}", at)
        gone += [(at, row.id) for row in claim(session, settings, lease, at, 100)]
        session.commit()
        at += chance.choice([timedelta(minutes=7), HOUR, 5 * HOUR, 40 * HOUR])
    assert len({id for _at, id in gone}) == 25
    counts = _by_day([moment for moment, _id in gone])
    assert all(count <= most for count, most in zip(counts, ALLOWED, strict=False))


def _by_day(moments: list[datetime]) -> list[int]:
    """Counted as the plan does: 24 hours from the first message after the day before."""
    counts: list[int] = []
    began_at = None
    for moment in moments:
        if began_at is None or moment >= began_at + DAY:
            began_at = moment
            counts.append(0)
        counts[-1] += 1
    return counts


def test_a_day_is_used_up_in_24_hours_and_the_rest_goes_after_the_last_one(
    session: Session, settings: Settings, now: datetime
) -> None:
    lease = ledger.take_lease(session, settings, "test", now)
    taken = [len(claim(session, settings, lease, now + hour * HOUR, 100)) for hour in range(73)]
    assert [sum(taken[first : first + 24]) for first in (0, 24, 48)] == ALLOWED
    assert taken[72] == 4, "no limit holds any more"
    assert max(taken[:72]) == 1, "spread over the day"


def test_processes_that_claim_at_the_same_moment_share_one_allowance(
    planned: Database, settings: Settings, now: datetime
) -> None:
    def work(host: int) -> int:
        with planned.write() as session:
            lease = ledger.take_lease(session, settings, f"host {host}", now)
        with planned.write() as session:
            return len(claim(session, settings, lease, now, 100))

    with ThreadPoolExecutor(4) as hosts:
        assert sum(hosts.map(work, range(8))) == 1


def test_the_forecast_is_what_happens(session: Session, settings: Settings, now: datetime) -> None:
    issue = session.get_one(Issue, 1)
    foreseen = ledger.last_leaves_at(session, settings, issue, 0, now)
    assert foreseen == now + 3 * DAY, "what is left leaves then"
    session.execute(update(Delivery).where(Delivery.id > 5).values(state=DeliveryState.WITHDRAWN))
    at = ledger.last_leaves_at(session, settings, issue, 0, now)
    assert at is not None
    lease = ledger.take_lease(session, settings, "test", now)
    moments = [now + tick * HOUR / 4 for tick in range(300)]
    gone = [when for when in moments if claim(session, settings, lease, when, 100)]
    assert gone[-1] - HOUR / 4 <= at <= gone[-1]
    over = ledger.last_leaves_at(session, settings, issue, 0, now + 9 * DAY)
    assert over is None or over > at, "two days are left to be used"
    off = replace(settings, warmup_days=0)
    assert ledger.last_leaves_at(session, off, issue, 0, now) is None


def test_notices_always_go_and_are_counted(
    session: Session, settings: Settings, now: datetime
) -> None:
    assert Throttle(session, settings, now).admit_notice()
    assert session.get_one(Quota, WARM_UP).day is None, "a letter begins no day"
    lease = ledger.take_lease(session, settings, "test", now)
    assert len(claim(session, settings, lease, now, 100)) == 1
    assert all(Throttle(session, settings, now).admit_notice() for _ in range(10))
    session.flush()
    assert throttle.opens_at(session, settings, now) > now + 20 * HOUR


def test_turned_off_it_is_forgotten_and_costs_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    lease = ledger.take_lease(session, settings, "test", now)
    claim(session, settings, lease, now, 100)
    off = replace(settings, warmup_days=0)
    assert len(claim(session, off, lease, now, 100)) == 24
    session.flush()
    assert session.scalar(select(Quota.name)) is None


def test_a_clock_that_was_wrong_does_not_stop_it(
    session: Session, settings: Settings, now: datetime
) -> None:
    lease = ledger.take_lease(session, settings, "test", now)
    claim(session, settings, lease, now + timedelta(days=365), 100)
    session.commit()
    assert throttle.opens_at(session, settings, now) <= now
    taken = [len(claim(session, settings, lease, now + hour * HOUR, 100)) for hour in range(24)]
    assert 0 < sum(taken) <= ALLOWED[0]


def test_the_sender_does_not_wait_for_hours_and_comes_back_in_time(
    planned: Database, relay_settings: Settings, relay: RelayLog, now: datetime
) -> None:
    at = now

    def run() -> int:
        return Sender(planned, relay_settings, clock=lambda: at).work().accepted

    assert run() == 1
    with planned.read() as session:
        opens_at = throttle.opens_at(session, relay_settings, now)
    assert opens_at > now + HOUR
    assert run() == 0
    at = opens_at
    assert run() == 1
    assert len(relay.taken) == 2


def test_the_most_engaged_domains_go_first_and_unknown_ones_last(
    database: Database, settings: Settings, now: datetime
) -> None:
    long_ago = now - timedelta(days=400)
    with database.write() as session:
        add_readers(session, 12, long_ago)
        for first, domain in ((1, "unknown"), (4, "bad"), (7, "good"), (10, "new")):
            _move(session, range(first, first + 3), f"{domain}.example")
        earlier = add_issue(session, long_ago)
        plan_all(session, earlier, long_ago)
        _settle(session, range(4, 7), DeliveryState.REFUSED)
        _settle(session, range(7, 10), DeliveryState.ACCEPTED)
        _settle(session, [6], DeliveryState.ACCEPTED)
        rest = (*range(1, 4), *range(10, 13))
        _settle(session, rest, DeliveryState.WITHDRAWN)
        new = update(Subscriber).where(Subscriber.id == 10)
        session.execute(new.values(confirmed_at=now))
        issue = add_issue(session, now, 2)
        session.flush()
        edition = 2
        editions = dict.fromkeys(ledger.groups(session, issue, 2, now), edition)
        assert ledger.plan(session, issue, 2, editions, ledger.engaged_first(session, now)) == 12
    off = replace(settings, warmup_days=0)
    with Session(database.engine) as session:
        lease = ledger.take_lease(session, settings, "test", now)
        order = [row.domain for row in claim(session, off, lease, now, 100, issue_number=2)]
    assert list(dict.fromkeys(order)) == [
        *("good.example", "new.example", "bad.example", "unknown.example")
    ]
    assert len(order) == 12


def test_readers_who_come_in_the_middle_do_not_make_it_jump(
    session: Session, settings: Settings, now: datetime
) -> None:
    lease = ledger.take_lease(session, settings, "test", now)
    claim(session, settings, lease, now, 1)
    add_readers(session, 500, now, first=1000)
    claim(session, settings, lease, now + DAY, 1)
    session.flush()
    quota = session.get_one(Quota, WARM_UP)
    assert (quota.day, quota.allowance) == (2, 6)


def _move(session: Session, ids: range, domain: str) -> None:
    move = "UPDATE subscribers SET email = replace(email, 'voorbeeld.example', :to), "
    move += "canonical = replace(canonical, 'voorbeeld.example', :to) WHERE id >= :a AND id < :b"
    session.execute(text(move), {"to": domain, "a": ids.start, "b": ids.stop})


def _settle(session: Session, readers: object, state: DeliveryState) -> None:
    mine = Delivery.subscriber_id.in_(list(readers))  # type: ignore[call-overload]
    session.execute(update(Delivery).where(mine).values(state=state, due_at=None))
