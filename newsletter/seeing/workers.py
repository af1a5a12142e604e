"""The workers of many hosts, as Procrastinate's own table tells; on PostgreSQL alone."""

from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

TABLE = "procrastinate_workers"
# How long ago says the database's clock: those of two hosts may differ.
BEATS = text(
    "SELECT extract(epoch FROM last_heartbeat)::float, "
    "extract(epoch FROM now() - last_heartbeat)::float FROM procrastinate_workers"
)


class Beat(NamedTuple):
    """The last heartbeat of a worker, in seconds since 1970, and how many seconds ago that was."""

    at: float
    ago: float


def beats(asked: Session | Connection) -> list[Beat]:
    """One for each of a worker's queues; rows that fell silent go only while another lives."""
    return [Beat(*row) for row in asked.execute(BEATS)]


def silence(asked: Session | Connection) -> float | None:
    """For how many seconds the liveliest one has been silent; None: there is none."""
    return min((beat.ago for beat in beats(asked)), default=None)
