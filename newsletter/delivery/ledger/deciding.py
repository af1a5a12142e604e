"""What people look up in the ledger, and decide about single rows of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from newsletter.delivery.ledger.rows import changed, closed, is_closed, is_waiting
from newsletter.delivery.outcomes import is_our_fault
from newsletter.models import (
    AT_ONCE,
    Cursor,
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
    Subscriber,
    SubscriberState,
)

UNMADE = "This message could not be made"  # as `park` writes it
TOGETHER = 10_000  # ids in one statement: a database takes 30,000 values or so
SENT_OUT = (IssueState.SENDING, IssueState.PAUSED, IssueState.SENT)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sending of an issue is."""

    planned: int
    accepted: int
    waiting: int  # to be handed over, or being so
    deferred: int  # of these, put off by the reader's server until later than now
    refused: int
    withdrawn: int
    in_doubt: int  # a person has to decide about them


@dataclass(frozen=True, slots=True)
class Found:
    """A delivery as people look at it."""

    id: int
    issue_number: int
    subscriber_id: int
    email: str | None  # None: erased since
    state: DeliveryState
    due_at: datetime | None
    settled_at: datetime | None
    bounced_at: datetime | None
    in_doubt: int
    status: str | None
    reply: str | None
    ours: bool = False  # refused, and no reader is to blame

    @property
    def held(self) -> bool:
        """Does it wait for a person?"""
        return self.state in (DeliveryState.PENDING, DeliveryState.DEFERRED) and not self.due_at


def progress(session: Session, issue_number: int, now: datetime) -> Progress:
    """The numbers of an issue at this moment, from indexes alone: of what was accepted, which is
    nearly all, there is none, so that it is what is left."""

    def count(*rows: Any) -> int:
        query = select(func.count()).select_from(Delivery)
        return session.scalar(query.where(Delivery.issue_number == issue_number, *rows)) or 0

    planned, waits, held = count(), count(is_waiting()), count(*_held())
    # Of all issues: so few that a database has to be kept from looking through this one's.
    held_now = select(Delivery.issue_number).where(Delivery.lease_id.is_not(None))
    claimed = sum(number == issue_number for number in session.scalars(held_now))
    later = (is_waiting(), Delivery.due_at > now)
    refused, withdrawn = (
        count(is_closed(), Delivery.state == state)
        for state in (DeliveryState.REFUSED, DeliveryState.WITHDRAWN)
    )
    return Progress(
        planned=planned,
        accepted=planned - waits - claimed - refused - withdrawn,
        waiting=waits + claimed - held,
        deferred=count(*later, Delivery.state == DeliveryState.DEFERRED),
        refused=refused,
        withdrawn=withdrawn,
        in_doubt=held,
    )


def of_subscriber(session: Session, subscriber_id: int, limit: int) -> list[Found]:
    """What one reader was sent, the newest first."""
    theirs = _found().where(Delivery.subscriber_id == subscriber_id)
    return _as_found(session, theirs.order_by(Delivery.issue_number.desc()).limit(limit))


def held_rows(session: Session, issue_number: int, after: int, limit: int) -> list[Found]:
    """Rows of an issue about which a person has to decide, with ids above `after`."""
    mine = _found().where(Delivery.issue_number == issue_number, *_held(), Delivery.id > after)
    # All have no due time; PostgreSQL would else walk through the whole table in the order of ids.
    return _as_found(session, mine.order_by(Delivery.due_at, Delivery.id).limit(limit))


def refused_rows(session: Session, issue_number: int, after: int, limit: int) -> list[Found]:
    """Refused rows of an issue, with ids above `after`."""
    mine = (Delivery.issue_number == issue_number, *_refused())
    rows = _found().where(*mine, Delivery.id > after)
    return _as_found(session, rows.order_by(Delivery.id).limit(limit))


def decide(
    session: Session, issue_number: int, delivery_id: int, now: datetime, *, send: bool
) -> bool:
    """One row of an issue held in doubt: sent once more, or left as it is, as a person decided.
    False when that has been decided already, or its issue is stopped."""
    going = select(Issue.number).where(Issue.state.in_((IssueState.SENDING, IssueState.PAUSED)))
    mine = (Delivery.id == delivery_id, Delivery.issue_number == issue_number, *_held())
    values = {"due_at": AT_ONCE} if send else closed(DeliveryState.WITHDRAWN, now)
    change = update(Delivery).where(*mine, Delivery.issue_number.in_(going))
    return changed(session.execute(change.values(**values))) == 1


def retryable(session: Session, issue_number: int) -> list[int]:
    """Ids of refused rows of an issue that it was our own fault for, of readers who still read and
    have not had its items since."""
    open_row = aliased(Delivery)
    busy = exists().where(
        open_row.subscriber_id == Delivery.subscriber_id,
        open_row.state.in_((DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.DEFERRED)),
    )
    fit = (
        select(Delivery.id)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Cursor, Cursor.subscriber_id == Delivery.subscriber_id)
        .join(Issue, Issue.number == Delivery.issue_number)
        .where(
            Delivery.state == DeliveryState.REFUSED,
            Issue.state.in_(SENT_OUT),
            Subscriber.state == SubscriberState.ACTIVE,
            Cursor.number < Issue.top,
            ~busy,
        )
    )
    return [
        id
        for some in _together(_ours(session, issue_number))
        for id in session.scalars(fit.where(Delivery.id.in_(some)).order_by(Delivery.id))
    ]


def _ours(session: Session, issue_number: int) -> list[int]:
    """Looked at first, since it is few of many: the readers of the others need not be looked up."""
    mine = (Delivery.issue_number == issue_number, *_refused())
    rows = session.execute(select(Delivery.id, Delivery.reply).where(*mine).order_by(Delivery.id))
    return [id for id, reply in rows if _is_ours(reply)]


def retry_ours(session: Session, issue_number: int) -> int:
    """Send such rows once more, as if they had never been tried; returns how many."""
    fresh = {
        "state": DeliveryState.PENDING,
        "due_at": AT_ONCE,
        "attempts": 0,
        "first_tried_at": None,
        "opened_at": None,
        "settled_at": None,
        "status": None,
        "reply": None,
    }
    change = update(Delivery).where(Delivery.state == DeliveryState.REFUSED).values(**fresh)
    return sum(
        changed(session.execute(change.where(Delivery.id.in_(some))))
        for some in _together(retryable(session, issue_number))
    )


def _together(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + TOGETHER] for first in range(0, len(ids), TOGETHER))


@lru_cache(1024)  # servers refuse thousands in the same words
def _is_ours(reply: str | None) -> bool:
    return reply is not None and (reply.startswith(UNMADE) or is_our_fault(reply))


def _held() -> tuple[Any, ...]:
    return (is_waiting(), Delivery.due_at.is_(None))


def _refused() -> tuple[Any, ...]:
    return (is_closed(), Delivery.state == DeliveryState.REFUSED)


def _found() -> Select[*tuple[Any, ...]]:
    return select(
        Delivery.id,
        Delivery.issue_number,
        Delivery.subscriber_id,
        Subscriber.email,
        Delivery.state,
        Delivery.due_at,
        Delivery.settled_at,
        Delivery.bounced_at,
        Delivery.in_doubt,
        Delivery.status,
        Delivery.reply,
    ).join(Subscriber, Subscriber.id == Delivery.subscriber_id)


def _as_found(session: Session, query: Select[*tuple[Any, ...]]) -> list[Found]:
    refused = DeliveryState.REFUSED
    return [
        Found(**row._mapping, ours=row.state is refused and _is_ours(row.reply))
        for row in session.execute(query)
    ]
