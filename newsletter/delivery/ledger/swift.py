"""The hot path: what every message needs, in the driver's own words, on the driver's connection.

It runs thousands of times a second; statements built from expressions each time, or results that go
through SQLAlchemy, would cost more than the database does. SQLite gets four statements, since each
costs next to nothing; PostgreSQL gets one, since each would cost a journey. Nothing else in the
ledger is written this way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection

from newsletter.delivery.ledger.rows import going

Accepted: TypeAlias = tuple[int, str | None, str]  # delivery id, status, the relay's words

# Rows are looked up by id alone: `+` and `|| ''` keep planners from the index of leases, which is
# full of entries of rows that are done with.
HELD = """
SELECT d.id, d.subscriber_id, i.top, i.state
FROM deliveries d JOIN issues i ON i.number = d.issue_number
WHERE +d.lease_id = ? AND +d.state = 'claimed' AND d.id IN ({marks})
"""
ACCEPT = """
UPDATE deliveries SET state = 'accepted', lease_id = NULL, due_at = NULL, settled_at = ?,
status = ?, reply = ?, attempts = attempts + 1 WHERE id = ?
"""
MOVE = "UPDATE cursors SET number = ? WHERE subscriber_id = ? AND number < ?"
OPEN = """
UPDATE deliveries SET opened_at = ?, first_tried_at = COALESCE(first_tried_at, ?)
WHERE id IN ({marks})
"""
ALL_AT_ONCE = """
WITH held AS MATERIALIZED (
    SELECT d.id, d.subscriber_id, i.top, i.state = ANY(%(states)s) AS goes
    FROM deliveries d JOIN issues i ON i.number = d.issue_number
    WHERE d.id = ANY(%(ids)s::bigint[]) AND d.lease_id + 0 = %(lease)s
        AND d.state || '' = 'claimed'
    FOR UPDATE OF d
), taken AS MATERIALIZED (
    SELECT h.id, h.subscriber_id, h.top, t.status, t.reply
    FROM held h JOIN unnest(%(accepted)s::bigint[], %(statuses)s::text[], %(words)s::text[])
        AS t(id, status, reply) ON t.id = h.id
), accepted AS (
    UPDATE deliveries d SET state = 'accepted', lease_id = NULL, due_at = NULL,
        settled_at = %(now)s, status = t.status, reply = t.reply, attempts = attempts + 1
    FROM taken t WHERE d.id = t.id
), moved AS (
    UPDATE cursors c SET number = t.top FROM taken t
    WHERE c.subscriber_id = t.subscriber_id AND c.number < t.top
), opened AS (
    UPDATE deliveries d SET opened_at = %(now)s,
        first_tried_at = COALESCE(d.first_tried_at, %(now)s)
    FROM held h WHERE d.id = h.id AND h.goes AND h.id = ANY(%(opening)s::bigint[])
)
SELECT id, goes FROM held
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit's worth: rows the relay took, rows with another outcome, rows to open."""

    accepted: Sequence[Accepted]
    others: Sequence[int]
    opening: Sequence[int]
    asking: bool = False

    @property
    def states(self) -> list[str]:
        """Of issues whose rows may be opened."""
        return [state.value for state in going(asking=self.asking)]

    @property
    def ids(self) -> list[int]:
        """All rows concerned."""
        return [*(row[0] for row in self.accepted), *self.others, *self.opening]


def take(
    connection: Connection, lease_id: int, step: Step, now: datetime
) -> tuple[set[int], set[int]]:
    """Settle what was accepted, with the cursors of its readers, and mark what is opened.

    Only rows that are still claimed by this lease: returns their ids, and of those the opened ones.
    Those of `step.others` are only locked.
    """
    raw: Any = connection.connection.driver_connection
    work = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    goes = work(raw, lease_id, step, now)
    return set(goes), {id for id in step.opening if goes.get(id)}


def _on_sqlite(raw: Any, lease_id: int, step: Step, now: datetime) -> dict[int, bool]:
    ids = step.ids
    found = raw.execute(HELD.format(marks=_marks(ids)), (lease_id, *ids))
    held = {id: (reader, top, state) for id, reader, top, state in found}
    at = now.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")
    accepted = [row for row in step.accepted if row[0] in held]
    if accepted:
        raw.executemany(ACCEPT, [(at, status, words, id) for id, status, words in accepted])
        tops = [held[row[0]] for row in accepted]
        raw.executemany(MOVE, [(top, reader, top) for reader, top, _state in tops])
    goes = {id: row[2] in step.states for id, row in held.items()}
    opening = [id for id in step.opening if goes.get(id)]
    if opening:
        raw.execute(OPEN.format(marks=_marks(opening)), (at, at, *opening))
    return goes


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


def _on_postgresql(raw: Any, lease_id: int, step: Step, now: datetime) -> dict[int, bool]:
    values = {
        "ids": step.ids,
        "lease": lease_id,
        "accepted": [row[0] for row in step.accepted],
        "statuses": [row[1] for row in step.accepted],
        "words": [row[2] for row in step.accepted],
        "opening": list(step.opening),
        "states": step.states,
        "now": now,
    }
    return dict(raw.execute(ALL_AT_ONCE, values).fetchall())
