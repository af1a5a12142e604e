"""`newsletter worker` as real processes: shares, rescue, a good end; the release before too."""

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.db import connect
from newsletter.jobs.cluster import working
from newsletter.jobs.duties import Duties, duties
from newsletter.settings import Settings, load
from tests.cluster.releases import unpack
from tests.faults.conftest import NewWorld, new_world, seeds
from tests.faults.judge import judge
from tests.faults.programs import Fresh, Program, wait_for
from tests.faults.world import World
from tests.postgres import Shared

__all__ = ["new_world", "seeds"]  # fixtures
pytestmark = pytest.mark.postgresql
CONNECTIONS = 4  # of each worker
MANY = {"CLOCK": "workers", "LEASE_SECONDS": "3"}


def workers(world: World, count: int, **settings: str) -> list[Program]:
    """So many workers, at work."""
    started = [world.start("worker", **settings) for _ in range(count)]
    wait_for(lambda: all("Stop with" in one.out for one in started), "the start of the workers")
    return started


def is_sent(world: World) -> None:
    wait_for(lambda: world.state() == "sent", "the end of the issue")


def test_two_share_an_issue_one_is_killed_and_the_other_ends_well(new_world: NewWorld) -> None:
    pace = {"content": "wait 0.02"}
    world = new_world(lambda stage, _who: pace.get(stage), store="postgresql", **MANY)
    first, second = workers(world, 2)
    wait_for(lambda: len(world.relay.open) == 2 * CONNECTIONS, "both to deliver")
    first.kill()
    is_sent(world)
    wait_for(lambda: world.store.rows(SILENT) == [], "the rescue")
    assert judge(world, allowed=CONNECTIONS).accepted == len(world.readers)
    assert "fell silent over the job deliver" in second.err
    second.signal(signal.SIGTERM)
    assert second.wait().code == 0, second.err
    assert world.store.rows("SELECT id FROM procrastinate_workers") == []
    left = [row[0] for row in world.store.rows("SELECT status FROM procrastinate_jobs")]
    assert set(left) <= {"todo"}, left
    assert len(left) <= len(duties(load(environ={}, INSTANCE_DIR=str(world.home)))), left


SILENT = """
SELECT job.id FROM procrastinate_jobs job LEFT JOIN procrastinate_workers w ON w.id = job.worker_id
WHERE job.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - interval '2 seconds')
"""


def test_a_letter_does_not_wait_for_an_issue_and_told_to_stop_it_drains(
    new_world: NewWorld,
) -> None:
    """Who signs up gets the letter while the only worker is busy. Told to stop it ends what was
    begun; nothing is doubled, nothing is left claimed."""
    world = new_world(
        lambda stage, _who: "wait 0.5" if stage == "content" else None, store="postgresql", **MANY
    )
    (worker,) = workers(world, 1)
    world.until_taken(8)
    asks = world.home / "asks.csv"
    asks.write_text("email\nnieuw@plaats.example\n")
    world.run("subscribers", "import", str(asks), "--source", "a test", "--invite")
    wait_for(lambda: world.relay.got("nieuw@plaats.example"), "the letter")
    assert world.state() == "sending"
    world.readers.append("nieuw@plaats.example")
    worker.signal(signal.SIGTERM)
    assert worker.wait(30).code == 0, worker.err
    assert world.counts().get("claimed", 0) == 0
    world.relay.script = lambda stage, recipient: None
    world.finish()
    verdict = judge(world)
    assert verdict.duplicates == verdict.in_doubt == 0


def test_what_does_not_end_holds_it_up_no_longer_than_the_grace_time(
    settings: Settings, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits for ever; the process is then ended whatever it does."""
    monkeypatch.setattr(working, "EXTRA", 0.2)
    many = replace(settings, database_url=shared.emptied(), grace_seconds=0)
    hangs, go_on = threading.Event(), threading.Event()

    def carry_notices(_self: Duties) -> None:
        hangs.set()
        go_on.wait()

    monkeypatch.setattr(Duties, "carry_notices", carry_notices)

    async def work() -> bool:
        worker = working.Worker(many, database)
        work = asyncio.create_task(worker.work())
        await asyncio.to_thread(hangs.wait)
        worker.stop()
        ended = await work
        go_on.set()
        worker.leadership.end()  # which goes with the process, else
        return ended

    database = connect(many.database_url)
    with ThreadPoolExecutor(1) as own:  # a browser's loop may run in this one
        assert not own.submit(asyncio.run, work()).result()
    database.engine.dispose()


def test_told_twice_it_ends_at_once(new_world: NewWorld) -> None:
    silent = {"content": "taken, then silence"}
    world = new_world(
        lambda stage, _who: silent.get(stage), store="postgresql", **MANY, GRACE_SECONDS="60"
    )
    (worker,) = workers(world, 1)
    world.until_taken(CONNECTIONS)
    worker.signal(signal.SIGTERM)
    wait_for(
        lambda: not world.store.rows("SELECT 1 FROM procrastinate_workers LIMIT 1 OFFSET 1"),
        "the first of its queues to end",
    )
    worker.signal(signal.SIGTERM)
    assert worker.wait(30).code == 128 + signal.SIGTERM
    silent.clear()
    world.finish()
    judge(world, allowed=CONNECTIONS)


@pytest.fixture
def previous(tmp_path: Path) -> Fresh:
    """How its processes are started."""
    if why := unpack(tmp_path / "previous"):
        pytest.skip(why)
    return Fresh(home=tmp_path / "previous")


def test_the_release_before_shares_an_issue_with_this_one(
    new_world: NewWorld, previous: Fresh
) -> None:
    """The database is migrated by this one; both mail it, and nothing is skipped or doubled. Once
    something it needs was taken away, the older one says so."""
    pace = {"content": "wait 1"}
    world = new_world(lambda stage, _who: pace.get(stage), store="postgresql", **MANY)
    old = world.start_on(previous, "worker")
    wait_for(lambda: "Stop with" in old.out or not old.runs, "the older worker")
    assert old.runs, old.err
    (new,) = workers(world, 1)
    wait_for(lambda: len(world.relay.open) == 2 * CONNECTIONS, "both to deliver")
    pace.clear()
    is_sent(world)
    verdict = judge(world)
    assert verdict.duplicates == verdict.in_doubt == 0
    assert (old.runs, new.runs) == (True, True), old.err + new.err
    contracted = "UPDATE alembic_version SET version_num = 'later'; DELETE FROM schema_floor; "
    world.store.change(contracted + "INSERT INTO schema_floor VALUES ('later')")
    refused = world.start_on(previous, "worker").wait()
    assert (refused.code, len(refused.err.splitlines())) == (1, 1), refused
    assert "too old" in refused.err
