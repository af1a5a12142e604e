"""The whole road at scale, on PostgreSQL with two workers: a list is taken in, an issue compiled,
planned and delivered; then the archive and the desk are looked at.

Alone: `python -m tests.bench.large [SUBSCRIBERS …]`. Each step stands beside a peer that does the
least that could be done. At the end the relay's own list is compared with the ledger.
"""

import csv
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from newsletter.db import connect
from newsletter.schema import migrate
from tests import postgres
from tests.bench import costs, crew, desk, importing, load, peers, taker
from tests.bench.serving import CONNECTIONS, serving
from tests.bench.visitors import EMPTY
from tests.bench.workers import COMMAND
from tests.bench.world import ITEMS, NEWSLETTER, World, run

SIZES = (10_000, 100_000, 1_000_000)
WORKERS, EACH = 2, 8  # processes, and SMTP connections of each
SAID_EVERY = 10.0  # seconds between lines of progress
SILENCE = 120.0  # seconds without a message: something is wrong
POINTS = 60  # of a curve that is kept
PEER_MESSAGES, LOOP_MESSAGES = 20_000, 1_000
VISITS = 1_000
BARE = "CREATE TABLE bare (email text, locale text, topics text, confirmed_at text)"
BARE_ROWS = """
CREATE TABLE bare_rows AS SELECT s.id, 1 AS issue_number, s.id AS subscriber_id, 1 AS edition_id,
    'pending'::text AS state, now() AS due_at, 0 AS attempts, 0 AS in_doubt
FROM subscribers s WHERE s.state = 'active'
"""
TABLE = """
SELECT pg_relation_size('deliveries'), pg_indexes_size('deliveries'),
    pg_database_size(current_database())
"""
LEDGER = """
SELECT s.email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
WHERE d.state = 'accepted'
"""


