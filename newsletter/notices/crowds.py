"""Letters to all whom a query finds: an import invites by the hundred thousand."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, insert, literal
from sqlalchemy.orm import Session

from newsletter.models import Notice, NoticeKind, NoticeState


def queue_for(
    session: Session,
    kind: NoticeKind,
    readers: Select[Any],
    facts: dict[str, Any],
    now: datetime,
) -> None:
    """Queue the same letter for all that a query finds: id, address and locale of each."""
    time = Notice.created_at.type
    values: dict[str, ColumnElement[Any]] = {
        "kind": literal(kind.value),
        "facts": literal(facts, JSON()),
        "state": literal(NoticeState.WAITING.value),
        "created_at": literal(now, time),
        "due_at": literal(now, time),
        "attempts": literal(0),
    }
    rows = readers.add_columns(*values.values())
    names = ["subscriber_id", "email", "locale", *values]
    session.connection().execute(insert(Notice).from_select(names, rows))
