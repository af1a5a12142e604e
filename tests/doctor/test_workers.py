"""Who does what is done by time, as the doctor sees it on PostgreSQL."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from newsletter.db import Database, connect
from newsletter.delivery.sender import utcnow
from newsletter.doctor import workers
from newsletter.jobs.leading import Leadership
from newsletter.settings import Settings
from tests.postgres import Shared

pytestmark = pytest.mark.postgresql
Beat = Callable[[float], None]


@pytest.fixture
def many(settings: Settings, shared: Shared) -> Settings:
    return replace(settings, database_url=shared.emptied())


@pytest.fixture
def cluster(many: Settings) -> Iterator[Database]:
    database = connect(many.database_url)
    yield database
    database.engine.dispose()


@pytest.fixture
def beat(cluster: Database) -> Beat:
    def do(seconds_ago: float) -> None:
        at = {"at": utcnow() - timedelta(seconds=seconds_ago)}
        with cluster.write() as session:
            session.execute(text("INSERT INTO procrastinate_workers VALUES (DEFAULT, :at)"), at)

    return do


def line(settings: Settings, database: Database, clock: str) -> tuple[str, str]:
    (found,) = workers.ticking(replace(settings, clock=clock), database, utcnow())
    return found.grade, found.said


def test_workers_live_or_none_does(many: Settings, cluster: Database, beat: Beat) -> None:
    assert line(many, cluster, "workers") == ("warn", "CLOCK=workers, and no worker lives.")
    beat(10 * many.lease_seconds)
    assert line(many, cluster, "workers")[0] == "warn"
    beat(3)
    grade, said = line(many, cluster, "workers")
    assert grade == "ok"
    assert "the last heartbeat came 3 s ago" in said


def test_both_clocks_at_once(many: Settings, cluster: Database, beat: Beat) -> None:
    beat(3)
    grade, said = line(many, cluster, "embedded")
    assert (grade, "and so does `newsletter serve`" in said) == ("warn", True)


def test_the_clock_of_another_host(many: Settings, cluster: Database) -> None:
    assert line(many, cluster, "embedded") == ("warn", "No clock has ever run on this host.")
    there = many.instance_dir / "there"
    there.mkdir()
    other = Leadership(replace(many, instance_dir=there), cluster)
    assert other.of_all()
    assert line(many, cluster, "embedded") == ("ok", "The clock runs on another host.")
    other.end()
    assert line(many, cluster, "embedded")[0] == "warn"
