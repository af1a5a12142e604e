"""A backup that was put back in mid-send, and a copied server, send nothing by themselves."""

import json
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.stores import Store
from tests.faults.world import World

READERS = 120
GONE = {"left": "r100@plaats33.example", "erased": "r101@plaats33.example"}
GONE["bounced"] = "r102@plaats34.example"

UNKNOWN = {"MACHINE_ID": "another machine altogether"}


def slowly(stage: str, _recipient: str) -> str | None:
    return "wait 0.02" if stage == "content" else None


def at_once(_stage: str, _recipient: str) -> str | None:
    return None


def restored_in_mid_send(world: World) -> int:
    """Some have it, a backup is made under way, more get it, people go, the backup is put back.
    Returns how many messages the relay took after the backup was begun."""
    world.relay.script = slowly
    program = world.start("deliver", DELIVERY_CONNECTIONS="2")
    world.until_taken(15)
    file = world.home / "yesterday"
    made = json.loads(world.run("backup", str(file), "--json").out)
    assert "the rows of each table were counted" in made["proven"]
    at_backup = len(world.relay.taken)
    world.until_taken(at_backup + 15)
    program.kill()
    world.run("subscribers", "leave", GONE["left"])
    world.run("subscribers", "erase", GONE["erased"])
    world.run("suppressions", "add", GONE["bounced"])
    refused = world.run("restore", str(file), code=1)
    assert "--force" in refused.err
    said = world.run("restore", str(file), "--force").out
    assert "newsletter adopt" in said
    world.relay.script = at_once
    return at_backup


def sends_nothing(world: World, **settings: str) -> None:
    before = len(world.relay.taken)
    for command in (["deliver"], ["issues", "resume", "1"], ["deliver", "--issue", "1"]):
        done = world.run(*command, code=None, **settings)
        assert command[0] == "issues" or done.code == 1, done
        assert command[0] == "issues" or "newsletter adopt" in done.err, done
    assert len(world.relay.taken) == before


@pytest.mark.parametrize("choice", ["send", "withdraw"])
def test_a_backup_restored_in_mid_send(new_world: NewWorld, store: str, choice: str) -> None:
    world = new_world(readers=READERS, store=store)
    restored_in_mid_send(world)
    sends_nothing(world)
    before = {taken.recipient for taken in world.relay.taken}
    count = len(world.relay.taken)
    refused = world.run("adopt", code=2)
    assert "--send or --withdraw" in refused.err
    done = json.loads(world.run("adopt", f"--{choice}", "--json").out)
    assert done["held"]["issues"][0]["open"] > 0
    assert done["choice"] == choice
    world.run("deliver", code=None)
    after = [taken.recipient for taken in world.relay.taken[count:]]
    assert not set(after) & set(GONE.values()), "nobody who left since is mailed"
    if choice == "withdraw":
        assert after == []
        assert world.state() == "stopped"
        assert world.show()["deliveries"]["withdrawn"] > 0
        return
    world.finish()
    assert set(after) & before, "as the command says: some get it twice"
    assert set(after) | before == set(world.readers) - set(GONE.values())
    judge(world, allowed=READERS, excused=set(GONE.values()))


@pytest.fixture
def sent_in_part(new_world: NewWorld) -> World:
    world = new_world(readers=READERS)
    world.relay.script = slowly
    program = world.start("deliver")
    world.until_taken(10)
    program.kill()
    world.relay.script = at_once
    return world


def test_a_copied_folder_on_the_same_machine(sent_in_part: World) -> None:
    world = sent_in_part
    place = world.store
    world.store = place.clone(world.home / "copy")
    sends_nothing(world)
    world.store = place
    world.finish()
    judge(world, allowed=4)


def test_the_same_path_on_another_machine(sent_in_part: World) -> None:
    sends_nothing(sent_in_part, **UNKNOWN)
    sent_in_part.finish()
    judge(sent_in_part, allowed=4)


def test_a_database_put_back_by_hand(sent_in_part: World) -> None:
    """Without our commands: the file of SQLite, copied while nobody sent, over itself."""
    world = sent_in_part
    yesterday = world.home / "by-hand"
    keep(world.store, yesterday)
    world.relay.script = slowly
    program = world.start("deliver")
    world.until_taken(30)
    program.kill()
    world.relay.script = at_once
    for file in yesterday.iterdir():
        shutil.copy(file, world.store.folder / file.name)
    sends_nothing(world)


def keep(store: Store, folder: Path) -> None:
    folder.mkdir()
    for file in store.folder.glob("newsletter.db*"):
        shutil.copy(file, folder / file.name)
