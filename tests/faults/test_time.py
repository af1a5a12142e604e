"""The clock is wrong, or jumps in mid-send: nobody is skipped, and no slot runs twice."""

import signal
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.programs import wait_for
from tests.faults.world import World

CONNECTIONS = 4
HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_536_000.0
BRUSSELS = ZoneInfo("Europe/Brussels")


@pytest.mark.parametrize(
    ("jump", "then"),
    [(HOUR, HOUR), (-HOUR, -HOUR), (-DAY, -DAY), (YEAR, YEAR), (-DAY, 0), (YEAR, 0)],
    ids=["+1h", "-1h", "-1d", "+1y", "-1d-mended", "+1y-mended"],
)
def test_a_jump_in_mid_send(new_world: NewWorld, jump: float, then: float) -> None:
    """Whether the clock stays wrong or is put right again, `deliver` brings it to its end."""
    world = slow(new_world)
    program = world.start_clocked(0, "deliver")
    world.until_taken(15)
    world.set_clock(jump)
    world.until_taken(len(world.relay.taken) + 8)
    world.set_clock(then)
    finish_clocked(world, then)
    program.wait()
    judge(world, allowed=CONNECTIONS * (1 if then == jump else 2))


@pytest.mark.parametrize("jump", [HOUR, -HOUR, -DAY, YEAR], ids=["+1h", "-1h", "-1d", "+1y"])
def test_a_kill_and_a_jump(new_world: NewWorld, jump: float) -> None:
    """A lease of another time holds up nobody."""
    world = slow(new_world)
    program = world.start_clocked(0, "deliver")
    world.until_taken(15)
    program.kill()
    program.wait()
    finish_clocked(world, jump)
    judge(world, allowed=2 * CONNECTIONS)


def test_two_processes_whose_clocks_differ(new_world: NewWorld) -> None:
    """Two hosts, an hour apart: the lease of each is no older than the other's clock allows."""
    world = slow(new_world, LEASE_SECONDS="30")
    first = world.start("deliver")
    world.until_taken(10)
    second = world.start_clocked(10, "deliver")  # as much as a lease allows
    first.wait()
    second.wait()
    world.finish()
    assert judge(world).duplicates == 0


def test_asleep_over_the_slot(new_world: NewWorld) -> None:
    """Two `serve` wake up after the slot: one issue, and one mail for everybody."""
    world = new_world(
        planned=False,
        readers=20,
        CADENCES="monthly = 0 9 * * *",
        HOLD_HOURS="0",
    )
    world.add_item("later")
    noted = "VALUES ('monthly', '2026-01-01 08:00:00', '2026-01-01 08:00:00', 'a test')"
    world.store.change(f"INSERT INTO slots (cadence, slot, ran_at, outcome) {noted}")
    world.store.change("UPDATE issues SET state = 'stopped'")
    later = seconds_until_nine() + 2 * HOUR
    serving = [world.start_clocked(later, "serve", "--port", "0") for _ in range(2)]
    wait_for(lambda: world.state(2) == "sent", "the issue of the slot")
    for program in serving:
        program.signal(signal.SIGTERM)
    assert {program.wait().code for program in serving} == {0}
    assert world.store.rows("SELECT count(*) FROM issues") == [(2,)]
    assert sorted(taken.recipient for taken in world.relay.taken) == sorted(world.readers)


def slow(new_world: NewWorld, **settings: str) -> World:
    return new_world(
        lambda stage, _recipient: "wait 0.05" if stage == "content" else None,
        readers=60,
        **settings,
    )


def finish_clocked(world: World, offset: float) -> None:
    """Recovery by `deliver` alone, with the clock as it is now."""
    for _ in range(12):
        if world.state() == "sent":
            return
        world.start_clocked(offset, "deliver").wait()
    raise AssertionError(world.show())


def seconds_until_nine() -> float:
    now = datetime.now(UTC).astimezone(BRUSSELS)
    nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
    return ((nine if nine > now else nine + timedelta(days=1)) - now).total_seconds()
