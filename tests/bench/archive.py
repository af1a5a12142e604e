"""The archive under load: its pages over HTTP from one process, and its search, at 5,000 items.

The items are put together from sentences of the shelf's own texts, in four languages, so that words
are as frequent as they are in real ones.
"""

import itertools
import random
import statistics
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.db import Database, connect
from newsletter.i18n import LOCALES
from newsletter.issues import searching
from newsletter.issues.compiler import freeze
from newsletter.models import Issue, IssueState, Piece
from tests import postgres
from tests.bench import load, world
from tests.bench.serving import CONNECTIONS, serving
from tests.bench.site import KEEP_NOTHING
from tests.bench.visitors import EMPTY
from tests.bench.world import World

IN_AN_ISSUE = 30
SENTENCES = 25  # of a text
TARGET_RATE, TARGET_MS = 400, 50
KEPT = 100  # pages that are asked for again and again
Row = dict[str, float]
QUESTIONS = (
    "gemeente",
    "gemeenten Benin",
    "geboorteregister",
    "water",
    "hoe werkt een stedenband met Senegal",
    "burgemeester Roeselare Dogbo",
    "klimaat",
    "jeugd en onderwijs",
    "register",
    "de van het",
    "bestaatniet",
    "sa",
)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    items: int = 5_000
    requests: int = 1_000  # of each kind in a round
    rounds: int = 3
    questions: int = 40  # times each


QUICK = Size(items=300, requests=100, rounds=1, questions=3)


def fill(database: Database, items: Sequence[Item], library: Library, count: int) -> None:
    """Publish so many items in issues of IN_AN_ISSUE, from issue 2 on, a month apart."""
    chance = random.Random(7)
    start = datetime(2010, 1, 5, 9, tzinfo=UTC)
    for first in range(0, count, IN_AN_ISSUE):
        number, at = 2 + first // IN_AN_ISSUE, start + timedelta(days=first)
        with database.write() as session:
            issue = Issue(
                number=number,
                state=IssueState.SENT,
                by_clock=True,
                compiled_at=at,
                planned_at=at,
                sent_at=at,
            )
            session.add(issue)
            session.flush()
            whole = range(first, min(first + IN_AN_ISSUE, count))
            rows = list(_rows(items, library, whole, chance))
            session.execute(insert(Piece), [row | {"issue_number": number} for row in rows])
            searching.index(session, number)


def _rows(
    items: Sequence[Item], library: Library, numbers: range, chance: random.Random
) -> Iterator[dict[str, Any]]:
    columns = [column.name for column in Piece.__table__.columns if column.name != "id"]
    chosen = [chance.choice(items) for _ in numbers]
    for position, number in enumerate(numbers):
        for piece in freeze([chosen[position]], library)[0]:
            row = {name: getattr(piece, name) for name in columns}
            text = _mixed(items, piece.locale, chance)
            html = f"<p>{text}</p>"
            same = {"slug": f"stuk-{number}", "title": f"{piece.title} ({number})"}
            yield row | same | {"position": position, "text": text, "html": html}


def _mixed(items: Sequence[Item], locale: str, chance: random.Random) -> str:
    texts = [item.text_for(locale).body.text for item in chance.sample(items, 5)]
    sentences = [one for text in texts for one in " ".join(text.split()).split(". ")]
    return ". ".join(chance.sample(sentences, min(SENTENCES, len(sentences))))


def questions(session: Session, times: int) -> list[float]:
    """Milliseconds of each search, in turn."""
    found = []
    for words in itertools.chain.from_iterable(itertools.repeat(QUESTIONS, times)):
        start = time.perf_counter()
        searching.search(session, "nl", words)
        found.append((time.perf_counter() - start) * 1000)
    return found


