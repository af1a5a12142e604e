"""A flood of sign-ups while an issue is sent, and what came of it, by the database (FAULTS.md)."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from newsletter.db import Database, connect
from newsletter.issues import publishing
from newsletter.jobs import tasks
from newsletter.models import Delivery, DeliveryState, FormRequest, Notice, NoticeKind, Subscriber
from tests.bench import load, sink
from tests.bench.load import Load
from tests.bench.serving import CONNECTIONS, made, serving, wait_until
from tests.bench.visitors import Visitors, ip_of
from tests.bench.world import World

VICTIM, DOMAIN = "slachtoffer@elders.example", "een-domein.example"
PER_IP, PER_DOMAIN = 300, 1000  # an hour, as by default


class Flood:
    """Sign-ups from one IP, from many, for one victim and for one domain: a quarter each."""

    def __init__(self, relay: sink.Sink, folder: Path, count: int) -> None:
        self.relay, self.count = relay, count
        limits = {
            "SIGNUP_IP_RATE": f"{PER_IP}/hour",
            "SIGNUP_DOMAIN_RATE": f"{PER_DOMAIN}/hour",
        }
        readers = max(2_000, count // 2)  # so many that the send goes on to the end
        self.world = made(folder / "flood", "", relay.port, readers, **limits)
        self.sign_up = Visitors(self.world.settings).sign_up

    def run(self) -> dict[str, Any]:
        """What was answered, how fast; and that no more came of it than may."""
        plan(self.world)
        database = connect(self.world.settings.database_url)
        with self.relay.watched(), serving(self.world) as port:
            wait_until(lambda: _accepted(database) > 0, "the start of the send")
            before, start = _accepted(database), time.perf_counter()
            flooded = {}
            for kind, sent in self._kinds():
                flooded[kind] = load.run(port, sent, CONNECTIONS)
                print(f"  flood, {kind}: {_figures(flooded[kind])}", flush=True)
            went = _accepted(database) - before
            rate = went / (time.perf_counter() - start)
        assert went > 0
        assert flooded["one IP"].statuses[303] <= PER_IP
        found = _consequences(self.world, database)
        flooded["many IPs, with the brake"] = self._brake()
        figures = {kind: _figures(measured) for kind, measured in flooded.items()}
        return figures | {"send_per_s": round(rate), **found}

    def _kinds(self) -> Iterable[tuple[str, list[bytes]]]:
        sign_up, numbers = self.sign_up, range(self.count // 4)
        yield "one IP", [sign_up(f"een{n}@d{n}.example", "192.0.2.9") for n in numbers]
        yield "many IPs", [sign_up(f"veel{n}@v{n}.example", ip_of(n)) for n in numbers]
        yield "one victim", [sign_up(VICTIM, ip_of(n)) for n in numbers]
        yield "one domain", [sign_up(f"x{n}@{DOMAIN}", ip_of(n)) for n in numbers]

    def _brake(self) -> Load:
        """SIGNUP_RATE holds for everybody together."""
        most = self.count // 20
        braked = replace(self.world, environ=self.world.environ | {"SIGNUP_RATE": f"{most}/hour"})
        sent = [self.sign_up(f"rem{n}@r{n}.example", ip_of(n)) for n in range(2 * most)]
        with self.relay.watched(), serving(braked) as port:
            found = load.run(port, sent, CONNECTIONS)
        assert 0 < found.statuses[303] <= most, found.statuses
        return found


def plan(visited: World) -> None:
    """Let the clock of the server send issue 1."""
    database = connect(visited.settings.database_url)
    with database.write() as session:
        assert publishing.send(session, visited.settings, 1, datetime.now(UTC))
    database.engine.dispose()


def _figures(measured: Load) -> dict[str, Any]:
    return {
        "requests_per_s": round(measured.rate),
        "p99_ms": round(measured.slowest(), 1),
        "statuses": dict(measured.statuses),
    }


def _accepted(database: Database) -> int:
    with database.read() as session:
        accepted = Delivery.state == DeliveryState.ACCEPTED
        return session.scalar(select(func.count()).where(accepted)) or 0


def _consequences(visited: World, database: Database) -> dict[str, Any]:
    """At most one letter for each address, few at once for a domain."""
    with database.read() as session:
        left = session.scalar(select(func.count()).select_from(FormRequest))
    # What the server did not come to.
    tasks.settle_signups(database, visited.settings, threading.Event())
    with database.read() as session:
        rows = session.execute(
            select(Subscriber.email, Notice.due_at)
            .join(Notice, Notice.subscriber_id == Subscriber.id)
            .where(Notice.kind == NoticeKind.CONFIRM)
        ).all()
    database.engine.dispose()
    letters = Counter(str(email) for email, _due in rows)
    soon = [due for email, due in rows if str(email).endswith(DOMAIN) and _is_soon(due)]
    assert max(letters.values()) == 1, letters.most_common(3)
    assert letters[VICTIM] == 1
    assert len(soon) <= PER_DOMAIN, len(soon)
    return {
        "unsettled_at_the_end": left,
        "letters": len(letters),
        "to_the_domain_within_the_hour": len(soon),
    }


def _is_soon(due: datetime | None) -> bool:
    return due is None or (due - datetime.now(UTC)).total_seconds() < 3600
