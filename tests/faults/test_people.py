"""People leave, are erased, come in and are edited around while their issue is being sent."""

import shutil

from tests.faults.conftest import NewWorld
from tests.faults.judge import fingerprint, inspect, judge
from tests.faults.killer import Killer
from tests.faults.people import one_click
from tests.faults.programs import wait_for
from tests.faults.shelf import write_item
from tests.faults.world import World, reader
from tests.relay import free_port

READERS = 60


def second_issue(world: World) -> None:
    """Everybody has issue 1; issue 2 is planned, and the relay's log is empty again."""
    world.finish()
    judge(world)
    world.add_item("later")
    assert world.run("issues", "compile").out.strip() == "2"
    world.run("issues", "send", "2")


def test_leaving_in_mid_send(new_world: NewWorld) -> None:
    """By one click, by command, by erasure: who left before their own turn gets nothing."""
    world = new_world(readers=READERS, DELIVERY_CONNECTIONS="1")
    second_issue(world)
    mails = {taken.recipient: taken for taken in world.relay.taken}
    world.relay.taken.clear()
    world.relay.script = lambda stage, _who: "wait 0.1" if stage == "content" else None
    port = free_port()
    world.start("serve", "--port", str(port))
    world.until_taken(3)
    gone = {reader(53), reader(55), reader(58)}
    assert one_click(mails[reader(53)], port) in (200, 204)
    world.run("subscribers", "leave", reader(55))
    world.run("subscribers", "erase", reader(58))
    come_in(world, "nieuw@plaats.example")
    world.relay.script = lambda stage, recipient: None
    wait_for(lambda: world.state(2) == "sent", "the end of the issue")
    # Goodbye to those who left is a notice, and no issue.
    issues = [taken for taken in world.relay.taken if b"\r\nList-Unsubscribe: " in taken.content]
    world.relay.taken[:] = issues
    got = {taken.recipient for taken in world.relay.taken}
    assert got == set(world.readers) - gone, "who came in now has had no item of it"
    assert world.show(2)["deliveries"]["withdrawn"] == 3
    verdict = inspect(world, number=2, excused=gone)
    assert not verdict.problems, verdict.problems
    assert verdict.duplicates == 0


def come_in(world: World, email: str) -> None:
    file = world.home / "new.csv"
    file.write_text(f"email,confirmed_at\n{email},2026-01-02T09:00:00+01:00\n")
    world.run("subscribers", "import", str(file), "--source", "a test")


def test_leaving_and_a_kill(new_world: NewWorld) -> None:
    """Rows of the killed process are given back; those of who left meanwhile are withdrawn."""
    killer = Killer()
    world = new_world(killer, readers=READERS)
    killer.strike(world, "content")
    waiting = [
        str(row[0])
        for row in world.store.rows(
            "SELECT s.email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id "
            "WHERE d.state = 'claimed' AND d.opened_at IS NULL ORDER BY d.id"
        )
    ]
    gone = {waiting[-1], waiting[-2]}
    world.run("subscribers", "leave", waiting[-1])
    world.run("subscribers", "erase", waiting[-2])
    world.readers = [email for email in world.readers if email != waiting[-2]]
    world.finish()
    judge(world, allowed=4, excused=gone)
    assert not gone & {taken.recipient for taken in world.relay.taken}
    assert world.show()["deliveries"]["withdrawn"] == 2


def test_the_same_person_twice(new_world: NewWorld) -> None:
    """Case and the two forms of a domain name make no second person."""
    world = new_world(readers=20, planned=False)
    same = ["jan@bücher.example", "Jan@BÜCHER.example", "JAN@xn--bcher-kva.example"]
    for email in same:
        come_in(world, email)
    world.run("issues", "send", "1")
    world.run("deliver")
    got = [taken.recipient for taken in world.relay.taken]
    assert sorted(one.lower() for one in got) == sorted(
        ["jan@xn--bcher-kva.example", *world.readers]
    )


def test_edited_and_deleted_in_mid_send(new_world: NewWorld) -> None:
    """One frozen edition: what happens on the shelf, and a new process, changes no copy of it."""
    killer = Killer()
    world = new_world(killer, readers=READERS)
    killer.strike(world, "answered", after=20)
    write_item(world.shelf, "nieuws-1", title="Heel iets anders", body="Heel iets anders.\n")
    (world.shelf / "items" / "2026" / "01" / "nieuws-2.nl.md").unlink()
    world.run("deliver", code=None)
    shutil.rmtree(world.shelf)
    world.finish()
    judge(world, allowed=4)
    prints = {fingerprint(taken.content) for taken in world.relay.taken}
    assert len(prints) == 2, "one for each locale"
    assert not any(b"Heel iets anders" in taken.content for taken in world.relay.taken)
