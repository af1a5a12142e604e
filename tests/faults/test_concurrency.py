"""Many at once on one issue: each message goes once, and nobody's work is taken from them."""

import os
import signal
import threading

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.programs import wait_for
from tests.faults.world import World

EIGHT = 8
CALM = {"LEASE_SECONDS": "30"}  # a busy machine must not look like a dead process


def slowly(seconds: float = 0.005) -> dict[str, str]:
    return {"content": f"wait {seconds}"}


def test_two_schedulers(new_world: NewWorld) -> None:
    """Two `serve` on one INSTANCE_DIR: one leads; when it is killed, the other does."""
    pace = slowly(0.05)
    world = new_world(lambda stage, _who: pace.get(stage))
    both = [world.start("serve", "--port", "0") for _ in range(2)]
    world.until_taken(20)
    leader = int((world.store.folder / "clock.lock").read_text())
    first = next(program for program in both if leader in children(program.pid))
    first.kill()
    pace.clear()
    wait_for(lambda: world.state() == "sent", "the end of the issue")
    judge(world, allowed=4)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as listed:  # noqa: PTH123
        return [int(child) for child in listed.read().split()]


def test_eight_workers_on_one_issue(new_world: NewWorld, store: str) -> None:
    """Each with other settings; nothing is doubled, and all end by themselves."""
    world = new_world(lambda stage, _who: slowly().get(stage), store=store, **CALM)
    counts = ("1", "2", "4", "8") * 2
    programs = [world.start("deliver", DELIVERY_CONNECTIONS=count) for count in counts]
    codes = [program.wait().code for program in programs]
    assert set(codes) == {0}, [program.err for program in programs]
    verdict = judge(world)
    assert world.state() == "sent"
    assert verdict.duplicates == verdict.in_doubt == 0


def test_send_pressed_by_many_at_once(new_world: NewWorld, store: str) -> None:
    world = new_world(planned=False, store=store)
    presses = [world.start("issues", "send", "1") for _ in range(4)]
    ends = [press.wait() for press in presses]
    assert {end.code for end in ends} == {0}, ends
    assert sum(world.counts().values()) == len(world.readers)
    world.run("issues", "send", "1")
    world.finish()
    assert judge(world).duplicates == 0
    world.run("issues", "send", "1")
    assert world.state() == "sent"


def test_stop_and_resume_quickly_in_turn(new_world: NewWorld, store: str) -> None:
    """Stopped means stopped: once the worker has ended nothing is handed over until it goes on."""
    world = new_world(lambda stage, _who: slowly(0.01).get(stage), store=store, **CALM)
    for taken in (10, 60):
        worker = world.start("deliver")
        world.until_taken(taken)
        world.run("issues", "stop", "1")
        worker.wait()
        handed_over = len(world.relay.taken)
        world.run("deliver", code=None)
        assert len(world.relay.taken) == handed_over
        world.run("issues", "resume", "1")
    world.finish()
    verdict = judge(world)
    assert verdict.duplicates == verdict.in_doubt == 0


def test_stop_resume_and_settings_while_workers_run(new_world: NewWorld) -> None:
    world = new_world(lambda stage, _who: slowly(0.01).get(stage), **CALM)
    workers = [world.start("deliver", DELIVERY_CONNECTIONS=count) for count in ("1", "8")]
    for taken in (10, 40, 70):
        world.until_taken(taken)
        verb = [world.start("issues", word, "1") for word in ("stop", "resume")]
        for program in verb:
            program.wait()
        if world.state() == "stopped":
            world.run("issues", "resume", "1")
        workers.append(world.start("deliver", DELIVERY_CONNECTIONS="2"))
    for worker in workers:
        worker.wait()
    world.finish()
    assert judge(world).duplicates == 0


def test_rescue_against_completion(new_world: NewWorld, store: str) -> None:
    """Two workers sleep past their leases in turn, and wake in the midst of being rescued."""
    world = new_world(lambda stage, _who: slowly(0.02).get(stage), store=store, LEASE_SECONDS="1")
    workers = [world.start("deliver", DELIVERY_CONNECTIONS="2") for _ in range(3)]
    allowed = 0
    for taken, sleeper in ((30, workers[0]), (80, workers[1])):
        world.until_taken(taken)
        sleep_past_the_lease(world, sleeper.pid)
        allowed += 2
    for worker in workers:
        worker.wait()
    world.finish(ahead=1200)
    judge(world, allowed=allowed)


def sleep_past_the_lease(world: World, pid: int) -> None:
    """Between two commits: SQLite's lock would sleep with it, and nobody could take over."""
    try:
        os.kill(pid, signal.SIGSTOP)
        while world.is_written_to() and world.store.is_sqlite:
            os.kill(pid, signal.SIGCONT)
            threading.Event().wait(0.005)
            os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(1.3)  # the lease is one second
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return  # it had nothing left to do
