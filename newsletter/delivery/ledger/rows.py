"""Conditions and values that the rooms of the ledger share."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, case

from newsletter.models import Delivery, DeliveryState
from newsletter.models.delivery import OPEN_STATES
from newsletter.settings import Settings

RESENDS = 2  # how often a message in doubt is sent again before a person is asked
WAITING_STATES = (DeliveryState.PENDING, DeliveryState.DEFERRED)


def is_open() -> ColumnElement[bool]:
    """Pending, claimed or deferred."""
    return Delivery.state.in_(OPEN_STATES)


def is_waiting() -> ColumnElement[bool]:
    """Open, and no process is working it."""
    return Delivery.state.in_(WAITING_STATES)


def closed(state: DeliveryState, now: datetime) -> dict[str, object]:
    """The columns of a row that is done with."""
    return {"state": state, "lease_id": None, "due_at": None, "settled_at": now}


def doubtful(settings: Settings, now: datetime) -> dict[str, object]:
    """Opened and unsettled: sent again with the same Message-ID, or held for a person."""
    allowed = RESENDS if settings.in_doubt == "resend" else 0
    return {
        "state": DeliveryState.PENDING,
        "lease_id": None,
        "opened_at": None,
        "in_doubt": Delivery.in_doubt + 1,
        "due_at": case((Delivery.in_doubt < allowed, now), else_=None),
    }


def changed(result: object) -> int:
    """How many rows a statement changed."""
    return cast(CursorResult[Any], result).rowcount
