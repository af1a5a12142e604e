"""Planning for a million readers, and compiling; alone: `python -m tests.bench.planning N`.

Readers in 4 languages with 40 sets of topics and 4 cursors; an issue of 30 items.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import text

from newsletter import settings as settings_module
from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.db import Database, connect
from newsletter.i18n import LOCALES
from newsletter.issues import publishing
from newsletter.issues.compiler import freeze
from newsletter.issues.planning import Renderings, Shared
from newsletter.models import Issue, IssueState, ItemNumber, TopicChoice
from newsletter.schema import migrate
from newsletter.settings import Settings
from tests import postgres

READERS, SETS, CURSORS, ITEMS = 1_000_000, 40, 4, 30
TARGET = "20 s"
PEOPLE = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {readers})
INSERT INTO subscribers
    (id, email, canonical, locale, cadence, topic_choice_id, state, created_at, confirmed_at)
SELECT i, 'r' || i || '@voorbeeld.example', 'r' || i || '@voorbeeld.example',
    CASE i % 4 WHEN 0 THEN 'nl' WHEN 1 THEN 'fr' WHEN 2 THEN 'en' ELSE 'de' END,
    'monthly', 1 + i / 4 % {sets}, 'active', '2026-01-01', '2026-01-01' FROM n
"""
CURSOR = """
INSERT INTO cursors (subscriber_id, number) SELECT id, id / 4 / {sets} % {cursors} FROM subscribers
"""


def measure(folder: Path, readers: int = READERS) -> dict[str, Any]:
    """Seconds, seconds of this processor and peak MB, on each database, in a process of its own."""
    found = []
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and not postgres.binaries():
            continue
        with _url(folder, kind) as url, get_context("spawn").Pool(1) as pool:
            row = {"database": kind, **pool.apply(_plan, (url, str(folder), readers))}
            print(f"  {row}\n{line(row)}", flush=True)
            found.append(row)
    return {"rows": found}


def line(row: dict[str, Any]) -> str:
    """What `make bench-large` says of one database, beside the target."""
    whole = round(row["render_s"] + row["write_s"], 1)
    return (
        f"Planned for {row['planned']} readers on {row['database']} in {whole} s"
        f" ({row['editions']} editions {row['render_s']} s, rows {row['write_s']} s; target"
        f" {TARGET}), {row['more_mb']} MB more than before"
    )


@contextmanager
def _url(folder: Path, kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/planned.db"
        return
    programs = postgres.binaries()
    assert programs
    with postgres.running(programs, durable=True) as server:
        yield server.create("planned")


def _plan(url: str, folder: str, readers: int) -> dict[str, Any]:
    settings = settings_module.load(
        environ={},
        env_file=Path("no.env"),
        INSTANCE_DIR=folder,
        DATABASE_URL=url,
        SECRET_KEY="a key for the bench that is long enough",
    )
    database, now = connect(url), datetime.now(UTC)
    migrate(database)
    compiled = _fill(database, settings, readers, now)
    _settle(database)
    before, load = resource.getrusage(resource.RUSAGE_SELF), os.getloadavg()[0]
    start = time.perf_counter()
    with database.read() as session:
        ahead = publishing.ready_to_send(session, settings, now, 1)
    rendered = time.perf_counter()
    with database.write() as session:
        planned = publishing.send(session, settings, 1, now, ahead)
    end = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_SELF)
    with database.read() as session:
        editions = session.scalar(text("SELECT count(*) FROM editions"))
    database.engine.dispose()
    return {
        **compiled,
        "readers": readers,
        "planned": planned,
        "editions": editions,
        "render_s": round(rendered - start, 1),
        "write_s": round(end - rendered, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "more_mb": round((after.ru_maxrss - before.ru_maxrss) / 1024),
        "load_before": round(load, 1),
    }


def _settle(database: Database) -> None:
    """What PostgreSQL does by itself within minutes of an import is no part of the plan."""
    if database.engine.name == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.execute(text("VACUUM (ANALYZE) subscribers, cursors"))
            one.execute(text("CHECKPOINT"))


def _fill(database: Database, settings: Settings, readers: int, now: datetime) -> dict[str, float]:
    """Readers, and an issue of ITEMS; with what it took to freeze and to render it."""
    library = Library(settings.content_dir, settings.timezone)
    topics = library.topics()
    with database.write() as session:
        keys = sorted(topics)
        sets = [[key for bit, key in enumerate(keys) if n >> bit & 1] for n in range(1, SETS)]
        session.add_all(TopicChoice(topics="|".join(chosen)) for chosen in [[], *sets])
        session.flush()
        first = session.scalar(text("SELECT min(id) FROM topic_choices"))
        assert first == 1
        sizes = {"readers": readers, "sets": SETS, "cursors": CURSORS}
        session.execute(text(PEOPLE.format(**sizes)))
        session.execute(text(CURSOR.format(**sizes)))
        issue = Issue(
            number=1,
            cadence="monthly",
            state=IssueState.COMPILED,
            by_clock=False,
            compiled_at=now,
        )
        session.add(issue)
        session.flush()
        items = _items(library)
        start = time.process_time()
        pieces, _album = freeze(items, library)
        frozen = time.process_time() - start
        for piece in pieces:
            piece.issue_number = 1
        session.add_all(pieces)
        # Numbers of before, so that cursors below them differ in what their readers get.
        session.add_all(
            ItemNumber(number=n + 1, slug=items[n].slug, repeat=False, issue_number=1)
            for n in range(CURSORS - 1)
        )
    with database.read() as session:
        one = session.get_one(Issue, 1)
        start = time.process_time()
        renderings = Renderings(settings)
        for locale in LOCALES:
            mine = [piece for piece in pieces if piece.locale == locale]
            for chosen in [[], *sets]:
                if wanted := [
                    p for p in mine if not chosen or set(chosen) & set(p.topics.split("|"))
                ]:
                    renderings.edition(Shared(one, now), wanted, older=False)
        rendered = time.process_time() - start
    return {"freeze_cpu_s": round(frozen, 3), "render_160_cpu_s": round(rendered, 2)}


def _items(library: Library) -> list[Item]:
    """Real items, as often as it takes, without deadlines of the past."""
    ready = [item for item in library.items() if item.status == "ready"]
    found = []
    for index in range(ITEMS):
        item, slug = ready[index % len(ready)], f"item-{index}"
        texts = {
            locale: replace(text, slug=slug, front=replace(text.front, deadline=_later(text)))
            for locale, text in item.texts.items()
        }
        found.append(Item(slug, texts))
    return found


def _later(text: Any) -> Any:
    return text.front.deadline and datetime.now(UTC).date() + timedelta(days=30)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else READERS)
