"""A backup that was put back in mid-send, and a copied server, send nothing by themselves."""

import json

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.world import World
from tests.relay import Script

GONE = {"left": "r290@plaats96.example", "erased": "r291@plaats97.example"}
GONE["blocked"] = "r292@plaats97.example"
UNKNOWN = {"MACHINE_ID": "another machine altogether"}


def waiting(seconds: float) -> Script:
    """A relay that takes its time for each content."""
    return lambda stage, _recipient: f"wait {seconds}" if stage == "content" else None


def restored_in_mid_send(world: World) -> None:
    """Some have it, a backup is made under way, more get it, people go, the backup is put back."""
    world.relay.script = waiting(0.3)
    program = world.start("deliver", DELIVERY_CONNECTIONS="2")
    world.until_taken(4)
    file = world.home / "yesterday"
    made = json.loads(world.run("backup", str(file), "--json").out)
    assert "the rows of each table were counted" in made["proven"]
    world.relay.script = waiting(0.02)
    world.until_taken(len(world.relay.taken) + 10)
    program.kill()
    assert not {taken.recipient for taken in world.relay.taken} & set(GONE.values())
    world.run("subscribers", "leave", GONE["left"])
    world.run("subscribers", "erase", GONE["erased"])
    world.run("suppressions", "add", GONE["blocked"])
    assert "--force" in world.run("restore", str(file), code=1).err
    assert "newsletter adopt" in world.run("restore", str(file), "--force").out
    world.relay.script = waiting(0)


def sends_nothing(world: World, **settings: str) -> None:
    before = len(world.relay.taken)
    for command in (["deliver"], ["issues", "resume", "1"], ["deliver", "--issue", "1"]):
        done = world.run(*command, code=None, **settings)
        assert command[0] == "issues" or done.code == 1, done
        assert command[0] == "issues" or "newsletter adopt" in done.err, done
    assert len(world.relay.taken) == before


def test_a_backup_restored_in_mid_send(new_world: NewWorld, store: str) -> None:
    world = new_world(store=store)
    restored_in_mid_send(world)
    sends_nothing(world)
    assert "--send or --withdraw" in world.run("adopt", code=2).err
    place = world.store
    world.store = place.clone(world.home / "once-more")  # held as well: both can be tried
    try:
        withdrawn_by_a_person(world)
    finally:
        world.store.drop()
        world.store = place
    sent_by_a_person(world)


def withdrawn_by_a_person(world: World) -> None:
    done = json.loads(world.run("adopt", "--withdraw", "--json").out)
    assert done["adopted"]["withdrawn"] == done["held"]["issues"][0]["open"] > 0
    before = len(world.relay.taken)
    world.run("deliver", code=None)
    assert len(world.relay.taken) == before
    assert world.state() == "stopped"


def sent_by_a_person(world: World) -> None:
    before = [taken.recipient for taken in world.relay.taken]
    assert json.loads(world.run("adopt", "--send", "--json").out)["choice"] == "send"
    world.finish()
    after = {taken.recipient for taken in world.relay.taken[len(before) :]}
    assert not after & set(GONE.values()), "nobody who left since is mailed"
    assert after | set(before) == set(world.readers) - set(GONE.values()), "nobody is skipped"
    assert after & set(before), "some get it twice, as the command said"


@pytest.fixture
def sent_in_part(new_world: NewWorld) -> World:
    world = new_world(waiting(0.02))
    program = world.start("deliver")
    world.until_taken(10)
    program.kill()
    world.relay.script = waiting(0)
    return world


def test_a_copied_server(sent_in_part: World) -> None:
    """The folder under another path, and the same path on another machine; the original goes on."""
    world, place = sent_in_part, sent_in_part.store
    sends_nothing(world, **UNKNOWN)
    world.store = place.clone(world.home / "copy")
    sends_nothing(world)
    world.store = place
    world.finish()
    judge(world, allowed=4)


def test_a_database_put_back_by_hand(sent_in_part: World) -> None:
    """Without our commands: the files of SQLite, copied while nobody sent, over themselves."""
    world = sent_in_part
    kept = {file: file.read_bytes() for file in world.store.folder.glob("newsletter.db*")}
    world.relay.script = waiting(0.02)
    program = world.start("deliver")
    world.until_taken(30)
    program.kill()
    for file, content in kept.items():
        file.write_bytes(content)
    sends_nothing(world)
