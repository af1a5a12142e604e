"""50,000 reports in one mailbox, on both databases; alone: `python -m tests.bench.bounces N`.

Read by the command, tokens and all, then the same mailbox again: each counts once.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newsletter.db import connect
from newsletter.delivery.return_path import ReturnPath, Sent
from newsletter.issues import publishing
from tests import postgres
from tests.bench import world
from tests.bench.world import World
from tests.bounces.mails import complaint, dsn, person, vacation

REPORTS, FEWER, QUICK = 50_000, 10_000, 500
TARGET = "120 s"
BOX = "bounce@nieuws.vvsg.example"
ACCEPTED = "UPDATE deliveries SET state = 'accepted', due_at = NULL, settled_at = '{now}'"


def measure(folder: Path, reports: int = REPORTS) -> dict[str, Any]:
    """Seconds, seconds of the processor and peak MB of each run of the command."""
    found = []
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and not postgres.binaries():
            continue
        with _world(folder / kind, kind, reports) as made:
            for what, count in (
                ("a part", min(FEWER, reports // 5)),
                ("all", reports),
                ("all again", reports),
            ):
                found.append(_read(made, kind, what, count))
    return {"rows": found}


@contextmanager
def _world(folder: Path, kind: str, reports: int) -> Iterator[World]:
    """As many deliveries as reports, all accepted; and the mailboxes."""
    folder.mkdir()
    if kind == "sqlite":
        yield _made(folder, "", reports)
        return
    programs = postgres.binaries()
    assert programs
    with postgres.running(programs, durable=True) as server:
        yield _made(folder, server.create("bounced"), reports)


def _made(folder: Path, url: str, reports: int) -> World:
    made = world.make(folder, url, 9, reports)
    made = replace(made, environ=made.environ | {"RETURN_PATH": BOX, "FORWARD_RATE": ""})
    database, now = connect(made.settings.database_url), datetime.now(UTC)
    with database.write() as session:
        publishing.send(session, made.settings, 1, now)
    with database.engine.begin() as connection:
        stamp = now.strftime("%Y-%m-%d %H:%M:%S.%f") + ("+00" if url else "")
        connection.exec_driver_sql(ACCEPTED.format(now=stamp))
        first = connection.exec_driver_sql("SELECT min(id) FROM deliveries").scalar_one()
    database.engine.dispose()
    _write(made, folder / "part", first, min(FEWER, reports // 5))
    _write(made, folder / "all", first, reports)
    return made


def _write(made: World, file: Path, first: int, count: int) -> None:
    """Of ten: four hard, three soft, and a delay, a vacation, and a complaint or a forgery."""
    paths = ReturnPath(made.settings)
    with file.open("wb") as out:
        for number in range(count):
            to = paths.of(Sent.DELIVERY, first + number)
            out.write(b"From MAILER-DAEMON Mon Nov 23 09:00:00 2026\n" + _mail(number, to) + b"\n")


def _mail(number: int, to: str) -> bytes:
    turn, reader = number % 10, f"r{number}@voorbeeld.example"
    if turn < 4:
        return dsn(to, recipient=reader)
    if turn < 7:
        words = f"552 5.2.2 <{reader}>: the mailbox is full"
        return dsn(to, status="5.2.2", words=words, recipient=reader)
    if turn == 7:
        return dsn(to, status="4.4.1", action="delayed", words="451 no route", recipient=reader)
    if turn == 8:
        return vacation(to)
    if number % 1000 == 9:
        return person(to) + b"%d\n" % number
    return complaint(to) if number % 20 == 9 else dsn(to.replace("+d0", "+d1"))


def _read(made: World, kind: str, what: str, count: int) -> dict[str, Any]:
    box = Path(made.environ["INSTANCE_DIR"]) / what.split()[-1].replace("again", "all")
    load, start = os.getloadavg()[0], time.perf_counter()
    said, used = made.run("bounces", "read", str(box), "--json")
    row = {
        "database": kind,
        "run": what,
        "reports": said["reports"],
        **{name: said[name] for name in ("suppressed", "again", "unproven", "forwarded")},
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_s": round(used.seconds, 1),
        "peak_mb": round(used.megabytes),
        "load_before": round(load, 1),
    }
    assert said["reports"] == count, said
    print(f"  {row}", flush=True)
    return row


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else REPORTS)
