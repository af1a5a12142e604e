"""One, two and four workers against a relay that answers slowly: does each bring its share?

Alone: `python -m tests.bench.workers`. What bounds a worker is then the relay's time and not the
processor, so that what workers do to each other in the database shows, and the machine's few cores
do not. Looked at is the middle of a run, when all of them send. Then one that is bound by the
processor: what it takes, and what the database does for it.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from newsletter.db import connect
from newsletter.issues import publishing
from tests import postgres
from tests.bench import costs, crew, peers, taker, world
from tests.bench.serving import wait_until
from tests.bench.world import NEWSLETTER, World
from tests.shared import make_homeless

WORKERS, DELAY, CONNECTIONS = (1, 2, 4), 0.02, 16
ANSWERS = 4  # for each message: to MAIL, RCPT, DATA and the content
TARGET = 0.9  # of what so many workers would do if none disturbed another
READERS, OCTETS = 24_000, 30_545
COMMAND = (NEWSLETTER, "worker")


@dataclass(frozen=True)
class Size:
    """How long, and how often."""

    rounds: int = 3
    settle_s: float = 1.5  # until all of them send
    window_s: float = 4.0


QUICK = Size(rounds=1, settle_s=1.0, window_s=2.0)


@dataclass
class Line:
    """Workers on one planned issue, each round on a copy of it."""

    planned: World
    server: postgres.Server
    size: Size

    def send(self, workers: int, delay: float) -> dict[str, Any]:
        """A few seconds of so many workers; what was taken is compared with the ledger."""
        url, log = self.server.copy("crew", "copy"), self.folder / "taken.log"
        log.unlink(missing_ok=True)
        with taker.running(delay, log) as (port, relay):
            more = {"MAIL_PORT": str(port), "DELIVERY_CONNECTIONS": str(CONNECTIONS)}
            environ = self.planned.at(url).environ | more
            with crew.working(COMMAND, [environ] * workers) as hands:
                wait_until(lambda: relay.open() == workers * CONNECTIONS, "all connections")
                time.sleep(self.size.settle_s)
                before, first = costs.bill(self.server, url), relay.taken()
                row = self._look(hands, relay)
                bill = costs.bill(self.server, url).since(before).each(relay.taken() - first)
                hands.stop()
                hands.join()
        _judge(url, log)
        self.server.drop("copy")
        peak = max(one.megabytes for one in hands.used)
        return row | bill | {"peak_mb": peak}

    def peer(self, workers: int, delay: float) -> dict[str, float]:
        """Postfix's load generator over as many connections; a rate of 0: it is missing."""
        with taker.running(delay) as (port, relay):
            many = workers * CONNECTIONS
            command = peers.smtp_source_command(port, 10**6, OCTETS, many)
            if command is None:
                return {"rate": 0.0}
            with crew.working(command, [self.planned.environ]) as hands:
                wait_until(lambda: relay.open() == many, "all connections")
                return self._look(hands, relay)

    @property
    def folder(self) -> Path:
        """Where files of a round may lie."""
        return Path(self.planned.environ["INSTANCE_DIR"])

    def _look(self, hands: crew.Crew, relay: taker.Shared) -> dict[str, float]:
        first, spent, start = relay.taken(), hands.cpu(), time.perf_counter()
        time.sleep(self.size.window_s)
        count, passed = relay.taken() - first, time.perf_counter() - start
        assert count, "the relay took nothing"
        return {"rate": count / passed, "worker_cpu_us": (hands.cpu() - spent) / count * 1e6}


def measure(folder: Path, size: Size) -> dict[str, Any]:
    """Medians of interleaved rounds; empty where PostgreSQL is missing."""
    programs = postgres.binaries()
    if not programs:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    with postgres.running(programs, durable=True) as server:
        line = Line(_planned(folder / "workers", server.create("crew")), server, size)
        for _ in range(size.rounds):
            for name, contest in _contests(line).items():
                row = contest()
                found.setdefault(name, []).append(row)
                print(f"  {name:28} {row['rate']:8.1f} messages/s", flush=True)
    return {
        "answer_ms": DELAY * 1000,
        "connections": CONNECTIONS,
        "command": COMMAND[1],
        "slow": [_row(workers, found) for workers in WORKERS],
        "unbound": _median(found["1 worker, fast relay"]),
    }


def _contests(line: Line) -> dict[str, Callable[[], dict[str, Any]]]:
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for workers in WORKERS:
        found[f"{workers} workers"] = partial(line.send, workers, DELAY)
        found[f"smtp-source for {workers}"] = partial(line.peer, workers, DELAY)
    return found | {"1 worker, fast relay": partial(line.send, 1, 0)}


def _planned(folder: Path, url: str) -> World:
    folder.mkdir()
    made = world.make(folder, url, 9, READERS)
    database = connect(url)
    with database.write() as session:
        assert publishing.send(session, made.settings, 1, datetime.now(UTC)) == READERS
    make_homeless(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
        one.exec_driver_sql("VACUUM (ANALYZE) deliveries, subscribers, cursors")
    database.engine.dispose()
    return made


def _judge(url: str, log: Path) -> None:
    """The relay's own list is the ledger's, and nobody is on it twice."""
    taken = log.read_text("ascii").split()
    with psycopg.connect(url) as connection:
        query = (
            "SELECT email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id"
            " WHERE d.state = 'accepted'"
        )
        known = {email for (email,) in connection.execute(query)}
    assert len(taken) < READERS, "the issue ended before the look did"
    assert len(set(taken)) == len(taken), "somebody got it twice"
    assert set(taken) == known, "the ledger and the relay differ"


def _row(workers: int, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The median round of so many workers; `share`: of what one does, so many times."""
    mine, alone = found[f"{workers} workers"], found[f"{WORKERS[0]} workers"]
    source = found[f"smtp-source for {workers}"]
    shares = [a["rate"] / workers / b["rate"] for a, b in zip(mine, alone, strict=True)]
    row = {"workers": workers, **_median(mine), "share": round(statistics.median(shares), 3)}
    if beside := [a["rate"] / b["rate"] for a, b in zip(mine, source, strict=True) if b["rate"]]:
        row["times smtp-source"] = round(statistics.median(beside), 2)
    return row


def _median(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}


def show(report: dict[str, Any]) -> None:
    """The table, beside the target."""
    if not report:
        return
    print(
        f"\n`newsletter {report['command']}`, {report['connections']} connections each, a relay"
        f" that takes {report['answer_ms']:.0f} ms for each answer"
    )
    for row in report["slow"]:
        late = "" if row["share"] >= TARGET else "  too little"
        print(
            f"{row['workers']} workers {row['rate']:8.1f} messages/s, {row['share']:.2f} of so many"
            f" times one (target {TARGET}){late}; {row.get('times smtp-source', '-')} × smtp-source"
        )
    one = report["unbound"]
    print(
        f"1 worker, fast relay: {one['rate']:.0f} messages/s; each {one['worker_cpu_us']:.0f} µs of"
        f" the worker ({1e6 / one['worker_cpu_us']:.0f} for each second of a core) and"
        f" {one['database_cpu_us']:.0f} µs of the database, {one['wal_bytes']:.0f} B of log,"
        f" {one['commits']:.2f} commits"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        show(measure(Path(made), QUICK if "--quick" in sys.argv else Size()))
