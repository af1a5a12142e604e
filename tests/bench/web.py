"""The forms under load: what sign-up, confirm and one click reach, beside what an empty route does.

Rounds are interleaved, a figure is the median of the rounds, and shares are of the same round. Then
a flood of sign-ups, with the limits as they are by default, while an issue is being sent.
"""

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from newsletter.db import connect
from newsletter.models import Subscriber, SubscriberState, TopicChoice
from tests import postgres
from tests.bench import load, sink
from tests.bench.flood import Flood, plan
from tests.bench.load import Load
from tests.bench.serving import CONNECTIONS, made, serving
from tests.bench.visitors import EMPTY, Visitors, pending
from tests.bench.world import World

STAY = 10_000  # readers who do not leave


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    flood: int = 100_000
    requests: int = 1_000  # of each kind in a round
    rounds: int = 3

    @property
    def people(self) -> int:
        """As many who confirm as who leave, in each round, alone and beside a send; and more."""
        return self.requests * (2 * self.rounds + 1) + STAY


QUICK = Size(flood=4_000, requests=300, rounds=1)


@dataclass
class Rates:
    """What the rounds of one kind of request reached."""

    rates: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def add(self, measured: Load, empty: float) -> None:
        """A round, and what the empty route did in it."""
        self.rates.append(measured.rate)
        self.slowest.append(measured.slowest())
        self.shares.append(measured.rate / empty if empty else 0.0)

    def median(self) -> dict[str, float]:
        """One figure for each, rounded."""
        return {
            "requests_per_s": round(statistics.median(self.rates)),
            "p99_ms": round(statistics.median(self.slowest), 1),
            "share_of_empty": round(statistics.median(self.shares), 2),
        }


class Site:
    """A running server, and the people who are still to come."""

    def __init__(self, visited: World, size: Size, port: int) -> None:
        self.size, self.port = size, port
        visitors, first = Visitors(visited.settings), visited.readers + 1
        self._kinds: dict[str, tuple[Iterator[bytes], int]] = {
            "sign-up": (visitors.newcomers(f"nieuw{port}-"), 303),
            "confirm": (map(visitors.confirm, itertools.count(first)), 200),
            "one click": (map(visitors.one_click, itertools.count(1)), 200),
        }

    def measure(self, kind: str, count: int) -> Load:
        """So many requests of a kind; all must be answered as they should."""
        requests, status = self._kinds.get(kind, (itertools.repeat(EMPTY), 200))
        measured = load.run(self.port, list(itertools.islice(requests, count)), CONNECTIONS)
        assert set(measured.statuses) == {status}, (kind, measured.statuses)
        return measured

    def rounds(self) -> dict[str, dict[str, float]]:
        """Every kind of request in turn, each round between two looks at the empty route."""
        found: dict[str, Rates] = {}
        for _ in range(self.size.rounds):
            for kind in self._kinds:
                before, measured, after = (
                    self.measure(what, self.size.requests) for what in ("empty", kind, "empty")
                )
                empty = (before.rate + after.rate) / 2
                found.setdefault("empty", Rates()).add(before, empty)
                found.setdefault(kind, Rates()).add(measured, empty)
                print(f"  {kind:10} {measured.rate:8.0f}/s, empty {empty:8.0f}/s", flush=True)
        return {kind: rates.median() for kind, rates in found.items()}

    def warm_up(self) -> None:
        """What every thread does only once."""
        for kind in ("empty", *self._kinds):
            self.measure(kind, self.size.requests // 10)


class WebBench:
    """The whole measurement, on one relay."""

    def __init__(self, relay: sink.Sink, folder: Path, size: Size) -> None:
        self.relay, self.folder, self.size = relay, folder, size

    def run(self) -> dict[str, Any]:
        """Both kinds of database; on PostgreSQL also with two processes."""
        found: dict[str, Any] = {"SQLite": self._rates("sqlite", "")}
        flood = Flood(self.relay, self.folder, self.size.flood).run()
        if programs := postgres.binaries():
            with postgres.running(programs, durable=True) as server:
                found["PostgreSQL"] = self._rates("postgresql", server.create("one"))
                found["PostgreSQL, 2 processes"] = self._rates(
                    "two", server.create("two"), WEB_PROCESSES="2"
                )
        return {"rates": found, "flood": flood}

    def _rates(self, name: str, url: str, **more: str) -> dict[str, Any]:
        visited = made(self.folder / name, url, self.relay.port, self.size.people, **more)
        _add_pending(visited)
        with self.relay.watched(), serving(visited) as port:
            site = Site(visited, self.size, port)
            site.warm_up()
            alone = site.rounds()
            plan(visited)
            return {"alone": alone, "beside a send": site.rounds()}


def _add_pending(visited: World) -> None:
    """As many people who were asked to confirm as there are readers, with the ids that follow."""
    database, now = connect(visited.settings.database_url), datetime.now(UTC)
    with database.write() as session:
        choice = session.scalars(select(TopicChoice.id)).first()
        values = {
            "locale": "nl",
            "cadence": "monthly",
            "topic_choice_id": choice,
            "state": SubscriberState.PENDING,
            "created_at": now,
        }
        ids = range(visited.readers + 1, 2 * visited.readers + 1)
        rows = [values | {"email": pending(id), "canonical": pending(id)} for id in ids]
        session.execute(insert(Subscriber), rows)
        assert session.scalar(select(func.max(Subscriber.id))) == 2 * visited.readers
    database.engine.dispose()


def show(report: dict[str, Any]) -> None:
    """The tables."""
    print(f"\n{'':34} {'requests/s':>10} {'p99 ms':>8} {'of empty':>9}")
    for name, found in report["rates"].items():
        for when, kinds in found.items():
            for kind, row in kinds.items():
                figures = f"{row['requests_per_s']:10} {row['p99_ms']:8} {row['share_of_empty']:9}"
                print(f"{name + ', ' + when:34.34} {figures}  {kind}")
    one = report["rates"].get("PostgreSQL")
    two = report["rates"].get("PostgreSQL, 2 processes")
    if one and two:
        times = {
            kind: round(two["alone"][kind]["requests_per_s"] / row["requests_per_s"], 2)
            for kind, row in one["alone"].items()
        }
        print(f"Two processes, times one: {times}")
    for kind, found in report["flood"].items():
        print(f"Flood, {kind}: {found}")


def measure(folder: Path, size: Size) -> dict[str, Any]:
    """All of it, printed."""
    with sink.running() as relay:
        report = WebBench(relay, folder, size).run()
    show(report)
    return report
