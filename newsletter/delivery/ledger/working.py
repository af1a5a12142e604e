"""Settle: one commit settles what is known and opens the next row."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, or_, select, update
from sqlalchemy.orm import Session

from newsletter.delivery.ledger.rows import (
    changed,
    closed,
    doubtful,
    is_open,
    is_waiting,
    withdraw_gone,
)
from newsletter.delivery.ledger.swift import Step, take
from newsletter.delivery.outcomes import EARLY, Outcome, Reply, retry_at
from newsletter.models import Delivery, DeliveryState, Issue
from newsletter.settings import Settings

BROKEN_OFF = 3  # conversations broken off at a row before it is deferred


@dataclass(frozen=True, slots=True)
class Settled:
    """A row and what became of it."""

    id: int
    outcome: Outcome
    reply: Reply
    domain: str = ""  # of the reader: the one that asks us to be slower


def settle_and_open(
    connection: Connection,
    settings: Settings,
    lease_id: int,
    settled: Sequence[Settled],
    opening: Sequence[int],
    now: datetime,
    *,
    asking: bool = False,
) -> set[int]:
    """One commit's worth, for all connections: settle what is known, mark the next rows opened.

    Returns the ids opened: only their content may go. The others are no longer this lease's (their
    reader left, or the lease ran out), or their issue was stopped or paused (`asking`: it may be
    paused). What is no longer this lease's is not settled either.
    """
    accepted = [
        (row.id, row.reply.status, row.reply.words)
        for row in settled
        if row.outcome is Outcome.ACCEPTED
    ]
    others = [row for row in settled if row.outcome is not Outcome.ACCEPTED]
    step = Step(accepted, [row.id for row in others], opening, asking)
    if not (settled or opening):
        return set()
    held, opened = take(connection, lease_id, step, now)
    for row in others:
        if row.id in held:
            _settle(connection, settings, row, now)
    return opened


def park(
    connection: Connection, lease_id: int, delivery_id: int, reason: str, now: datetime
) -> None:
    """A message that cannot be made is refused with a reason; the others go on."""
    connection.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, *_held(lease_id))
        .values(**closed(DeliveryState.REFUSED, now), reply=reason)
    )


def give_back(connection: Connection, lease_id: int, ids: Sequence[int]) -> None:
    """Rows that were claimed and not begun: their domain wants no more for now."""
    mine = (Delivery.id.in_(ids), Delivery.opened_at.is_(None), *_held(lease_id))
    values = {"state": DeliveryState.PENDING, "lease_id": None}
    connection.execute(update(Delivery).where(*mine).values(**values))


def _held(lease_id: int) -> tuple[ColumnElement[bool], ...]:
    return (Delivery.state == DeliveryState.CLAIMED, Delivery.lease_id == lease_id)


def _settle(connection: Connection, settings: Settings, row: Settled, now: datetime) -> None:
    values = _after(connection, settings, row, now)
    values |= {"status": row.reply.status, "reply": row.reply.words}
    connection.execute(update(Delivery).where(Delivery.id == row.id).values(**values))
    withdraw_gone(connection, Delivery.id == row.id, now)


def _after(
    connection: Connection, settings: Settings, row: Settled, now: datetime
) -> dict[str, object]:
    """The columns of a row after an outcome."""
    tried = {
        "attempts": Delivery.attempts + 1,
        "first_tried_at": func.coalesce(Delivery.first_tried_at, now),
    }
    match row.outcome:
        case Outcome.REFUSED:
            return tried | closed(DeliveryState.REFUSED, now)
        case Outcome.DEFERRED | Outcome.SLOW_DOWN:
            return tried | _deferred(connection, settings, row.id, now)
        case Outcome.IN_DOUBT:
            return tried | doubtful(settings, now)
        case Outcome.UNSENT if row.reply.code is None or row.reply.stage not in EARLY:
            return tried | _unsent(connection, settings, row.id, now)
        case Outcome.UNSENT:  # said before the reader was named: as if it had not been tried
            return {"state": DeliveryState.PENDING, "lease_id": None, "opened_at": None}
        case _:  # about us: not tried either, but after the others, should it be about this one
            back = {"state": DeliveryState.PENDING, "lease_id": None, "opened_at": None}
            return back | {"due_at": now}


def _unsent(
    connection: Connection, settings: Settings, delivery_id: int, now: datetime
) -> dict[str, object]:
    """The conversation broke: due again at once, but an address that breaks each one must wait."""
    attempts = connection.scalar(select(Delivery.attempts).where(Delivery.id == delivery_id)) or 0
    if attempts >= BROKEN_OFF:
        return _deferred(connection, settings, delivery_id, now)
    return {"state": DeliveryState.PENDING, "lease_id": None, "opened_at": None}


def _deferred(
    connection: Connection, settings: Settings, delivery_id: int, now: datetime
) -> dict[str, object]:
    tried = select(Delivery.attempts, Delivery.first_tried_at).where(Delivery.id == delivery_id)
    attempts, first = connection.execute(tried).one()
    due_at = retry_at(settings, attempts + 1, now)
    if due_at > (first or now) + timedelta(hours=settings.delivery_give_up):
        return closed(DeliveryState.REFUSED, now)
    later: dict[str, object] = {"state": DeliveryState.DEFERRED, "due_at": due_at}
    return later | {"lease_id": None, "opened_at": None}


def withdraw(session: Session, subscriber_id: int, now: datetime) -> int:
    """The reader left: every row whose content has not been opened is withdrawn at once."""
    return withdraw_all(session, [subscriber_id], now)


def withdraw_all(session: Session, subscriber_ids: Collection[int], now: datetime) -> int:
    """What `withdraw` does, for many readers."""
    unopened = or_(is_waiting(), Delivery.opened_at.is_(None))
    change = (
        update(Delivery)
        .where(Delivery.subscriber_id.in_(subscriber_ids), is_open(), unopened)
        .values(**closed(DeliveryState.WITHDRAWN, now))
    )
    return changed(session.execute(change))


def withdraw_everything(session: Session, now: datetime) -> int:
    """Of a copy, or a restored backup: no row that is open goes out, not even one in doubt, and
    whoever had claimed it lives no more. Returns how many."""
    change = update(Delivery).where(is_open()).values(**closed(DeliveryState.WITHDRAWN, now))
    return changed(session.execute(change, execution_options={"synchronize_session": False}))


def forget_replies(session: Session, before: datetime, limit: int) -> int:
    """Empty the relay's words of at most `limit` deliveries of issues sent before this moment.

    That they were sent stays. Returns how many.
    """
    sent = select(Issue.number).where(Issue.sent_at < before)
    old = (
        select(Delivery.id)
        .where(Delivery.issue_number.in_(sent), Delivery.reply.is_not(None))
        .limit(limit)
    )
    silence = update(Delivery).where(Delivery.id.in_(old)).values(reply=None)
    return changed(session.execute(silence, execution_options={"synchronize_session": False}))


def forget_reader(session: Session, subscriber_id: int) -> None:
    """Empty the relay's words about one reader: they may name a mailbox without its domain."""
    theirs = (Delivery.subscriber_id == subscriber_id, Delivery.reply.is_not(None))
    session.execute(update(Delivery).where(*theirs).values(reply=None))
