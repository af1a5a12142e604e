"""Conditions and values that the rooms of the ledger share."""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    TextClause,
    and_,
    case,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from newsletter.models import (
    AT_ONCE,
    Delivery,
    DeliveryState,
    IssueState,
    Subscriber,
    SubscriberState,
)
from newsletter.models.delivery import CLOSED, OPEN, WAITING
from newsletter.settings import Settings

RESENDS = 2  # how often a message in doubt is sent again before a person is asked
SECOND_RESEND = timedelta(minutes=15)  # a relay that swallows answers gets time to be mended


def is_open() -> TextClause:
    """Pending, claimed or deferred.

    The words stand in the SQL, not in parameters: only so can a database see that the partial
    index of open rows holds all it needs.
    """
    return text(f"deliveries.{OPEN.text}")


def is_waiting() -> TextClause:
    """Open, and no process is working it."""
    return text(f"deliveries.{WAITING.text}")


def is_closed() -> TextClause:
    """Refused or withdrawn, in the words of the partial index as well."""
    return text(f"deliveries.{CLOSED.text}")


def going(*, asking: bool) -> list[IssueState]:
    """States of issues whose rows may go; `asking`: the relay is asked with one of a paused one."""
    return [IssueState.SENDING, *([IssueState.PAUSED] if asking else [])]


def closed(state: DeliveryState, now: datetime) -> dict[str, object]:
    """The columns of a row that is done with."""
    return {"state": state, "lease_id": None, "due_at": None, "settled_at": now}


def doubtful(settings: Settings, now: datetime) -> dict[str, object]:
    """Opened and unsettled: sent again with the same Message-ID, or held for a person."""
    allowed = RESENDS if settings.in_doubt == "resend" else 0
    again = case((Delivery.in_doubt == 0, AT_ONCE), else_=now + SECOND_RESEND)
    return {
        "state": DeliveryState.PENDING,
        "lease_id": None,
        "opened_at": None,
        "in_doubt": Delivery.in_doubt + 1,
        "due_at": case((Delivery.in_doubt < allowed, again), else_=None),
    }


def withdraw_gone(session: Session | Connection, rows: ColumnElement[bool], now: datetime) -> None:
    """Rows of readers who left, or paused, while a content was under way, to be tried again."""
    pausing = and_(Subscriber.paused_until > now, Delivery.in_doubt == 0)
    gone = select(Subscriber.id).where(
        Subscriber.id == Delivery.subscriber_id,
        or_(Subscriber.state != SubscriberState.ACTIVE, pausing),
    )
    unopened = and_(is_open(), Delivery.opened_at.is_(None))
    session.execute(
        update(Delivery)
        .where(rows, unopened, gone.exists())
        .values(**closed(DeliveryState.WITHDRAWN, now))
    )


def changed(result: object) -> int:
    """How many rows a statement changed."""
    return cast(CursorResult[Any], result).rowcount
