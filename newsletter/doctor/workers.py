"""Lines about who does what is done by time: the embedded clock, or the workers of many hosts."""

from datetime import datetime

from sqlalchemy import text

from newsletter.db import CLOCK_LOCK, Database
from newsletter.doctor import machine
from newsletter.doctor.lines import Line, ok, warn
from newsletter.seeing import workers
from newsletter.settings import Settings

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
    with database.read() as session:
        silent = workers.silence(session)
    lives = silent is not None and silent < settings.lease_seconds
    if settings.clock == "workers":
        return [_workers(silent, lives)]
    if lives:
        said = "Workers do what is done by time, and so does `newsletter serve`."
        return [warn("ticks", said, "Set CLOCK=workers on every host, or end the workers.")]
    lines = machine.ticking(settings, now)
    if lines[0].grade == "warn" and _is_led(database):
        return [ok("ticks", "The clock runs on another host.")]
    return lines


def _workers(silent: float | None, lives: bool) -> Line:
    if lives:
        return ok("ticks", f"Workers live; the last heartbeat came {silent:.0f} s ago.")
    start = "Start `newsletter worker`; without it nothing is compiled, mailed or cleaned up."
    return warn("ticks", "CLOCK=workers, and no worker lives.", start)


def _is_led(database: Database) -> bool:
    """Does a process of any host hold the lock of the clock?"""
    with database.read() as session:
        return session.execute(text(LED), LOCK).first() is not None