@dataclass
class Curve:
    """Messages and memory while an issue goes out."""

    seconds: list[float] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)  # of the largest worker

    def add(self, at: float, messages: int, hands: crew.Crew) -> None:
        """One more look."""
        self.seconds.append(round(at, 1))
        self.messages.append(messages)
        self.megabytes.append(round(hands.megabytes()))

    def thinned(self) -> dict[str, list[Any]]:
        """At most POINTS of them."""
        step = max(1, len(self.seconds) // POINTS)
        return {name: values[::step] for name, values in vars(self).items()}


@dataclass
class Journey:
    """One road of so many subscribers, in a database of its own."""

    folder: Path
    server: postgres.Server
    subscribers: int

    def go(self) -> dict[str, Any]:
        """Every step, and what it took."""
        self.folder.mkdir()
        row: dict[str, Any] = {"subscribers": self.subscribers}
        database = connect(self.url)
        migrate(database)
        database.engine.dispose()
        row["start"] = self._timed("issues", "list", "--json")
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "import": self._take_in,
            "compile": self._compile,
            "plan": self._plan,
            "deliver": self._deliver,
            "archive": self._archive,
            "desk": self._desk,
        }
        for name, step in steps.items():
            busy = os.getloadavg()[0]
            row[name] = step()
            told = {key: value for key, value in row[name].items() if not isinstance(value, dict)}
            print(f"  {self.subscribers:9,} {name:8} {told} (load {busy:.1f})", flush=True)
        return row

    @cached_property
    def url(self) -> str:
        """Of its database."""
        return self.server.create(f"road_{self.subscribers}")

    @property
    def environ(self) -> dict[str, str]:
        """Of its processes; who knows the relay's port adds it."""
        return {
            "PATH": os.environ["PATH"],
            "INSTANCE_DIR": str(self.folder),
            "DATABASE_URL": self.url,
            "SECRET_KEY": "a key for the bench that is long enough",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": "9",
            "DELIVERY_CONNECTIONS": str(EACH),
        }

    def _timed(self, *words: str) -> dict[str, Any]:
        start = time.perf_counter()
        said, used = run([NEWSLETTER, *words], self.environ)
        figures = {"seconds": time.perf_counter() - start, "cpu_s": used.seconds}
        rounded = {name: round(value, 2) for name, value in figures.items()}
        return {**rounded, "peak_mb": round(used.megabytes), "said": said}

    def _beside(self, act: Callable[[psycopg.Connection[Any]], object]) -> float:
        """Seconds of a peer that is one statement of PostgreSQL's own."""
        with psycopg.connect(self.url) as connection:
            start = time.perf_counter()
            act(connection)
            connection.commit()
            return round(time.perf_counter() - start, 2)

    def _take_in(self) -> dict[str, Any]:
        file = self.folder / "list.csv"
        importing.write(file, self.subscribers)
        row = self._timed("subscribers", "import", str(file), "--source", "bench", "--json")
        assert row.pop("said")["added"] == self.subscribers
        row["peer_s"] = self._beside(lambda connection: _copy(connection, file))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")  # as PostgreSQL does by itself in a minute
        return row

    def _compile(self) -> dict[str, Any]:
        row = self._timed("issues", "compile", "--json", "--items", *ITEMS)
        return {name: row[name] for name in ("seconds", "cpu_s", "peak_mb")}

    def _plan(self) -> dict[str, Any]:
        before = costs.bill(self.server, self.url)
        row = self._timed("issues", "send", "1")
        del row["said"]
        passed = costs.bill(self.server, self.url).since(before)
        row["wal_bytes"] = passed.each(self.subscribers)["wal_bytes"]
        row["peer_s"] = self._beside(lambda connection: connection.execute(BARE_ROWS))
        return row

    def _deliver(self) -> dict[str, Any]:
        log, curve = self.folder / "taken.log", Curve()
        before = costs.bill(self.server, self.url)
        with taker.running(log=log) as (port, relay):
            environ = self.environ | {"MAIL_PORT": str(port)}
            with crew.working(COMMAND, [environ] * WORKERS) as hands:
                self._watch(relay, hands, curve)
                hands.stop()
                hands.join()
            passed = costs.bill(self.server, self.url).since(before)
            _judge(self.url, log, self.subscribers)
            rates = self._peers(port, relay)
        first, last = _middle(curve)
        rate = (curve.messages[last] - curve.messages[first]) / (
            curve.seconds[last] - curve.seconds[first]
        )
        worker = sum(one.seconds for one in hands.used) / self.subscribers * 1e6
        return {
            "seconds": curve.seconds[-1],
            "messages_per_s": round(rate),
            "worker_cpu_us": round(worker),
            **passed.each(self.subscribers),
            "peak_mb": [round(one.megabytes) for one in hands.used],
            **{f"times {name}": round(rate / peer, 2) for name, peer in rates.items()},
            **self._sizes(),
            "curve": curve.thinned(),
        }

    def _watch(self, relay: taker.Shared, hands: crew.Crew, curve: Curve) -> None:
        """Until the issue is sent; raises AssertionError when nothing comes any more."""
        start = heard_at = said_at = time.perf_counter()
        known = 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            while self._runs(connection):
                time.sleep(0.5)
                count, now = relay.taken(), time.perf_counter()
                if count > known:
                    known, heard_at = count, now
                    curve.add(now - start, count, hands)
                assert now - heard_at < SILENCE, "the workers have stopped"
                if now - said_at > SAID_EVERY:
                    said_at = now
                    memory = curve.megabytes[-1] if curve.megabytes else 0
                    print(f"    {count:9,} of {self.subscribers:,}, {memory} MB", flush=True)

    def _runs(self, connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute("SELECT state FROM issues WHERE number = 1").fetchone()
        return row != ("sent",)

    def _peers(self, port: int, relay: taker.Shared) -> dict[str, float]:
        """Messages a second of the loop over Flask-Mail and of smtp-source, to the same relay."""
        mine = World(self.environ, self.subscribers)
        mine.write_letter(self.folder)
        size, many = mine.size(), WORKERS * EACH
        commands = {
            "flask-mail loop": (
                LOOP_MESSAGES,
                peers.flask_mail_command(self.folder, port, LOOP_MESSAGES),
            ),
            "smtp-source": (
                PEER_MESSAGES,
                peers.smtp_source_command(port, PEER_MESSAGES, size, many),
            ),
        }
        found = {}
        for name, (count, command) in commands.items():
            if command is None:
                continue
            first, start = relay.taken(), time.perf_counter()
            run(command, self.environ)
            assert relay.taken() - first == count
            found[name] = count / (time.perf_counter() - start)
        return found

    def _sizes(self) -> dict[str, int]:
        """Octets for each delivery, of the table and its indexes; and of the whole database."""
        with psycopg.connect(self.url) as connection:
            row: Any = connection.execute(TABLE).fetchone()
        names = ("table_bytes", "index_bytes", "database_bytes")
        return {
            name: round(octets / self.subscribers) for name, octets in zip(names, row, strict=True)
        }

    def _archive(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        chosen = {
            "issue": ["/nl/issues/1", "/fr/issues/1"],
            "items": [f"/nl/items/{slug}" for slug in ITEMS],
            "search": ["/nl/search?q=gemeente", "/nl/search?q=geboorteregister"],
        }
        with serving(World(self.environ, self.subscribers)) as port:
            for name, paths in chosen.items():
                asked = list(itertools.islice(itertools.cycle(map(_get, paths)), VISITS))
                load.run(port, asked[:100], CONNECTIONS)
                empty = load.run(port, [EMPTY] * VISITS, CONNECTIONS)
                pages = load.run(port, asked, CONNECTIONS)
                assert set(pages.statuses) == {200}, (name, pages.statuses)
                found[f"{name}_per_s"] = round(pages.rate)
                found[f"{name}_of_empty"] = round(pages.rate / empty.rate, 2)
        return found

    def _desk(self) -> dict[str, Any]:
        settings, database = World(self.environ, 0).settings, connect(self.url)
        seconds = desk.counted(database, settings)
        pages = desk.pages(database, settings, 1)
        database.engine.dispose()
        slowest = max(pages, key=lambda path: pages[path])
        return {
            "counted_s": seconds,
            "slowest": slowest,
            "slowest_ms": pages[slowest],
            "account_ms": pages["/desk/account"],
            "pages": pages,
        }


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _copy(connection: psycopg.Connection[Any], file: Path) -> None:
    """The peer of the import: the same lines, unchecked, into one table with one unique index."""
    connection.execute(BARE)
    connection.execute("CREATE UNIQUE INDEX ON bare (email)")
    with connection.cursor().copy("COPY bare FROM STDIN") as copy, file.open(newline="") as lines:
        for row in itertools.islice(csv.reader(lines), 1, None):
            copy.write_row(row)


def _middle(curve: Curve) -> tuple[int, int]:
    """Where all workers send: between a tenth and nine tenths of the messages."""
    whole = curve.messages[-1]
    places = [at for at, count in enumerate(curve.messages) if whole <= 10 * count <= 9 * whole]
    return (places[0], places[-1]) if len(places) > 1 else (0, len(curve.messages) - 1)


def _judge(url: str, log: Path, subscribers: int) -> None:
    """The relay's own list is the ledger's: everybody, each once."""
    taken = log.read_text("ascii").split()
    assert len(taken) == subscribers, f"{len(taken)} messages"
    assert len(set(taken)) == subscribers, "somebody got it twice"
    with psycopg.connect(url) as connection, connection.cursor("ledger") as rows:
        rows.execute(LEDGER)
        assert {email for (email,) in rows} == set(taken), "the ledger and the relay differ"


def measure(folder: Path, sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """One road for each size; empty where PostgreSQL is missing."""
    programs = postgres.binaries()
    if not programs:
        return {}
    with postgres.running(programs, durable=True) as server:
        rows = [Journey(folder / f"road-{size}", server, size).go() for size in sizes]
    return {"workers": WORKERS, "connections": EACH, "command": COMMAND[1], "rows": rows}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(measure(Path(made), tuple(map(int, sys.argv[1:])) or SIZES), indent=2))
