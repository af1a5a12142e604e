"""Events: one row for each endpoint that is to be told, written in the transaction of what happened
and taken away once it was told. So nothing is told that did not happen, and nothing is forgotten.

At least once: who posts holds a row by putting it off (`LEASE`), and a host that dies at it leaves
it to another. A row that is not taken waits longer each time (`WAITS`), and so does the endpoint.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from newsletter.db import Plain
from newsletter.models import Endpoint, Event, EventKind, Subscriber
from newsletter.programs import endpoints
from newsletter.tokens import Tokens

TOGETHER = 10  # events of one endpoint, one after the other
LEASE = timedelta(minutes=10)  # longer than so many posts may take
# What Standard Webhooks propose, as far as two days: the last try comes 48 hours after the first.
WAITS = (timedelta(seconds=5), *(timedelta(hours=hours) for hours in (1, 2, 5, 10, 14, 16)))
GONE = "410"  # "do not tell me any more"

# Nothing is written while nobody wants to know: the readers are not even looked at then.
TELL = """
WITH w (id) AS (VALUES {rows})
INSERT INTO events (endpoint_id, kind, {column}, at, due_at, attempts)
SELECT e.id, ?, w.id, {moment}, {moment}, 0
FROM endpoints e CROSS JOIN w
WHERE e.disabled_at IS NULL AND ' ' || e.kinds || ' ' LIKE ?
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """An event as it is posted: `number` of which attempt, signed with each of `keys`."""

    event_id: int
    number: int
    url: str
    name: str  # webhook-id: the same at each attempt
    body: bytes
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a letter: the status, or in words why there is none."""

    letter: Letter
    outcome: str

    @property
    def taken(self) -> bool:
        """Did the receiver say 2xx?"""
        return len(self.outcome) == 3 and self.outcome.startswith("2")


def tell(session: Session, kind: EventKind, about: Collection[int], now: datetime) -> None:
    """It happened to these subscribers, or to this issue."""
    session.flush()
    tell_plainly(Plain(session), kind, about, now)


def tell_plainly(plain: Plain, kind: EventKind, about: Collection[int], now: datetime) -> None:
    """The same on a hot path: one statement, whoever wants to know."""
    if not about:
        return
    row, moment = ("(?)", "?") if plain.sqlite else ("(?::integer)", "?::timestamptz")
    column = "issue_number" if kind is EventKind.ISSUE_SENT else "subscriber_id"
    rows, at = ", ".join([row] * len(about)), plain.moment(now)
    sql = TELL.format(rows=rows, moment=moment, column=column)
    plain.tell(sql, (*about, kind.value, at, at, f"% {kind} %"))


def due(session: Session, now: datetime) -> list[int]:
    """The endpoints that are to be told something now. Reads only."""
    waiting = exists().where(Event.endpoint_id == Endpoint.id, Event.due_at <= now)
    return list(session.scalars(select(Endpoint.id).where(_awake(now), waiting)))


def claim(session: Session, tokens: Tokens, endpoint_id: int, now: datetime) -> list[Letter]:
    """Take what an endpoint is to be told next, and keep others from it for a while; none when
    somebody else is at it.

    What was never tried comes first: one letter that is never taken holds up no other.
    """
    mine = select(Endpoint).where(Endpoint.id == endpoint_id, _awake(now))
    endpoint = session.scalar(mine.with_for_update(skip_locked=True))
    if endpoint is None:
        return []
    waiting = select(Event).where(Event.endpoint_id == endpoint_id, Event.due_at <= now)
    first = waiting.order_by(Event.attempts, Event.id).limit(TOGETHER)
    rows = session.scalars(first.with_for_update(skip_locked=True)).all()
    addresses = _addresses(session, rows) if endpoint.with_address else {}
    for row in rows:
        row.attempts, row.due_at = row.attempts + 1, now + LEASE
    keys = tuple(endpoints.keys(tokens, endpoint))
    return [
        Letter(row.id, row.attempts, endpoint.url, _name(row), _body(row, addresses), keys)
        for row in rows
    ]


def settle(
    session: Session,
    endpoint_id: int,
    results: Sequence[Result],
    untried: Sequence[Letter],
    now: datetime,
) -> bool:
    """Write down what became of letters; those that were not posted are free again.

    True when the endpoint is disabled by this: it took nothing for two days, or said 410.
    """
    for letter in untried:
        freed = {"attempts": letter.number - 1, "due_at": now}
        session.execute(update(Event).where(*_still(letter)).values(**freed))
    endpoint = endpoints.get(session, endpoint_id)
    if endpoint is None or endpoint.disabled_at is not None:
        return False
    for result in results:
        _note(session, endpoint, result, now)
    if not results or not (endpoint.failures > len(WAITS) or endpoint.outcome == GONE):
        return False
    endpoints.disable(session, endpoint, now)
    return True


def waiting(session: Session, endpoint_id: int, limit: int) -> int:
    """How many events an endpoint is still to be told, counted up to `limit`."""
    rows = select(Event.id).where(Event.endpoint_id == endpoint_id).limit(limit)
    return len(session.scalars(rows).all())


def count(session: Session) -> int:
    """How many events all endpoints are still to be told."""
    return session.scalar(select(func.count()).select_from(Event)) or 0


def withdraw_waiting(session: Session) -> int:
    """Of a copy, or a restored backup: what waits may have been told long ago. Returns how many."""
    return len(session.scalars(delete(Event).returning(Event.id)).all())


def _awake(now: datetime) -> ColumnElement[bool]:
    rested = or_(Endpoint.rest_until.is_(None), Endpoint.rest_until <= now)
    return and_(Endpoint.disabled_at.is_(None), rested)


def _note(session: Session, endpoint: Endpoint, result: Result, now: datetime) -> None:
    letter = result.letter
    endpoint.tried_at, endpoint.outcome = now, result.outcome
    if result.taken:
        endpoint.failures, endpoint.rest_until = 0, None
    else:
        endpoint.failures += 1
        endpoint.rest_until = now + WAITS[min(endpoint.failures, len(WAITS)) - 1]
    if result.taken or letter.number > len(WAITS):
        session.execute(delete(Event).where(*_still(letter)))
    else:
        later = now + WAITS[letter.number - 1]
        session.execute(update(Event).where(*_still(letter)).values(due_at=later))


def _still(letter: Letter) -> tuple[ColumnElement[bool], ...]:
    """The row as we took it: a host that slept past its lease settles nothing of another's."""
    return (Event.id == letter.event_id, Event.attempts == letter.number)


def _addresses(session: Session, rows: Sequence[Event]) -> dict[int, str | None]:
    ids = [row.subscriber_id for row in rows if row.subscriber_id is not None]
    found = select(Subscriber.id, Subscriber.email).where(Subscriber.id.in_(ids))
    return dict(session.execute(found).all())


def _name(row: Event) -> str:
    """With its moment, since a database that was restored gives out the same ids again."""
    return f"evt_{row.id}_{int(row.at.timestamp() * 1000)}"


def _body(row: Event, addresses: Mapping[int, str | None]) -> bytes:
    data: dict[str, object] = {"issue": row.issue_number}
    if row.subscriber_id is not None:
        data = {"subscriber": row.subscriber_id}
        if email := addresses.get(row.subscriber_id):
            data["email"] = email
    at = row.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"type": row.kind.value, "timestamp": at, "data": data}).encode()
