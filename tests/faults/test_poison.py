"""One bad row, one enormous issue, one nasty text: the rest goes, byte by byte."""

import email
import email.policy

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.shelf import write_item
from tests.faults.world import reader

READERS = 60
BAD = {
    5: "a'||char(10)||'b@plaats.example",
    11: "a'||char(13)||char(10)||'RCPT TO:<x@y.example>@plaats.example",
    17: "a'||char(0)||'b@plaats.example",
    23: "a'||char(8238)||'b@plaats.example",
    29: "geen adres",
    35: "",
    41: "a b@plaats.example>",
    47: "@",
}


def test_addresses_that_cannot_be_mailed(new_world: NewWorld) -> None:
    """Each is parked with a reason, none reaches the relay, and the others get their mail."""
    world = new_world(readers=READERS)
    for number, bad in BAD.items():
        world.store.change(
            f"UPDATE subscribers SET email = '{bad}' WHERE email = '{reader(number)}'"
        )
        world.readers.remove(reader(number))
    world.finish()
    judge(world)
    assert world.show()["deliveries"]["refused"] == len(BAD)
    reasons = world.store.rows("SELECT reply FROM deliveries WHERE state = 'refused'")
    assert all(row[0] for row in reasons), reasons
    assert {taken.recipient for taken in world.relay.taken} == set(world.readers)
    assert set(world.relay.recipients) <= set(world.readers)


NASTY = """\
Een zin.

.puntje vooraan

..twee puntjes en dan {long} en verder.

From iemand: dit staat vooraan een regel

- rechts naar links: \u05e9\u05dc\u05d5\u05dd
- samengesteld: e\u0301\u0327, 👩\u200d👩\u200d👧, \U0001f1e7\U0001f1ea
"""


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "lockstep"])
def test_nasty_text_survives(new_world: NewWorld, pipelining: bool) -> None:
    world = new_world(planned=False, readers=20, relay={"pipelining": pipelining})
    long = "woord" * 400
    body = NASTY.format(long=long)
    write_item(world.shelf, "nasty", title="Naar: 1 < 2 & “zo”…", body=body)
    number = world.run("issues", "compile", "--items", "nasty").out.strip()
    world.run("issues", "send", number)
    world.run("deliver")
    taken = world.relay.taken[0]
    assert b"\r\n.\r\n" not in taken.raw
    assert not any(line.startswith(b".") and line[1:2] != b"." for line in taken.raw.split(b"\r\n"))
    assert max(map(len, taken.content.split(b"\r\n"))) <= 998
    assert taken.content.isascii()
    whole = email.message_from_bytes(taken.content, policy=email.policy.default)
    for kind in ("plain", "html"):
        part = whole.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert long in text.replace("\n", "")
        assert "puntje vooraan" in text
        assert "👩\u200d👩\u200d👧" in text


def test_five_hundred_items(new_world: NewWorld) -> None:
    """It compiles and is sent, or a sentence says why not."""
    world = new_world(planned=False, readers=20)
    for number in range(500):
        write_item(world.shelf, f"veel-{number}", title=f"Bericht {number}")
    done = world.run("issues", "compile", code=None)
    assert "Traceback" not in done.err
    if done.code:
        assert done.err.count("\n") <= 3
        return
    sent = world.run("issues", "send", done.out.strip(), code=None)
    assert "Traceback" not in sent.err
    if sent.code == 0:
        world.run("deliver")
        assert sorted(taken.recipient for taken in world.relay.taken) == sorted(world.readers)
    else:
        assert sent.err.strip()
