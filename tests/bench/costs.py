"""What a stretch of work costs PostgreSQL: seconds of the processor, log, commits."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import Server

ASK = """
SELECT w.wal_bytes::bigint, w.wal_records, w.wal_fpi, w.wal_sync, d.xact_commit
FROM pg_stat_wal w, pg_stat_database d WHERE d.datname = current_database()
"""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Bill:
    """Totals since the server began, or between two moments."""

    cpu_s: float
    wal_bytes: int
    wal_records: int
    wal_pages: int  # written whole, the first time after a checkpoint
    wal_syncs: int
    commits: int

    def since(self, before: "Bill") -> "Bill":
        """What came between."""
        pairs = zip(vars(self).values(), vars(before).values(), strict=True)
        return Bill(*(now - then for now, then in pairs))

    def each(self, count: int) -> dict[str, float]:
        """For each of so many deliveries."""
        return {
            "database_cpu_us": round(self.cpu_s / count * 1e6),
            "wal_bytes": round(self.wal_bytes / count),
            "wal_pages": round(self.wal_pages / count, 3),
            "wal_syncs": round(self.wal_syncs / count, 3),
            "commits": round(self.commits / count, 3),
        }


def bill(server: Server, url: str) -> Bill:
    """What the server used so far, all its processes together."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row: Any = connection.execute(ASK).fetchone()
    return Bill(cpu(server.process.pid), *row)


def cpu(pid: int) -> float:
    """Seconds of the processor: of a process, of its children that live, and of those that have
    ended."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended: its parent counts it then
            continue
        if int(file.parent.name) == pid:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == pid:
            ticks += sum(int(field) for field in fields[11:13])
    return ticks / TICKS
