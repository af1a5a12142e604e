"""Lines about who does what is done by time: the embedded clock, or the workers of many hosts."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from newsletter.db import CLOCK_LOCK, Database
from newsletter.doctor import machine
from newsletter.doctor.lines import Line, ok, warn
from newsletter.settings import Settings

# A worker beats six times in LEASE_SECONDS, in each of its queues; rows that fell silent are pruned
# only while another worker lives.
BEATING = """
SELECT extract(epoch FROM now() - max(last_heartbeat))::float FROM procrastinate_workers
"""
LED = """
SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 1
AND classid = CAST(:high AS oid) AND objid = CAST(:low AS oid)
"""
LOCK = {"high": CLOCK_LOCK >> 32, "low": CLOCK_LOCK & 0xFFFFFFFF}  # as pg_locks shows a bigint


def ticking(settings: Settings, database: Database, now: datetime) -> list[Line]:
    """Does anybody do what is done by time, and only one of the two who could? Raises what a
    database raises."""
    if database.engine.name == "sqlite":
        return machine.ticking(settings, now)
    silent = _ask(database, BEATING)
    lives = silent is not None and silent < settings.lease_seconds
    if settings.clock == "workers":
        return [_workers(silent, lives)]
    if lives:
        said = "Workers do what is done by time, and so does `newsletter serve`."
        return [warn("ticks", said, "Set CLOCK=workers on every host, or end the workers.")]
    lines = machine.ticking(settings, now)
    if lines[0].grade == "warn" and _ask(database, LED, LOCK):
        return [ok("ticks", "The clock runs on another host.")]
    return lines


def _workers(silent: float | None, lives: bool) -> Line:
    if lives:
        return ok("ticks", f"Workers live; the last heartbeat came {silent:.0f} s ago.")
    start = "Start `newsletter worker`; without it nothing is compiled, mailed or cleaned up."
    return warn("ticks", "CLOCK=workers, and no worker lives.", start)


def _ask(database: Database, sql: str, values: Mapping[str, int] | None = None) -> float | None:
    with database.read() as session:
        found: float | None = session.execute(text(sql), values).scalar()
    return found
