"""What came back of rows that were accepted, and rows that were refused: for whom to blame."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from newsletter.delivery.ledger.rows import is_closed
from newsletter.delivery.return_path import Sent
from newsletter.models import Delivery, DeliveryState, Issue, Setback


@dataclass(frozen=True, slots=True)
class Bounced:
    """A row that came back, with what was said (no address in it)."""

    id: int
    status: str | None
    words: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery as blame is laid by it."""

    id: int
    subscriber_id: int
    issue_number: int
    settled_at: datetime | None
    status: str | None = None
    reply: str | None = None


def by_id(session: Session, ids: Collection[int]) -> dict[int, Row]:
    """Those of these deliveries that there are."""
    columns = (Delivery.id, Delivery.subscriber_id, Delivery.issue_number, Delivery.settled_at)
    found = session.execute(select(*columns).where(Delivery.id.in_(ids)))
    return {row.id: Row(*row) for row in found}


def mark_bounced(session: Session, bounces: Sequence[Bounced], now: datetime) -> None:
    """Accepted stays accepted, and is marked; also what left and whose answer is still coming."""
    if not bounces:
        return
    left = and_(Delivery.state == DeliveryState.CLAIMED, Delivery.opened_at.is_not(None))
    change = (
        update(Delivery.__table__)  # type: ignore[arg-type]
        .where(
            Delivery.id == bindparam("row"),
            Delivery.bounced_at.is_(None),
            or_(Delivery.state == DeliveryState.ACCEPTED, left),
        )
        .values(bounced_at=now, status=bindparam("said"), reply=bindparam("words"))
    )
    ordered = sorted(bounces, key=lambda one: one.id)
    values = [{"row": one.id, "said": one.status, "words": one.words} for one in ordered]
    session.connection().execute(change, values)


def refusals(session: Session, planned_after: datetime, limit: int) -> list[Row]:
    """Refused rows of issues planned since then about which no setback was written yet."""
    settled = Setback.at >= Delivery.settled_at
    mine = (Setback.sent == Sent.DELIVERY.value, Setback.sent_id == Delivery.id)
    columns = (Delivery.id, Delivery.subscriber_id, Delivery.issue_number, Delivery.settled_at)
    query = (
        select(*columns, Delivery.status, Delivery.reply)
        .join(Issue, Issue.number == Delivery.issue_number)
        .where(
            Issue.planned_at > planned_after,
            is_closed(),
            Delivery.state == DeliveryState.REFUSED,
            Delivery.settled_at.is_not(None),
            ~select(Setback.sent_id).where(*mine, settled).exists(),
        )
        .order_by(Delivery.id)
        .limit(limit)
    )
    return [Row(*row) for row in session.execute(query)]


def last_received(session: Session, before: Mapping[int, int]) -> dict[int, int]:
    """By reader, the number of the last issue that arrived, as far as anybody said, of those before
    the one that is named for each."""
    if not before:
        return {}
    newest = func.max(Delivery.issue_number)
    arrived = (Delivery.state == DeliveryState.ACCEPTED, Delivery.bounced_at.is_(None))
    theirs = Delivery.subscriber_id.in_(before)
    earlier = or_(*(_earlier(number, before) for number in set(before.values())))
    query = select(Delivery.subscriber_id, newest).where(theirs, *arrived, earlier)
    return dict(session.execute(query.group_by(Delivery.subscriber_id)).all())


def _earlier(number: int, before: Mapping[int, int]) -> ColumnElement[bool]:
    whose = [reader for reader, limit in before.items() if limit == number]
    return and_(Delivery.subscriber_id.in_(whose), Delivery.issue_number < number)
