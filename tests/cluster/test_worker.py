"""`newsletter worker` as real processes: shares, rescue, a good end."""

import signal

import pytest

from tests.faults.conftest import NewWorld, new_world, seeds
from tests.faults.judge import judge
from tests.faults.programs import Program, wait_for
from tests.faults.world import World

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
    assert world.store.rows("SELECT id FROM procrastinate_jobs WHERE status = 'doing'") == []


SILENT = """
SELECT job.id FROM procrastinate_jobs job LEFT JOIN procrastinate_workers w ON w.id = job.worker_id
WHERE job.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - interval '2 seconds')
"""


def test_told_to_stop_it_drains(new_world: NewWorld) -> None:
    """What was begun is ended; nothing is doubled, nothing is left claimed."""
    world = new_world(
        lambda stage, _who: "wait 0.5" if stage == "content" else None, store="postgresql", **MANY
    )
    (worker,) = workers(world, 1)
    world.until_taken(8)
    worker.signal(signal.SIGTERM)
    assert worker.wait(30).code == 0, worker.err
    assert world.counts().get("claimed", 0) == 0
    world.relay.script = lambda stage, recipient: None
    world.finish()
    verdict = judge(world)
    assert verdict.duplicates == verdict.in_doubt == 0


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


def test_with_sqlite_it_says_so(new_world: NewWorld) -> None:
    done = new_world().run("worker", code=1)
    assert done.err.startswith("`newsletter worker` needs PostgreSQL")
    assert len(done.err.splitlines()) == 1
