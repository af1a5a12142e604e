"""Every page of the desk, with a million subscribers and twelve million deliveries.

Alone: `python -m tests.bench.desk [SUBSCRIBERS]`. An issue of all of them is on its way meanwhile.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from newsletter import settings as settings_module
from newsletter.app import create_app
from newsletter.db import Database, connect
from newsletter.jobs import counting
from newsletter.models import Edition, Issue, IssueState, Role, Subscriber, TopicChoice
from newsletter.schema import migrate
from newsletter.settings import Settings
from tests import postgres
from tests.desk.conftest import Desk
from tests.desk.test_roles import path_of, rules

SUBSCRIBERS, SMALL, QUICK = 1_000_000, 100_000, 1_000
ISSUES, SETS = 12, 40
TARGET_MS, ROUNDS = 200, 40
NUMBERS = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) ",
    "postgresql": "WITH n (i) AS (SELECT generate_series(1, {many})) ",
}
PEOPLE = """
INSERT INTO subscribers
    (id, email, canonical, locale, cadence, topic_choice_id, state, created_at, confirmed_at,
    left_at)
SELECT i, 'r' || i || '@d' || (i % 400) || '.example', 'r' || i || '@d' || (i % 400) ||
    '.example', CASE i % 4 WHEN 0 THEN 'nl' WHEN 1 THEN 'fr' WHEN 2 THEN 'en' ELSE 'de' END,
    'monthly', 1 + i / 4 % {sets}, CASE WHEN i % 10 = 0 THEN 'left' ELSE 'active' END, {joined},
    {joined}, CASE WHEN i % 10 = 0 THEN {left} END FROM n
"""
PROOFS = """
INSERT INTO consents
    (id, subscriber_id, event, at, route, locale, cadence, topics, facts, details_hash)
SELECT i, (i + 1) / 2, CASE i % 2 WHEN 0 THEN 'confirmed' ELSE 'asked' END, {proven}, 'form', 'nl',
    'monthly', '', '{{}}', 'x' FROM n
"""
BLOCKED = """
INSERT INTO suppressions (address_key, reason, since, why)
SELECT 'key ' || i, 'bounced', {joined}, '5.1.1' FROM n WHERE i % 20 = 0
"""
# The last issue runs: half of it is still to go.
SENT = """
INSERT INTO deliveries
    (issue_number, subscriber_id, edition_id, state, due_at, attempts, in_doubt, settled_at,
    status, reply, bounced_at)
SELECT {issue}, i, {edition}, CASE WHEN {issue} = {last} AND i % 2 = 0 THEN 'pending'
    WHEN i % 97 = 0 THEN 'refused' ELSE 'accepted' END,
    CASE WHEN {issue} = {last} AND i % 2 = 0 THEN {joined} END, 1, 0, {joined},
    CASE WHEN i % 97 = 0 THEN '5.1.1' ELSE '2.0.0' END,
    CASE WHEN i % 970 = 0 THEN '550 5.7.26 no signature' WHEN i % 97 = 0 THEN '550 5.1.1 unknown'
    ELSE '250 2.0.0 queued as ' || i END,
    CASE WHEN {issue} < {last} AND i % 97 > 0 AND i % 400 = 1 THEN {joined} END FROM n
