"""Subscribers in the order of their ids, for programs that go through all of them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.models import Subscriber, SubscriberState, TopicChoice
from newsletter.subscribers import preferences


@dataclass(frozen=True, slots=True)
class Row:
    """A subscriber with the keys of their topics (none is every topic)."""

    id: int
    state: SubscriberState
    email: str | None
    locale: str
    cadence: str
    topics: list[str]
    created_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None
    paused_until: datetime | None


def after(session: Session, id: int, limit: int) -> list[Row]:
    """At most so many with ids above `id`."""
    query = _QUERY.where(Subscriber.id > id).order_by(Subscriber.id).limit(limit)
    return [_row(one, topics) for one, topics in session.execute(query)]


def one(session: Session, id: int) -> Row | None:
    """The subscriber with this id."""
    found = session.execute(_QUERY.where(Subscriber.id == id)).one_or_none()
    return _row(*found) if found else None


_QUERY = select(Subscriber, TopicChoice.topics).join(
    TopicChoice, TopicChoice.id == Subscriber.topic_choice_id
)


def _row(found: Subscriber, topics: str) -> Row:
    return Row(
        found.id,
        found.state,
        found.email,
        found.locale,
        found.cadence,
        preferences.apart(topics),
        found.created_at,
        found.confirmed_at,
        found.left_at,
        found.paused_until,
    )
