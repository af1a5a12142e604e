"""A million people from a CSV file, on both databases; alone: `python -m tests.bench.importing N`.

Addresses are made up at random, so that they fall all over the index, as they do for real.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newsletter.db import connect
from newsletter.models import Suppression, SuppressionReason
from newsletter.schema import migrate
from tests import postgres
from tests.bench.world import NEWSLETTER, run

ROWS, SUPPRESSED = 1_000_000, 1000
NAMES = ("jan", "piet", "marie", "els", "tom", "an", "luc", "fatima", "mohamed", "sofie", "ilse")
PLACES = ["gmail.example", "telenet.example", *(f"stad-{n}.voorbeeld.be" for n in range(900))]


def measure(folder: Path, rows: int = ROWS) -> dict[str, Any]:
    """Seconds, seconds of the processor and peak MB of each run of the command."""
    good, mixed = folder / "good.csv", folder / "mixed.csv"
    write(good, rows, bad=0.0)
    write(mixed, rows, bad=0.1)
    found = []
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and not postgres.binaries():
            continue
        with _database(folder, kind) as environ:
            found.append(_import(kind, "first run", good, environ))
            found.append(_import(kind, "the same again", good, environ))
        with _database(folder, kind) as environ:
            found.append(_import(kind, "dry run", good, environ, "--dry-run"))
            found.append(_import(kind, "one in ten refused", mixed, environ))
    return {"rows": found}


def write(file: Path, rows: int, bad: float = 0.0) -> None:
    """A list of so many people with their consent, of which this share is refused."""
    chance = random.Random(7)
    with file.open("w", encoding="utf-8") as out:
        out.write("email,locale,topics,confirmed_at\n")
        for number in range(rows):
            sign = " at " if chance.random() < bad else "@"
            name = f"{chance.choice(NAMES)}.{chance.randrange(10**9)}.{number}"
            moment = f"20{chance.randrange(18, 26)}-0{chance.randrange(1, 10)}-12T10:20:30+02:00"
            locale = chance.choice(("nl", "nl", "fr", "de"))
            out.write(f"{name}{sign}{chance.choice(PLACES)},{locale},,{moment}\n")


@contextmanager
def _database(folder: Path, kind: str) -> Iterator[dict[str, str]]:
    """An empty database, as the command finds it."""
    environ = {"PATH": os.environ["PATH"], "SECRET_KEY": "a key for the bench that is long enough"}
    programs = postgres.binaries()
    with tempfile.TemporaryDirectory(dir=folder) as instance:
        environ["INSTANCE_DIR"] = instance
        if kind == "sqlite":
            environ["DATABASE_URL"] = f"sqlite:///{instance}/newsletter.db"
            _migrate(environ["DATABASE_URL"])
            yield environ
            return
        assert programs
        with postgres.running(programs, durable=True) as server:
            environ["DATABASE_URL"] = server.create("imported")
            _migrate(environ["DATABASE_URL"])
            yield environ


def _migrate(url: str) -> None:
    """With a few suppressions, so that every address is looked for among them."""
    database, now = connect(url), datetime.now(UTC)
    migrate(database)
    with database.write() as session:
        session.add_all(
            Suppression(address_key=f"{number:064}", reason=SuppressionReason.NEVER, since=now)
            for number in range(SUPPRESSED)
        )
    database.engine.dispose()


def _import(
    kind: str, what: str, file: Path, environ: dict[str, str], *more: str
) -> dict[str, Any]:
    command = [NEWSLETTER, "subscribers", "import", str(file), "--source", "bench", "--json", *more]
    load, start = os.getloadavg()[0], time.perf_counter()
    said, used = run(command, environ)
    row = {
        "database": kind,
        "run": what,
        **{name: said[name] for name in ("added", "unchanged")},
        "refused": len(said["refused"]),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_s": round(used.seconds, 1),
        "peak_mb": round(used.megabytes),
        "load_before": round(load, 1),
    }
    print(f"  {row}", flush=True)
    return row


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
