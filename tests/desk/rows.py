"""Rows of an issue for pages that show them: one that was refused, one in doubt."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.models import (
    Delivery,
    DeliveryState,
    Edition,
    Subscriber,
    SubscriberState,
)
from newsletter.subscribers.preferences import choice
from tests.desk.conftest import Desk

MINE = "rows"


def with_rows(desk: Desk, path: str) -> str:
    """An issue with one row that was refused and one in doubt."""
    with desk.database.write() as session:
        mine = select(Delivery).join(Edition, Edition.id == Delivery.edition_id)
        mine = mine.where(Edition.hash == MINE).order_by(Delivery.id)
        rows = session.scalars(mine).all() or _plan(session)
        refused, doubt = rows[0], rows[-1]
        refused.state, refused.reply = DeliveryState.REFUSED, "550 5.7.26 not authenticated"
        refused.settled_at, refused.due_at = datetime.now(UTC), None
        doubt.due_at, doubt.in_doubt = None, 1
    return path


def _plan(session: Session) -> Sequence[Delivery]:
    """The rows of issue 1, to two readers who joined since."""
    now = datetime.now(UTC)
    edition = Edition(
        issue_number=1, locale="nl", piece_ids="1", subject="x", html="", text="", hash=MINE
    )
    readers = [
        Subscriber(
            email=f"{name}@voorbeeld.example",
            canonical=f"{name}@voorbeeld.example",
            locale="nl",
            cadence="monthly",
            topic_choice_id=choice(session, ()).id,
            state=SubscriberState.ACTIVE,
            created_at=now,
        )
        for name in ("an.de.lezer", "bo.de.lezer")
    ]
    session.add_all([edition, *readers])
    session.flush()
    rows = [
        Delivery(
            issue_number=1,
            subscriber_id=reader.id,
            edition_id=edition.id,
            state=DeliveryState.PENDING,
            attempts=0,
            in_doubt=0,
        )
        for reader in readers
    ]
    ledger.start_cursors(session, [reader.id for reader in readers])
    session.add_all(rows)
    session.flush()
    return rows
