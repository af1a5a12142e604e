"""The sender beside its peers.

Every contestant talks to the same relay, one after the other, in interleaved rounds; a figure is
the median of the rounds. Speed is what the relay counted from the first message to the last.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newsletter.db import connect
from newsletter.issues import publishing
from tests import postgres
from tests.bench import keys, peers, sink, world
from tests.bench.world import Used, World
from tests.shared import make_homeless

READERS, PEER_MESSAGES, DKIM_MESSAGES = 20_000, 1_000, 5_000
ROUNDS, CONNECTIONS = 3, 8
GROWTH, LARGE = (10_000, 100_000), (1_000_000,)
LEFT = 1_000  # deliveries that a resumed run still has to do


@dataclass
class Figures:
    """What one contestant reached, round by round."""

    rates: list[float] = field(default_factory=list)
    microseconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def add(self, stretch: sink.Stretch, used: Used, count: int, idle: float = 0.0) -> None:
        """A round; `idle` is what the program uses when there is nothing to send, in seconds."""
        self.rates.append(stretch.rate)
        self.microseconds.append((used.seconds - idle) / count * 1e6)
        self.megabytes.append(used.megabytes)

    def median(self) -> dict[str, float]:
        """One figure for each, rounded."""
        return {
            "messages_per_s": round(statistics.median(self.rates)),
            "cpu_us_per_message": round(statistics.median(self.microseconds)),
            "peak_mb": round(max(self.megabytes)),
        }


class Bench:
    """One run of the bench, on one relay."""

    def __init__(self, relay: sink.Sink, folder: Path, large: bool) -> None:
        self.relay, self.folder, self.large = relay, folder, large
        self.sqlite = self._planned("sqlite", "", READERS)
        self.size = self.sqlite.size()
        self.idle = 0.0

    def _planned(self, name: str, url: str, readers: int) -> World:
        made = self._made(name, url, readers)
        _plan(made)
        return made

    def _made(self, name: str, url: str, readers: int) -> World:
        folder = self.folder / name
        folder.mkdir()
        return world.make(folder, url, self.relay.port, readers)

    def compare(self) -> dict[str, Any]:
        """All contestants, in interleaved rounds."""
        print(f"Relay: {self.relay.name}; {CONNECTIONS} connections; {self.size} octets a message.")
        found: dict[str, Figures] = {}
        with ExitStack() as stack:
            contestants = self._contestants(stack)
            for number in range(1, ROUNDS + 1):
                for name, contest in contestants.items():
                    contest(found.setdefault(name, Figures()))
                    print(f"  round {number}: {name:24} {found[name].rates[-1]:8.0f} messages/s")
        return _with_ratios({name: figures.median() for name, figures in found.items()})

    def _contestants(self, stack: ExitStack) -> dict[str, Callable[[Figures], None]]:
        self.idle = self._idle()
        found: dict[str, Callable[[Figures], None]] = {
            "flask-mail loop": self._peer,
            "newsletter, SQLite": self._ours_on_sqlite,
        }
        if peers.smtp_source_command(1, 1, 1, 1):
            found["smtp-source"] = self._smtp_source
        if programs := postgres.binaries():
            server = stack.enter_context(postgres.running(programs, durable=True))
            planned = self._planned("postgresql", server.create("planned"), READERS)
            found["newsletter, PostgreSQL"] = lambda figures: self._on_copy(
                figures, planned, server
            )
        return found

    def _idle(self) -> float:
        """What the program uses to start and to find nothing, in seconds."""
        with world.copied(self.sqlite, self.folder / "idle") as mine:
            mine.run("issues", "stop", "1")
            return mine.run("deliver", "--json")[1].seconds

    def _peer(self, figures: Figures) -> None:
        folder = self.folder / "letter"
        folder.mkdir(exist_ok=True)
        self.sqlite.write_letter(folder)
        command = peers.flask_mail_command(folder, self.relay.port, PEER_MESSAGES)
        with self.relay.watched() as stretch:
            _none, used = world.run(command, self.sqlite.environ)
        figures.add(stretch, used, PEER_MESSAGES)

    def _smtp_source(self, figures: Figures) -> None:
        command = peers.smtp_source_command(self.relay.port, READERS, self.size, CONNECTIONS)
        assert command is not None
        with self.relay.watched() as stretch:
            _none, used = world.run(command, self.sqlite.environ)
        figures.add(stretch, used, READERS)

    def _ours_on_sqlite(self, figures: Figures) -> None:
        with world.copied(self.sqlite, self.folder / "copy") as mine:
            self.deliver(mine, figures, READERS)

    def _on_copy(self, figures: Figures, planned: World, server: postgres.Server) -> None:
        self.deliver(planned.at(server.copy("planned", "copy")), figures, READERS)
        server.drop("copy")

    def deliver(self, mine: World, figures: Figures, count: int, **more: str) -> None:
        """`newsletter deliver`, and the proof that it is done."""
        with self.relay.watched() as stretch:
            said, used = mine.run("deliver", "--json", **more)
        assert said["accepted"] == count, said
        figures.add(stretch, used, count, self.idle)

    def dkim(self) -> dict[str, float]:
        """What a signature costs for each message, in microseconds of the processor."""
        made, found = self._planned("dkim", "", DKIM_MESSAGES), {}
        for name, environ in {"plain": {}, **keys.made(self.folder)}.items():
            with world.copied(made, self.folder / "copy") as mine:
                figures = Figures()
                self.deliver(mine, figures, DKIM_MESSAGES, **environ)
                found[name] = figures.microseconds[0]
        plain = found.pop("plain")
        return {name: round(cost - plain) for name, cost in found.items()}

    def growth(self) -> list[dict[str, float]]:
        """The same issue to more and more readers."""
        rows = []
        for readers in GROWTH + (LARGE if self.large else ()):
            mine, figures = self._made(f"grown-{readers}", "", readers), Figures()
            row: dict[str, float] = {"readers": readers, "plan_s": round(_plan(mine), 2)}
            self.deliver(mine, figures, readers)
            row |= figures.median()
            row["us_per_message"] = round(1e6 / figures.rates[0], 1)
            rows.append(row)
            print(f"  {row}")
        return rows

    def resuming(self) -> dict[str, float]:
        """The last thousand of an issue that is nearly done, beside an issue of a thousand."""
        found = {}
        for name, readers in (("of_a_thousand", LEFT), ("of_a_hundred_thousand", 100_000)):
            mine = self._planned(f"resumed-{readers}", "", readers)
            _settle_all_but(mine, LEFT)
            figures = Figures()
            start = time.perf_counter()
            self.deliver(mine, figures, LEFT)
            found[name + "_s"] = round(time.perf_counter() - start, 2)
        return found


def _plan(made: World) -> float:
    """Plan issue 1: choose its readers and write their rows; returns the seconds it took."""
    database, start = connect(made.settings.database_url), time.perf_counter()
    with database.write() as session:
        planned = publishing.send(session, made.settings, 1, datetime.now(UTC))
    seconds = time.perf_counter() - start
    make_homeless(database)
    database.engine.dispose()
    assert planned == made.readers
    return seconds


def _settle_all_but(made: World, left: int) -> None:
    database = connect(made.settings.database_url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'accepted', due_at = NULL"
            f" WHERE id <= (SELECT max(id) FROM deliveries) - {left}"
        )
    database.engine.dispose()


def _with_ratios(medians: dict[str, dict[str, float]]) -> dict[str, Any]:
    for name in ("flask-mail loop", "smtp-source"):
        if name in medians:
            rate = medians[name]["messages_per_s"]
            for row in medians.values():
                row[f"times {name}"] = round(row["messages_per_s"] / rate, 2)
    return medians


def show(report: dict[str, Any]) -> None:
    """The tables."""
    print(f"\n{'':24} {'msg/s':>8} {'CPU µs':>8} {'MB':>6} {'× loop':>8} {'× source':>9}")
    for name, row in report["compare"].items():
        times = [row.get(f"times {peer}", 0) for peer in ("flask-mail loop", "smtp-source")]
        print(
            f"{name:24} {row['messages_per_s']:8} {row['cpu_us_per_message']:8}"
            f" {row['peak_mb']:6} {times[0]:8} {times[1]:9}"
        )
    print(f"\n{'readers':>24} {'plan s':>8} {'msg/s':>8} {'µs each':>8} {'CPU µs':>8} {'MB':>6}")
    for row in report["growth"]:
        print(
            f"{row['readers']:24} {row['plan_s']:8} {row['messages_per_s']:8}"
            f" {row['us_per_message']:8} {row['cpu_us_per_message']:8} {row['peak_mb']:6}"
        )
    print(f"\nDKIM, µs of the processor for each message: {report['dkim']}")
    print(f"Seconds for the last {LEFT} messages: {report['resuming']}")


def measure(folder: Path, *, large: bool) -> dict[str, Any]:
    """All of it; `large`: also to a million readers."""
    with sink.running() as relay:
        bench = Bench(relay, folder, large)
        report = {
            "octets": bench.size,
            "relay": relay.name,
            "compare": bench.compare(),
            "growth": bench.growth(),
            "dkim": bench.dkim(),
            "resuming": bench.resuming(),
        }
    show(report)
    return report
