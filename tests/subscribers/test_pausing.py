"""A pause: what is planned is withdrawn, what is missed comes later, and it ends by itself."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.delivery.outcomes import Outcome, Reply, Stage
from newsletter.errors import FixRequest
from newsletter.models import (
    Consent,
    ConsentEvent,
    Delivery,
    DeliveryState,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from newsletter.subscribers import confirming, leaving, pausing
from newsletter.tokens import Purpose
from tests.subscribers.people import AGENT, IP, ask, dump, only, reader, token
from tests.subscribers.test_preferences import plan_delivery

MARCH = date(2027, 3, 1)


def pause(
    session: Session, settings: Settings, someone: Subscriber, now: datetime, until: date = MARCH
) -> bool:
    return pausing.pause(session, settings, someone, until, now)


def test_a_pause_lasts_until_the_morning_of_its_day_in_our_own_zone(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    assert pause(session, settings, someone, now)
    assert someone.paused_until == datetime(2027, 2, 28, 23, tzinfo=UTC)
    assert pausing.mails_again(settings, someone, now) == MARCH
    end = someone.paused_until
    assert pausing.mails_again(settings, someone, end) is None
    assert pausing.mails_again(settings, someone, end - timedelta(seconds=1)) == MARCH


def test_uns_06_a_pause_withdraws_what_is_planned_and_was_not_sent(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    planned = plan_delivery(session, someone, now)
    pause(session, settings, someone, now)
    session.refresh(planned)
    assert planned.state is DeliveryState.WITHDRAWN


def opened(
    session: Session, settings: Settings, someone: Subscriber, now: datetime
) -> tuple[Delivery, int]:
    """A delivery whose content is under way, and the lease it is under."""
    row = plan_delivery(session, someone, now)
    lease = ledger.take_lease(session, settings, "test", now)
    ledger.claim(session, settings, lease, ledger.Claim(1), now)
    ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
    return row, lease


def settle(
    session: Session,
    settings: Settings,
    under_way: tuple[Delivery, int],
    outcome: Outcome,
    now: datetime,
) -> None:
    row, lease = under_way
    done = [ledger.Settled(row.id, outcome, Reply(Stage.CONTENT, None, ""))]
    ledger.settle_and_open(session.connection(), settings, lease, done, [], now)
    session.refresh(row)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.ACCEPTED, DeliveryState.ACCEPTED),
        (Outcome.DEFERRED, DeliveryState.WITHDRAWN),
        (Outcome.IN_DOUBT, DeliveryState.PENDING),
    ],
)
def test_what_is_under_way_settles_and_is_not_tried_again_in_the_pause(
    session: Session, settings: Settings, now: datetime, outcome: Outcome, state: DeliveryState
) -> None:
    """But what may have arrived is: else its items would come twice."""
    someone = reader(session, settings, now)
    under_way = opened(session, settings, someone, now)
    pause(session, settings, someone, now)
    session.refresh(under_way[0])
    assert under_way[0].state is DeliveryState.CLAIMED
    settle(session, settings, under_way, outcome, now)
    assert under_way[0].state is state


def test_a_pause_leaves_what_may_have_arrived_to_settle(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    under_way = opened(session, settings, someone, now)
    settle(session, settings, under_way, Outcome.IN_DOUBT, now)
    pause(session, settings, someone, now)
    session.refresh(under_way[0])
    assert (under_way[0].state, under_way[0].in_doubt) == (DeliveryState.PENDING, 1)


def test_prv_02_each_change_of_a_pause_is_proved_once(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    assert not pausing.resume(session, someone, now)
    assert [pause(session, settings, someone, now) for _ in range(2)] == [True, False]
    assert pausing.resume(session, someone, now)
    changed = select(Consent).where(Consent.event == ConsentEvent.CHANGED).order_by(Consent.id)
    proofs = session.scalars(changed).all()
    assert [row.facts for row in proofs] == [
        {"paused_until": "2027-02-28T23:00:00+00:00"},
        {"paused_until": None},
    ]
    assert {row.route for row in proofs} == {"page"}


def test_a_pause_that_is_over_needs_no_end(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    pause(session, settings, someone, now)
    assert not pausing.resume(session, someone, now + timedelta(days=120))


@pytest.mark.parametrize("until", [date(2026, 11, 22), date(2026, 11, 23), date(2027, 11, 24)])
def test_a_day_that_is_past_or_too_far_is_refused_in_a_sentence(
    session: Session, settings: Settings, now: datetime, until: date
) -> None:
    someone = reader(session, settings, now)
    before = dump(session)
    with pytest.raises(FixRequest, match="Kies een"):
        pause(session, settings, someone, now, until)
    assert dump(session) == before


def test_today_is_the_day_of_our_own_zone(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # half past midnight in Brussels
    with pytest.raises(FixRequest):
        pause(session, settings, someone, late, date(2026, 11, 24))
    assert pause(session, settings, someone, late, date(2027, 11, 24))


@pytest.mark.parametrize("text", ["", "morgen", "1/3/2027", "2027-02-30", "2027-13-01", "٢٠٢٧"])
def test_what_is_no_day_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(FixRequest, match="2027-03-01"):
        pausing.day(text)


def test_months_end_on_a_day_that_exists() -> None:
    assert pausing.day(" 2027-03-01 ") == MARCH
    assert pausing.in_months(date(2026, 11, 23), 1) == date(2026, 12, 23)
    assert pausing.in_months(date(2026, 11, 30), 3) == date(2027, 2, 28)
    assert pausing.in_months(date(2026, 12, 31), 12) == date(2027, 12, 31)
    assert pausing.in_months(date(2028, 2, 29), 12) == date(2029, 2, 28)


def test_who_left_in_a_pause_and_comes_back_gets_mail_at_once(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    pause(session, settings, someone, now)
    leaving.leave(session, settings, someone, "page", now)
    ask(session, settings, now)
    link = token(settings, Purpose.CONFIRM, someone, now)
    assert confirming.confirm(session, settings, link, now, IP, AGENT).result == "confirmed"
    assert someone.paused_until is None


def test_only_readers_pause(session: Session, settings: Settings, now: datetime) -> None:
    ask(session, settings, now)
    pending = only(session)
    with pytest.raises(FixRequest):
        pause(session, settings, pending, now)
    leaving.leave(session, settings, pending, "page", now)
    assert pending.state is SubscriberState.LEFT
    with pytest.raises(FixRequest):
        pause(session, settings, pending, now)
