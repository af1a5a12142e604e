"""Claim and settle: one commit settles what is known and opens the next row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.orm import Session

from newsletter.delivery.ledger import swift
from newsletter.delivery.ledger.rows import (
    changed,
    closed,
    doubtful,
    is_open,
    is_waiting,
    withdraw_gone,
)
from newsletter.delivery.outcomes import Outcome, Reply, retry_at
from newsletter.models import (
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
    Lease,
    Subscriber,
)
from newsletter.settings import Settings

BROKEN_OFF = 3  # conversations broken off at a row before it is deferred


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row this process may work: what the sender needs, copied out of the transaction."""

    id: int
    issue_number: int
    edition_id: int
    subscriber_id: int
    email: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A row and what became of it."""

    id: int
    outcome: Outcome
    reply: Reply


def claim(
    session: Session, lease_id: int, now: datetime, limit: int, issue_number: int | None = None
) -> list[Claimed]:
    """Take up to `limit` due rows of issues that are being sent, in order."""
    due = (
        select(Delivery.id)
        .join(Issue, Issue.number == Delivery.issue_number)
        .where(
            Issue.state == IssueState.SENDING,
            is_waiting(),
            Delivery.due_at <= now,
        )
        .order_by(Delivery.issue_number, Delivery.due_at, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    if issue_number is not None:
        due = due.where(Delivery.issue_number == issue_number)
    # The statement itself says which rows became ours: this lease's other connections have more.
    taken = session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(due), exists().where(Lease.id == lease_id))
        .values(state=DeliveryState.CLAIMED, lease_id=lease_id, opened_at=None)
        .returning(Delivery.id)
    ).all()
    withdraw_gone(session, Delivery.id.in_(taken), now)
    columns = (
        Delivery.id,
        Delivery.issue_number,
        Delivery.edition_id,
        Delivery.subscriber_id,
        func.coalesce(Subscriber.email, ""),
    )
    mine = select(*columns).join(Subscriber).where(*_held(lease_id), Delivery.id.in_(taken))
    return [Claimed(*row) for row in session.execute(mine.order_by(Delivery.id))]


def settle_and_open(
    session: Session,
    settings: Settings,
    lease_id: int,
    settled: Sequence[Settled],
    opening: Sequence[int],
    now: datetime,
) -> set[int]:
    """One commit's worth, for all connections: settle what is known, mark the next rows opened.

    Returns the ids opened: only their content may go. The others are no longer this lease's (their
    reader left, or the lease ran out) and must not be sent; what they settled is another's, too.
    """
    ids = [row.id for row in settled] + list(opening)
    if not ids:
        return set()
    connection = session.connection()
    mine = swift.held(connection, lease_id, ids)
    held = [row for row in settled if row.id in mine]
    accepted = [row for row in held if row.outcome is Outcome.ACCEPTED]
    if accepted:
        # In one transaction: the relay has them, and their readers' cursors say so.
        words = ((row.id, row.reply.status, row.reply.words) for row in accepted)
        swift.accept(connection, words, now)
        swift.move_cursors(connection, (mine[row.id] for row in accepted))
    for row in held:
        if row.outcome is not Outcome.ACCEPTED:
            _settle(session, settings, row, now)
    opened = [id for id in opening if id in mine and not mine[id].opened]
    if opened:
        swift.mark_opened(connection, opened, now)
    return set(opened)


def park(session: Session, lease_id: int, delivery_id: int, reason: str, now: datetime) -> None:
    """A message that cannot be made is refused with a reason; the others go on."""
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, *_held(lease_id))
        .values(**closed(DeliveryState.REFUSED, now), reply=reason)
    )


def _held(lease_id: int) -> tuple[ColumnElement[bool], ...]:
    return (Delivery.state == DeliveryState.CLAIMED, Delivery.lease_id == lease_id)


def _settle(session: Session, settings: Settings, row: Settled, now: datetime) -> None:
    values = _after(session, settings, row, now)
    values |= {"status": row.reply.status, "reply": row.reply.words}
    session.execute(update(Delivery).where(Delivery.id == row.id).values(**values))
    withdraw_gone(session, Delivery.id == row.id, now)


def _after(session: Session, settings: Settings, row: Settled, now: datetime) -> dict[str, object]:
    """The columns of a row after an outcome."""
    tried = {"attempts": Delivery.attempts + 1}
    match row.outcome:
        case Outcome.REFUSED:
            return tried | closed(DeliveryState.REFUSED, now)
        case Outcome.DEFERRED:
            return tried | _deferred(session, settings, row.id, now)
        case Outcome.IN_DOUBT:
            return tried | doubtful(settings, now)
        case Outcome.UNSENT:
            return tried | _unsent(session, settings, row.id, now)
        case _:  # ours: as if it had not been tried
            return {"state": DeliveryState.PENDING, "lease_id": None, "opened_at": None}


def _unsent(
    session: Session, settings: Settings, delivery_id: int, now: datetime
) -> dict[str, object]:
    """The conversation broke: due again at once, but an address that breaks each one must wait."""
    attempts = session.scalar(select(Delivery.attempts).where(Delivery.id == delivery_id)) or 0
    if attempts >= BROKEN_OFF:
        return _deferred(session, settings, delivery_id, now)
    return {"state": DeliveryState.PENDING, "lease_id": None, "opened_at": None}


def _deferred(
    session: Session, settings: Settings, delivery_id: int, now: datetime
) -> dict[str, object]:
    tried = select(Delivery.attempts, Delivery.first_tried_at).where(Delivery.id == delivery_id)
    attempts, first = session.execute(tried).one()
    due_at = retry_at(attempts + 1, now)
    if first and due_at > first + timedelta(hours=settings.delivery_give_up):
        return closed(DeliveryState.REFUSED, now)
    later: dict[str, object] = {"state": DeliveryState.DEFERRED, "due_at": due_at}
    return later | {"lease_id": None, "opened_at": None}


def withdraw(session: Session, subscriber_id: int, now: datetime) -> int:
    """The reader left: every row whose content has not been opened is withdrawn at once."""
    unopened = or_(is_waiting(), Delivery.opened_at.is_(None))
    change = (
        update(Delivery)
        .where(Delivery.subscriber_id == subscriber_id, is_open(), unopened)
        .values(**closed(DeliveryState.WITHDRAWN, now))
    )
    return changed(session.execute(change))