def paths(size: Size) -> dict[str, list[str]]:
    """What is asked for, by kind."""
    issues = range(2, 2 + size.items // IN_AN_ISSUE)
    return {
        "items": [f"/{locale}/items/stuk-{n}" for n in range(size.items) for locale in LOCALES],
        "issues": [f"/{locale}/issues/{n}" for n in issues for locale in LOCALES],
        "list of issues": [f"/{locale}/issues/" for locale in LOCALES],
        "topics": ["/nl/topics/milieu", "/fr/topics/bestuur", "/nl/topics/partnerschappen/2"],
        "feeds": ["/nl/feed.atom", "/nl/feed.json", "/nl/topics/milieu/feed.atom"],
        "search": [f"/nl/search?q={words.replace(' ', '+')}" for words in QUESTIONS],
    }


def _requests(chosen: Sequence[str], count: int, more: str = "") -> list[bytes]:
    head = f"GET {{}} HTTP/1.1\r\nHost: nieuws.example\r\nX-Forwarded-Proto: https\r\n{more}\r\n"
    return [head.format(path).encode() for path in itertools.islice(itertools.cycle(chosen), count)]


class Visit:
    """A running server that is asked for pages of the archive, between looks at its empty route."""

    def __init__(self, port: int, size: Size) -> None:
        self._port, self._size = port, size

    def rate(self, name: str, chosen: Sequence[str], more: str = "", status: int = 200) -> Row:
        """Median over the rounds."""
        asked = _requests(chosen, self._size.requests, more)
        load.run(self._port, asked[:KEPT], CONNECTIONS)  # what is kept is made here
        rounds, shares = [], []
        for _ in range(self._size.rounds):
            empty = load.run(self._port, [EMPTY] * self._size.requests, CONNECTIONS)
            one = load.run(self._port, asked, CONNECTIONS)
            assert set(one.statuses) == {status}, (name, one.statuses)
            rounds.append(one)
            shares.append(one.rate / empty.rate)
        found = {
            "requests_per_s": round(statistics.median(one.rate for one in rounds)),
            "share_of_empty": round(statistics.median(shares), 2),
            "p95_ms": round(statistics.median(one.slowest(0.95) for one in rounds), 1),
        }
        print(f"  {name:28} {found} (target {TARGET_RATE}/s)", flush=True)
        return found

    def alone(self, chosen: Sequence[str]) -> float:
        """The 95th of a hundred answers to one person who asks, in milliseconds."""
        asked = _requests(chosen, len(chosen) * self._size.questions)
        load.run(self._port, asked[: len(chosen)], 1)
        found = load.run(self._port, asked, 1)
        assert set(found.statuses) == {200}, found.statuses
        return round(found.slowest(0.95), 1)

    def etag(self, path: str) -> str:
        """The ETag of a page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
            return str(answer.headers["ETag"])


def _rates(visited: World, size: Size) -> dict[str, Any]:
    """Pages made anew for each request, then the same ones kept, then not sent at all."""
    chosen, found = paths(size), dict[str, Any]()
    with serving(replace(visited, environ=visited.environ | {KEEP_NOTHING: "1"})) as port:
        visit = Visit(port, size)
        for name, some in chosen.items():
            found[f"{name}, made anew"] = visit.rate(f"{name}, made anew", some)
        found["search_http_p95_ms"] = visit.alone(chosen["search"])
        print(f"  search, one reader: p95 {found['search_http_p95_ms']} ms (target {TARGET_MS} ms)")
    with serving(visited) as port:
        visit = Visit(port, size)
        for name in ("items", "issues", "list of issues", "topics", "feeds"):
            found[f"{name}, kept"] = visit.rate(f"{name}, kept", chosen[name][:KEPT])
        one = chosen["items"][0]
        known = f"If-None-Match: {visit.etag(one)}\r\n"
        found["not changed"] = visit.rate("not changed (304)", [one], known, 304)
    return found


def _measure(folder: Path, url: str, size: Size) -> dict[str, Any]:
    folder.mkdir()
    visited = world.make(folder, url, 9, 1)
    library = Library(visited.settings.content_dir, visited.settings.timezone)
    database, start = connect(visited.settings.database_url), time.perf_counter()
    fill(database, library.items(), library, size.items)
    seconds = time.perf_counter() - start
    with database.read() as session:
        questions(session, 1)
        taken = sorted(questions(session, size.questions))
    with database.write() as session:
        start = time.perf_counter()
        searching.rebuild(session)
        rebuilt = time.perf_counter() - start
    database.engine.dispose()
    report = {
        "publish_s": round(seconds, 1),
        "rebuild_s": round(rebuilt, 1),
        "search_median_ms": round(statistics.median(taken), 1),
        "search_p95_ms": round(taken[int(0.95 * len(taken))], 1),
    }
    print(f"  {size.items} items: {report} (target: p95 {TARGET_MS} ms)", flush=True)
    return report | {"rates": _rates(visited, size)}


def measure(folder: Path, size: Size) -> dict[str, Any]:
    """Both databases, printed."""
    report: dict[str, Any] = {"target": [TARGET_RATE, TARGET_MS]}
    with ExitStack() as stack:
        print("The archive, on SQLite:")
        report["SQLite"] = _measure(folder / "sqlite", "", size)
        if programs := postgres.binaries():
            server = stack.enter_context(postgres.running(programs, durable=True))
            print("The archive, on PostgreSQL:")
            report["PostgreSQL"] = _measure(folder / "pg", server.create("archive"), size)
    return report