"""
TIMES = {  # spread over three years, in the order of the rows
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', '2023-11-24', '+' || ({minutes}) || ' minutes')",
    "postgresql": "timestamptz '2023-11-24' + ({minutes}) * interval '1 minute'",
}


def measure(folder: Path, subscribers: int) -> dict[str, Any]:
    """Milliseconds of each page on each database: the 95th percentile; and seconds of counting."""
    found = []
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and not postgres.binaries():
            continue
        with _url(folder, kind) as url:
            row = {"database": kind, **_on(url, folder, subscribers)}
        show(row)
        found.append(row)
    return {"rows": found}


def show(row: dict[str, Any]) -> None:
    """The table of one database."""
    print(
        f"\nThe desk on {row['database']}: {row['subscribers']} subscribers,"
        f" {row['deliveries']} deliveries (made in {row['made_s']} s); counted whole in"
        f" {row['whole_s']} s, each minute {row['again_s']} s; load {row['load']}"
    )
    for path, milliseconds in sorted(row["p95_ms"].items(), key=lambda item: -item[1]):
        late = "" if milliseconds <= TARGET_MS else "  too slow"
        print(f"{milliseconds:8} ms  (target {TARGET_MS})  {path}{late}", flush=True)


@contextmanager
def _url(folder: Path, kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/desk.db"
        return
    programs = postgres.binaries()
    assert programs
    with postgres.running(programs) as server:
        yield server.create("desk")


def _on(url: str, folder: Path, subscribers: int) -> dict[str, Any]:
    settings = settings_module.load(
        environ={},
        env_file=Path("no.env"),
        INSTANCE_DIR=str(folder),
        DATABASE_URL=url,
        SECRET_KEY="a key for the bench that is long enough",
        BASE_URL="https://nieuws.test",
    )
    database = connect(url)
    migrate(database)
    start = time.perf_counter()
    fill(database, subscribers)
    row: dict[str, Any] = {
        "subscribers": subscribers,
        "deliveries": subscribers * ISSUES,
        "made_s": round(time.perf_counter() - start),
        "whole_s": counted(database, settings),
        "again_s": counted(database, settings),
    }
    row["load"] = round(os.getloadavg()[0], 1)
    row["p95_ms"] = pages(database, settings, ISSUES)
    database.engine.dispose()
    return row


def counted(database: Database, settings: Settings) -> float:
    """Seconds that the figures of the desk take."""
    start = time.perf_counter()
    counting.count(database, settings)
    return round(time.perf_counter() - start, 1)


def pages(database: Database, settings: Settings, issue: int) -> dict[str, float]:
    """Milliseconds (p95) of every page of the desk that somebody who is signed in can open by its
    address; those about an issue, of this one."""
    desk = Desk(create_app(settings, database), settings, database)
    client = desk(Role.ADMINISTRATOR)
    found = {}
    for rule in rules(desk.app):
        if "GET" not in (rule.methods or ()) or not rule.endpoint.startswith("desk."):
            continue
        path = path_of(desk.app, rule).replace("/issues/1", f"/issues/{issue}")
        if client.get(path).status_code == 200:
            found[path] = _p95(lambda path=path: client.get(path))
    with database.read() as session:
        email = session.scalars(select(Subscriber.email).where(Subscriber.id == 7)).one()
    found["/desk/subscribers (look up)"] = _p95(
        lambda: client.send("/desk/subscribers", email=email)
    )
    return found


def _p95(ask: Any) -> float:
    times = []
    for _round in range(ROUNDS):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return round(statistics.quantiles(times, n=20)[-1], 1)


def fill(database: Database, subscribers: int) -> None:
    """Write it all by SQL."""
    kind = database.engine.name
    with database.write() as session:
        if kind == "sqlite":
            session.execute(text("PRAGMA cache_size = -400000"))
        else:  # each row's foreign keys would take twice as long as all the rest
            session.execute(text("SET LOCAL session_replication_role = replica"))
        session.add_all(TopicChoice(topics="|".join(_topics(n))) for n in range(SETS))
        session.flush()
        minutes = f"CAST(i * 1576800.0 / {subscribers} AS integer)"
        joined = TIMES[kind].format(minutes=minutes)
        proven = TIMES[kind].format(minutes=minutes.replace("i *", "i / 2 *"))
        left = TIMES[kind].format(minutes=f"{minutes} / 2 + 788400")
        values = {"sets": SETS, "joined": joined, "left": left, "proven": proven}
        one, two = (NUMBERS[kind].format(many=many * subscribers) for many in (1, 2))
        _insert(session, one, PEOPLE.format(**values))
        _insert(session, two, PROOFS.format(**values))
        _insert(session, one, BLOCKED.format(**values))
        for number in range(1, ISSUES + 1):
            edition = _issue(session, number)
            rows = {"issue": number, "edition": edition, "last": ISSUES, "joined": joined}
            _insert(session, one, SENT.format(**rows))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if kind == "sqlite" else "VACUUM ANALYZE"))


def _insert(session: Any, numbers: str, statement: str) -> None:
    """`WITH` comes before INSERT, on both databases."""
    session.execute(text(numbers + statement))


def _topics(number: int) -> list[str]:
    keys = ("democratie", "duurzaam", "klimaat", "onderwijs", "water", "zorg")
    return [key for bit, key in enumerate(keys) if number >> bit & 1]


def _issue(session: Any, number: int) -> int:
    planned = datetime.now(UTC) - timedelta(days=30 * (ISSUES - number))
    sent = number < ISSUES
    session.add(
        Issue(
            number=number,
            cadence="monthly",
            state=IssueState.SENT if sent else IssueState.SENDING,
            by_clock=True,
            compiled_at=planned,
            planned_at=planned,
            sent_at=planned if sent else None,
        )
    )
    session.flush()
    edition = Edition(
        issue_number=number, locale="nl", piece_ids="", subject="x", html="x", text="x", hash="x"
    )
    session.add(edition)
    session.flush()
    return edition.id


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else SUBSCRIBERS)
