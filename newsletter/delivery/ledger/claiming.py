"""Claim: take due rows under a lease, as far as the rates allow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from newsletter.delivery.gate import FURTHEST
from newsletter.delivery.ledger.rows import changed, closed, going, is_waiting
from newsletter.delivery.outcomes import JITTER
from newsletter.delivery.throttle import Throttle
from newsletter.models import (
    AT_ONCE,
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
    Lease,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings

LONGEST_WAIT = timedelta(minutes=1)  # for a rate, or the warm-up


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row this process may work: what the sender needs, copied out of the transaction."""

    id: int
    issue_number: int
    edition_id: int
    subscriber_id: int
    email: str

    @property
    def domain(self) -> str:
        """The reader's domain, in lower case."""
        return _domain(self.email)


def _domain(email: str) -> str:
    return email.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim may take: at most `limit` rows, of one issue or of all that are being sent."""

    limit: int
    issue_number: int | None = None
    asking: bool = False  # the issue is paused: one message asks whether the relay answers again


@dataclass(frozen=True, slots=True)
class Batch:
    """What a claim took."""

    rows: Sequence[Claimed] = ()
    more: bool = False  # may another claim find rows, at once or soon?
    opens_at: datetime | None = None  # when the rate lets the next message go; None: at once


def claim(
    session: Session, settings: Settings, lease_id: int, wanted: Claim, now: datetime
) -> Batch:
    """Take due rows, in order, in domains that have room.

    Rows of a domain without room are put off to when it has; those of readers who left are
    withdrawn.
    """
    throttle = Throttle(session, settings, now)
    limit = throttle.room(wanted.limit)
    if not limit or not _lease_lives(session, lease_id):
        return Batch((), _is_soon(throttle.opens_at, now), throttle.opens_at)
    found = _due(session, wanted, limit, now)
    here = [row for row in found if row.reader_state is SubscriberState.ACTIVE]
    claimed = [row for row in here if not _put_off(session, throttle, row)]
    throttle.take(len(claimed))
    _change(session, found, claimed, lease_id, now)
    rows = [Claimed(*tuple(row)[:5]) for row in claimed]
    soon = throttle.opens_at is None or _is_soon(throttle.opens_at, now)
    return Batch(rows, len(found) == limit and soon, throttle.opens_at)


def _is_soon(moment: datetime | None, now: datetime) -> bool:
    """Is it worth waiting for? Else the run ends, and the next one begins then."""
    return moment is not None and moment <= now + LONGEST_WAIT


def _lease_lives(session: Session, lease_id: int) -> bool:
    """A share in the lease's row: nobody takes it away before this transaction ends."""
    share = select(Lease.id).where(Lease.id == lease_id)
    return session.scalar(share.with_for_update(read=True, key_share=True)) is not None


def _due(session: Session, wanted: Claim, limit: int, now: datetime) -> list[Row[Any]]:
    due = (
        select(
            Delivery.id,
            Delivery.issue_number,
            Delivery.edition_id,
            Delivery.subscriber_id,
            Subscriber.email,
            Subscriber.state.label("reader_state"),
            Delivery.state,
        )
        .join(Issue, Issue.number == Delivery.issue_number)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Issue.state.in_(going(asking=wanted.asking)), is_waiting(), Delivery.due_at <= now)
        .order_by(Delivery.issue_number, Delivery.due_at, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    if wanted.issue_number is not None:
        due = due.where(Delivery.issue_number == wanted.issue_number)
    return list(session.execute(due))


def _put_off(session: Session, throttle: Throttle, row: Row[Any]) -> bool:
    """No room in the row's domain: it waits its turn."""
    due_at = throttle.admit(_domain(row.email), waited=row.state is DeliveryState.DEFERRED)
    if due_at is None:
        return False
    later = {"state": DeliveryState.DEFERRED, "due_at": due_at}
    session.execute(update(Delivery).where(Delivery.id == row.id).values(**later))
    return True


def _change(
    session: Session,
    found: Sequence[Row[Any]],
    claimed: Sequence[Row[Any]],
    lease_id: int,
    now: datetime,
) -> None:
    mine = {"state": DeliveryState.CLAIMED, "lease_id": lease_id, "opened_at": None}
    gone = [row.id for row in found if row.reader_state is not SubscriberState.ACTIVE]
    for ids, values in (
        ([row.id for row in claimed], mine),
        (gone, closed(DeliveryState.WITHDRAWN, now)),
    ):
        if ids:
            session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**values))


def lies_too_far_ahead(session: Session, settings: Settings, now: datetime) -> bool:
    """Is a row due later than any wait lasts, since a clock was set back?"""
    query = select(Delivery.id).where(*_too_far_ahead(settings, now)).limit(1)
    return session.scalar(query) is not None


def bring_back(session: Session, settings: Settings, now: datetime) -> int:
    """Make such rows due at once; returns how many."""
    change = update(Delivery).where(*_too_far_ahead(settings, now)).values(due_at=AT_ONCE)
    return changed(session.execute(change, execution_options={"synchronize_session": False}))


def _too_far_ahead(settings: Settings, now: datetime) -> list[Any]:
    longest = timedelta(
        hours=settings.delivery_window,
        minutes=max(settings.retry_minutes) * (1 + JITTER) + settings.domain_rest_minutes,
    )
    sending = select(Issue.number).where(Issue.state == IssueState.SENDING)
    late = Delivery.due_at > now + longest + FURTHEST
    return [Delivery.issue_number.in_(sending), is_waiting(), late]
