"""The four statements of the hot path, in the driver's own words.

They run for every message, thousands a second; building them from expressions each time would cost
more than the database does. Nothing else in the ledger is written this way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

HELD = """
SELECT d.id, d.subscriber_id, i.top, d.opened_at IS NOT NULL
FROM deliveries d JOIN issues i ON i.number = d.issue_number
WHERE d.lease_id = ? AND d.state = 'claimed' AND d.id IN ({marks})
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


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is still this lease's."""

    subscriber_id: int
    top: int
    opened: bool


def held(connection: Connection, lease_id: int, ids: Sequence[int]) -> dict[int, Held]:
    """Of `ids`, those still claimed by this lease, locked for this transaction."""
    lock = "" if connection.dialect.name == "sqlite" else "FOR UPDATE OF d"
    sql = _sql(connection, HELD.format(marks=_marks(ids)) + lock)
    found = connection.exec_driver_sql(sql, (lease_id, *ids))
    return {id: Held(reader, top or 0, bool(opened)) for id, reader, top, opened in found}


def accept(
    connection: Connection, rows: Iterable[tuple[int, str | None, str]], now: datetime
) -> None:
    """Settle rows (id, status, the relay's words) as accepted."""
    at = _time(connection, now)
    values = [(at, status, words, id) for id, status, words in rows]
    connection.exec_driver_sql(_sql(connection, ACCEPT), values)


def move_cursors(connection: Connection, rows: Iterable[Held]) -> None:
    """The readers of these rows have had everything up to their issue's top."""
    values = [(row.top, row.subscriber_id, row.top) for row in rows]
    connection.exec_driver_sql(_sql(connection, MOVE), values)


def mark_opened(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """The content of these rows may leave from the next commit on."""
    at = _time(connection, now)
    sql = _sql(connection, OPEN.format(marks=_marks(ids)))
    connection.exec_driver_sql(sql, (at, at, *ids))


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


def _sql(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")


def _time(connection: Connection, now: datetime) -> object:
    """As `UtcDateTime` stores it."""
    if connection.dialect.name == "sqlite":
        return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return now
