"""What the relay refuses at once is laid to its reader by the same table."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.bounces import refusals
from newsletter.bounces.report import Kind
from newsletter.delivery import ledger
from newsletter.models import (
    DeliveryState,
    Setback,
    SetbackKind,
    Subscriber,
    SubscriberState,
)
from tests.bounces.world import DAY, World

HARD = {"status": "5.1.1", "reply": "550 5.1.1 no such user"}
FULL = {"status": "5.2.2", "reply": "552 5.2.2 mailbox full"}
OURS = {"status": "5.7.26", "reply": "550 5.7.26 unauthenticated"}
REFUSED: dict[str, Any] = {"state": DeliveryState.REFUSED}


def weigh(world: World, at: datetime) -> int:
    weighed = refusals.weigh(world.session, world.settings, at, 500)
    world.session.flush()
    world.session.expire_all()
    return weighed


def kinds(session: Session) -> list[SetbackKind]:
    return list(session.scalars(select(Setback.kind).order_by(Setback.at, Setback.kind)))


def test_smt_14_a_mailbox_that_does_not_exist_is_mailed_no_more(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now, **REFUSED, **HARD)
    assert weigh(world, world.now) == 1
    assert reader.state is SubscriberState.SUPPRESSED
    assert row.bounced_at is None  # it never left
    assert weigh(world, world.now) == 0


@pytest.mark.parametrize(("reply", "stopped"), [(FULL, True), (OURS, False)])
def test_smt_09_14_three_issues_over_weeks_or_our_own_fault(
    world: World, reply: dict[str, str], stopped: bool
) -> None:
    (reader,) = world.readers()
    for number in (1, 2, 3):
        assert reader.state is SubscriberState.ACTIVE
        at = world.now + 8 * number * DAY
        world.issue(number, at, **REFUSED, **reply)
        assert weigh(world, at) == 1
    assert (reader.state is SubscriberState.SUPPRESSED) is stopped


def test_both_ways_in_add_up(world: World) -> None:
    (reader,) = world.readers()
    world.issue(1, world.now, **REFUSED, **FULL)
    weigh(world, world.now)
    for number, day in ((2, 7), (3, 14)):
        (row,) = world.issue(number, world.now + day * DAY)
        bounce = world.bounce(row, Kind.SOFT, status="5.2.2")
        world.take(bounce, at=world.now + day * DAY)
    assert reader.state is SubscriberState.SUPPRESSED


def test_what_is_tried_again_and_refused_again_is_weighed_again(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now, **REFUSED, **OURS)
    weigh(world, world.now)
    assert ledger.retry_ours(world.session, 1) == 1
    row.state, row.settled_at = DeliveryState.REFUSED, world.now + DAY
    row.status, row.reply = HARD["status"], HARD["reply"]
    world.session.flush()
    assert weigh(world, world.now + DAY) == 1
    assert kinds(world.session) == [SetbackKind.OURS, SetbackKind.HARD]
    assert reader.state is SubscriberState.SUPPRESSED


def test_old_issues_are_left_alone(world: World) -> None:
    world.readers()
    world.issue(1, world.now, **REFUSED, **HARD)
    assert not refusals.waiting(world.session, world.now + 31 * DAY)
    assert refusals.waiting(world.session, world.now + 29 * DAY)
    assert world.session.scalars(select(Subscriber.state)).one() is SubscriberState.ACTIVE
