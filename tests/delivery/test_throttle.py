"""The rate holds across everything that claims, and a domain that asks for less gets less."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger, throttle
from newsletter.delivery.gate import Gate
from newsletter.delivery.sender import Sender
from newsletter.delivery.throttle import Throttle
from newsletter.models import AT_ONCE, Delivery, DeliveryState, Quota
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from tests.delivery.conftest import claim
from tests.relay import RelayLog

SECOND = timedelta(seconds=1)


@pytest.fixture
def worked(planned: Database, settings: Settings, now: datetime) -> Iterator[tuple[Session, int]]:
    with Session(planned.engine, expire_on_commit=False) as session:
        yield session, ledger.take_lease(session, settings, "test", now)


@given(
    st.builds(Rate, st.integers(1, 3000), st.sampled_from([1, 60, 3600])),
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 5)), max_size=60),
)
def test_no_span_holds_more_than_its_count(rate: Rate, steps: list[tuple[int, float]]) -> None:
    """Whoever asks, however often: in any span of the rate's length it lets through its count."""
    now = datetime(2026, 11, 23, tzinfo=AT_ONCE.tzinfo)
    quota = Quota(name="*", free_at=AT_ONCE)
    gone: list[datetime] = []
    for wanted, pause in steps:
        now += timedelta(seconds=pause)
        gate = Gate(quota, now, rate)
        count = min(wanted, gate.room)
        gate.take(count)
        gone += [now] * count
    for index, first in enumerate(gone):
        within = [other for other in gone[index:] if other - first < rate.seconds * SECOND]
        assert len(within) <= rate.count


def test_delivery_rate_holds_for_two_who_claim(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    other = ledger.take_lease(session, settings, "another host", now)
    mine = replace(settings, delivery_rate=Rate(10, 60))
    taken = 0
    for second in range(60):
        for lease_id in (lease, other):
            taken += len(claim(session, mine, lease_id, now + second * SECOND, 100))
    assert taken == 10


def test_nothing_is_written_while_there_is_no_rate(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    assert len(claim(session, settings, lease, now, 100)) == 25
    assert session.scalar(select(Quota.name)) is None


def test_notices_draw_first_and_wait_only_for_notices(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    mine = replace(settings, delivery_rate=Rate(10, 60))
    assert len(claim(session, mine, lease, now, 100)) == 1
    assert Throttle(session, mine, now).admit_notice(), "though a delivery would have to wait"
    assert claim(session, mine, lease, now + 6 * SECOND, 100) == [], "its place was taken"
    admitted = sum(Throttle(session, mine, now).admit_notice() for _ in range(30))
    assert admitted <= 10, "but the relay's limit holds for them too"


def test_a_domain_without_room_is_not_claimed_and_the_others_are(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    _move_to(session, "gmail.example", 10)
    mine = replace(settings, delivery_domain_rates={"gmail.example": Rate(2, 60)})
    domains = [row.domain for row in claim(session, mine, lease, now, 100)]
    assert domains.count("gmail.example") == 1
    assert domains.count("voorbeeld.example") == 15
    waiting = select(Delivery).where(Delivery.state == DeliveryState.DEFERRED)
    due = [row.due_at or AT_ONCE for row in session.scalars(waiting)]
    assert len(set(due)) == 9, "each has a moment of its own"
    assert min(due) > now
    gone = 1
    for minute in range(1, 11):
        later = now + minute * timedelta(minutes=1)
        gone += len(claim(session, mine, lease, later, 100))
        assert gone <= 2 * minute + 2
    assert gone == 10


def test_smt_06_a_domain_that_asks_for_less_rests_and_recovers_by_itself(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    throttle.slow(session, settings, "voorbeeld.example", now)
    assert claim(session, settings, lease, now + timedelta(minutes=9), 100) == []
    rested = now + timedelta(minutes=10)
    gone: list[int] = []  # second by second
    for second in range(300):
        gone.append(len(claim(session, settings, lease, rested + second * SECOND, 100)))
    assert sum(gone) == 25
    assert 8 <= sum(gone[:60]) <= 11, "little, at first"
    Throttle(session, settings, now + timedelta(hours=2))
    session.flush()
    assert session.scalar(select(Quota.name)) is None, "recovered: nothing is remembered"


def test_a_clock_set_back_does_not_close_a_domain_for_long(
    worked: tuple[Session, int], settings: Settings, now: datetime
) -> None:
    session, lease = worked
    throttle.slow(session, settings, "voorbeeld.example", now + timedelta(days=365))
    claim(session, settings, lease, now, 100)
    assert len(claim(session, settings, lease, now + timedelta(hours=2), 100)) == 25


def test_4_7_slows_the_domain_and_not_the_others(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    with planned.write() as session:
        _move_to(session, "gmail.example", 10)

    def script(stage: str, recipient: str) -> str | None:
        slow = stage == "rcpt" and recipient.endswith("@gmail.example")
        return "450 4.7.28 too fast for us" if slow else None

    relay.script = script
    Sender(planned, relay_settings).work()
    assert len(relay.taken) == 15
    asked = [address for address in relay.recipients if address.endswith("@gmail.example")]
    assert len(asked) <= 4, "only what was under way on two connections"
    with planned.read() as session:
        found = ledger.counts(session, 1)
    assert found["deferred"] == 10
    assert found["refused"] == 0


def test_the_sender_waits_for_its_rate_and_finishes(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    settings = replace(relay_settings, delivery_rate=Rate(20, 1))
    assert Sender(planned, settings).work().accepted == 25
    assert len(relay.taken) == 25


def _move_to(session: Session, domain: str, count: int) -> None:
    session.execute(
        text(
            "UPDATE subscribers SET email = replace(email, 'voorbeeld.example', :to) WHERE id <= :n"
        ),
        {"to": domain, "n": count},
    )
