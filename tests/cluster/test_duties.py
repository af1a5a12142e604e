"""Both clocks do all duties, each where it belongs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import procrastinate
import pytest
from click.testing import CliRunner
from procrastinate.testing import InMemoryConnector

from newsletter.cli import main
from newsletter.cli.serve.server import _Inside
from newsletter.db import Database
from newsletter.errors import FixSettings, TryLater
from newsletter.jobs.cluster import Worker
from newsletter.jobs.cluster.queues import SHARED, SLOTS, app_of, cron
from newsletter.jobs.duties import Duties, Where, duties
from newsletter.jobs.timetable import Clock
from newsletter.settings import Settings, load
from newsletter.settings.mailboxes import Maildir

pytestmark = pytest.mark.sqlite("what is done when does not depend on the database")
EMBEDDED_ONLY = {"tick"}  # marks the leader's file; a worker has its heartbeat


def names(settings: Settings, *places: Where) -> set[str]:
    return {duty.name for duty in duties(settings) if duty.where in (places or tuple(Where))}


@pytest.fixture
def many(settings: Settings) -> Settings:
    """Settings of a host that has the content."""
    return replace(settings, content_host=True)


def test_every_task_of_a_process_is_a_duty(settings: Settings) -> None:
    """Whoever adds one to the class cannot forget the table, from which both clocks take them."""
    methods = {name for name, one in vars(Duties).items() if callable(one) and name[0] != "_"}
    assert methods - {"guarded"} == names(settings)


@pytest.mark.parametrize("content", [True, False])
def test_the_embedded_clock_has_all(database: Database, many: Settings, content: bool) -> None:
    clock = Clock(replace(many, content_host=content), database)
    clock.stopping.set()
    clock.start()
    expected = names(many) - (set() if content else names(many, Where.CONTENT))
    assert clock.tasks == expected | EMBEDDED_ONLY
    clock.stop()


def test_the_cluster_has_all(database: Database, many: Settings) -> None:
    """Each in one queue, which some host works; what belongs to a host is in none."""
    found = dict[str, set[str]]()
    for queue in SLOTS:
        mine = [duty for duty in duties(many) if duty.where is queue]
        app = app_of(queue, mine, Duties(many, database), procrastinate_in_memory())
        found[queue] = {name for name, _id in app.periodic_registry.periodic_tasks}
        for name in found[queue]:
            task = app.tasks[name]
            assert (task.queue, task.queueing_lock) == (queue.value, name)
            assert task.lock == (None if queue in SHARED else name)
    assert sorted(name for some in found.values() for name in some) == sorted(
        names(many) - names(many, Where.HOST)
    )
    assert set(SLOTS) == set(Where) - {Where.HOST}


def procrastinate_in_memory() -> procrastinate.PsycopgConnector:
    return InMemoryConnector()  # type: ignore[return-value]


def test_only_the_host_with_the_content_works_its_queue(database: Database, many: Settings) -> None:
    assert Where.CONTENT in Worker(many, database).queues
    assert Where.CONTENT not in Worker(replace(many, content_host=False), database).queues


def test_a_maildir_is_read_where_it_is(settings: Settings, tmp_path: Path) -> None:
    assert "fetch" in names(settings, Where.CHORES)
    local = replace(settings, bounce_mailbox=Maildir(tmp_path))
    assert "fetch" in names(local, Where.CONTENT)


@pytest.mark.parametrize(
    ("seconds", "rule"),
    [
        (0.2, "* * * * * */1"),
        (2, "* * * * * */2"),
        (60, "*/1 * * * *"),
        (600, "*/10 * * * *"),
        (3600, "0 */1 * * *"),
        (90_000, "0 */23 * * *"),
    ],
)
def test_seconds_as_a_rule(seconds: float, rule: str) -> None:
    assert cron(seconds) == rule


def test_a_duty_in_trouble_rests_and_says_it_once(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    mine, tries = Duties(settings, database), list[int]()

    def broken() -> None:
        tries.append(1)
        raise TryLater("It is not there.")

    for _turn in range(3):
        mine.guarded(broken)
    assert (len(tries), caplog.messages) == (1, ["It is not there."])
    mine._rest_until.clear()
    mine.guarded(broken)
    assert (len(tries), caplog.messages) == (2, ["It is not there."])


def test_with_sqlite_the_command_says_so(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTANCE_DIR", str(settings.instance_dir))
    done = CliRunner().invoke(main, ["worker"])
    assert done.exit_code == 1
    assert done.stderr.startswith("`newsletter worker` needs PostgreSQL")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("clock", "has_one"), [("embedded", True), ("workers", False)])
def test_the_site_leaves_it_all_to_workers(
    database: Database, settings: Settings, clock: str, has_one: bool
) -> None:
    site: Any = SimpleNamespace(
        extensions={"newsletter": SimpleNamespace(database=database), "watch": None}
    )
    inside = _Inside(replace(settings, clock=clock), site)
    assert (inside.clock is not None) == has_one
    inside.stop()


def test_workers_need_postgresql(tmp_path: Path) -> None:
    wanted = {"INSTANCE_DIR": str(tmp_path), "CLOCK": "workers"}
    with pytest.raises(FixSettings, match="CLOCK=workers needs a PostgreSQL database"):
        load(environ={}, env_file=tmp_path / "none", **wanted)
    many = load(environ={}, env_file=tmp_path / "none", DATABASE_URL="postgresql://a@b/c", **wanted)
    assert (many.clock, many.content_host) == ("workers", True)
