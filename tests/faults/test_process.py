"""kill -9, stop and sleep: nobody is skipped, and one copy a connection at most is doubled."""

import signal

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.killer import Killer
from tests.faults.programs import Program, wait_for
from tests.faults.world import World

CONNECTIONS = 4
STAGES = (
    ("mail", ""),
    ("rcpt", ""),
    ("data", ""),
    ("content", ""),  # after the dot; the relay takes it, and its answer finds nobody
    ("content", "cut"),  # after the dot; the relay does not take it
    ("answered", ""),  # after 250, before the commit
    ("rcpt", "silence"),
)


@pytest.mark.parametrize(
    ("store", "pipelining"),
    [
        pytest.param("sqlite", True, id="sqlite-pipelining"),
        pytest.param("postgresql", False, id="postgresql-lockstep", marks=pytest.mark.postgresql),
    ],
)
def test_kill_at_each_stage(new_world: NewWorld, store: str, pipelining: bool) -> None:
    """Both databases, both ways to speak; `make chaos` crosses them."""
    killer = Killer()
    world = new_world(killer, store=store, relay={"pipelining": pipelining})
    for stage, answer in STAGES:
        killer.strike(world, stage, answer)
    world.finish(ahead=1200)  # a row that was hit twice waits for a quarter of an hour
    judge(world, allowed=CONNECTIONS * len(STAGES))


def test_kill_in_the_midst_of_content(new_world: NewWorld) -> None:
    """Half a message is no message: it is sent again, and is no duplicate."""
    killer = Killer()
    world = new_world(killer, readers=20, relay={"window": 4096}, DELIVERY_CONNECTIONS="1")
    killer.strike(world, "partial", "cut")
    world.finish()
    assert judge(world, allowed=1).duplicates <= 1


def test_kill_when_finishing(new_world: NewWorld) -> None:
    """Everything was handed over; what is left is to settle it and to say that it was sent."""
    killer = Killer()
    world = new_world(killer, readers=20)
    killer.strike(world, "answered", after=20)
    world.finish()
    judge(world, allowed=CONNECTIONS)


def test_kill_while_planning(new_world: NewWorld) -> None:
    """All rows or none, and `send` pressed again plans the rest, once."""
    world = new_world(planned=False)
    for _ in range(3):
        sender = world.start("issues", "send", "1")
        wait_for(world.is_written_to, "the plan's transaction")
        sender.kill()
        sender.wait()
        planned = sum(world.counts().values())
        expected = {0: "compiled", len(world.readers): "sending"}
        assert world.state() == expected[planned], planned
    world.run("issues", "send", "1")
    world.finish()
    judge(world)


def test_crash_between_queued_and_first_work(new_world: NewWorld) -> None:
    """`send` was pressed and the machine went down before any work: the next start does it."""
    world = new_world(planned=False)
    world.run("issues", "send", "1")
    early = world.start("deliver")
    early.kill()
    early.wait()
    world.finish()
    judge(world)


def test_sigterm_drains_without_any_duplicate(new_world: NewWorld) -> None:
    """The relay answers each content after half a second: within the grace time."""
    world = new_world(lambda stage, _who: "wait 0.5" if stage == "content" else None)
    program = world.start("deliver")
    world.until_taken(8)
    program.signal(signal.SIGTERM)
    done = program.wait(20)
    assert done.code == 0, done
    assert world.counts().get("claimed", 0) == 0
    world.relay.script = lambda stage, recipient: None
    world.finish()
    verdict = judge(world)
    assert verdict.duplicates == verdict.in_doubt == 0


def test_sigterm_ends_within_the_grace_time(new_world: NewWorld) -> None:
    """A relay that never answers holds nobody up; one message a connection is in doubt."""
    script = {"content": "taken, then silence"}
    world = new_world(lambda stage, _who: script.get(stage), GRACE_SECONDS="1", MAIL_TIMEOUT="60")
    program = world.start("deliver")
    world.until_taken(CONNECTIONS)
    program.signal(signal.SIGTERM)
    done = program.wait(30)  # far less than the relay's time
    assert done.code in (0, 1), done
    script.clear()
    world.finish()
    verdict = judge(world, allowed=CONNECTIONS)
    assert verdict.in_doubt == CONNECTIONS


def test_a_process_that_slept_past_its_lease_settles_nothing(new_world: NewWorld) -> None:
    """SIGSTOP, another process takes over, CONT: the zombie counts no more."""
    world = new_world(lambda stage, _who: "wait 0.02" if stage == "content" else None)
    zombie = world.start("deliver")
    world.until_taken(30)
    stop_between_commits(world, zombie)
    known = settled(world)
    world.finish()
    assert world.state() == "sent"
    others = settled(world)
    zombie.signal(signal.SIGCONT)
    zombie.wait()
    assert settled(world) == others, "the zombie wrote nothing"
    assert known.items() <= others.items()
    judge(world, allowed=CONNECTIONS)


def test_leases_are_never_used_again(new_world: NewWorld) -> None:
    """Restarted on the same host under the same process id, it is another process."""
    killer = Killer()
    world = new_world(killer)
    killer.strike(world, "content")
    ids = [row[0] for row in world.store.rows("SELECT id FROM leases")]
    world.store.change("UPDATE leases SET owner = 'same-host:1'")
    world.finish()
    assert world.store.rows("SELECT count(*) FROM leases") == [(0,)]
    killer.strike(second(world), "content", after=5)
    later = [row[0] for row in world.store.rows("SELECT id FROM leases")]
    assert min(later) > max(ids)


def stop_between_commits(world: World, program: Program) -> None:
    """In mid-commit it would hold SQLite's lock for ever: nobody could take over."""
    while True:
        program.signal(signal.SIGSTOP)
        if not world.is_written_to():
            return
        program.signal(signal.SIGCONT)


def second(world: World) -> World:
    """An issue 2 for the same readers, planned."""
    judge(world, allowed=CONNECTIONS)
    world.add_item("later")
    assert world.run("issues", "compile").out.strip() == "2"
    world.run("issues", "send", "2")
    return world


def settled(world: World) -> dict[int, str]:
    rows = world.store.rows(
        "SELECT id, settled_at FROM deliveries WHERE state = 'accepted' ORDER BY id"
    )
    return {number: str(when) for number, when in rows}


def test_serve_killed_with_all_its_children(new_world: NewWorld) -> None:
    """Scheduler, web and sender go at once; the next `serve` goes on by itself."""
    killer = Killer()
    world = new_world(killer)
    killer.strike(world, "content", victim="serve --port 0")
    serving = world.start("serve", "--port", "0")
    wait_for(lambda: world.state() == "sent", "the end of the issue")
    serving.signal(signal.SIGTERM)
    assert serving.wait().code == 0
    judge(world, allowed=CONNECTIONS)


@pytest.mark.postgresql
def test_several_killed_at_once(new_world: NewWorld) -> None:
    """Three processes that share the work die in the same moment."""
    world = new_world(
        lambda stage, _who: "wait 0.05" if stage == "content" else None,
        store="postgresql",
        DELIVERY_CONNECTIONS="2",
        LEASE_SECONDS="3",
    )
    programs = [world.start("deliver") for _ in range(3)]
    world.until_taken(40)
    allowed = len(world.relay.open)
    for program in programs:
        program.kill()
    assert {program.wait().code for program in programs} == {-signal.SIGKILL}
    world.relay.script = lambda stage, recipient: None
    world.finish()
    judge(world, allowed=allowed)
