"""Deliveries in the order of an index, for programs that go through all of them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.models import Delivery


def after(
    session: Session,
    last: int,
    limit: int,
    issue_number: int | None = None,
    subscriber_id: int | None = None,
) -> Sequence[Delivery]:
    """At most so many: of an issue with subscribers above `last`, else with ids above it.

    Each order is that of an index, so that a page of twelve million rows costs what it shows.
    """
    query = select(Delivery).limit(limit)
    if subscriber_id is not None:
        query = query.where(Delivery.subscriber_id == subscriber_id)
    if issue_number is not None:
        mine = (Delivery.issue_number == issue_number, Delivery.subscriber_id > last)
        return session.scalars(query.where(*mine).order_by(Delivery.subscriber_id)).all()
    return session.scalars(query.where(Delivery.id > last).order_by(Delivery.id)).all()
