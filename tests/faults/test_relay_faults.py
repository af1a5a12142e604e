"""What relays do to us: nobody is skipped or blamed for it, and doubt stays within its bounds."""

import itertools
import socket
from collections import Counter

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.programs import wait_for
from tests.faults.world import World, reader
from tests.relay import Script, free_port, running

READERS = 60
CONNECTIONS = 4


def first(count: int, at: str, answer: str) -> Script:
    """The first `count` answers at a stage are another one."""
    left = iter([answer] * count)
    return lambda stage, _recipient: next(left, None) if stage == at else None


def once_each(at: str, answer: str) -> Script:
    """Each recipient's first try gets another answer."""
    seen: set[str] = set()

    def script(stage: str, recipient: str) -> str | None:
        if stage != at or recipient in seen:
            return None
        seen.add(recipient)
        return answer

    return script


def at(wanted: str, answer: str) -> Script:
    return lambda stage, _recipient: answer if stage == wanted else None


def nobody_is_blamed(world: World) -> dict[str, int]:
    counts: dict[str, int] = world.show()["deliveries"]
    assert counts["refused"] == counts["withdrawn"] == counts["in_doubt"] == 0, counts
    return counts


def test_down_then_up(new_world: NewWorld) -> None:
    """`serve` needs nobody to tell it that the relay is back."""
    world = new_world(readers=READERS)
    port = free_port()
    world.settings["MAIL_PORT"] = str(port)
    down = world.run("deliver", code=1)
    assert down.err.count("\n") == 1
    assert sum(world.counts().values()) == nobody_is_blamed(world)["pending"] == READERS
    serving = world.start("serve", "--port", "0")
    with running(log=world.relay, port=port):
        wait_for(lambda: world.state() == "sent", "the end of the issue")
        serving.end()
        judge(world)


def test_dead_relay_is_asked_slowly(new_world: NewWorld) -> None:
    """One connection at a time while it refuses all, then the issue goes on by itself."""
    answers = {"banner": "421 4.3.2 no service"}
    world = new_world(lambda stage, _who: answers.get(stage), readers=READERS)
    serving = world.start("serve", "--port", "0")
    wait_for(lambda: world.relay.connections >= CONNECTIONS + 2, "more than the first try")
    asked = world.relay.connected_at[CONNECTIONS:]
    gaps = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert min(gaps) > 0.5, gaps  # RELAY_REST_SECONDS is 1
    nobody_is_blamed(world)
    answers.clear()
    wait_for(lambda: world.state() == "sent", "the end of the issue")
    serving.end()
    judge(world)


def test_half_open(new_world: NewWorld) -> None:
    """TCP stands and nobody speaks: an end within the time limit, and nobody in doubt."""
    world = new_world(readers=READERS, MAIL_TIMEOUT="1")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        world.run("deliver", code=1, MAIL_PORT=str(mute.getsockname()[1]))
    assert nobody_is_blamed(world)["pending"] == READERS
    world.finish()
    judge(world)


def test_banner_hangs(new_world: NewWorld) -> None:
    world = new_world(first(3, "banner", "silence"), readers=READERS, MAIL_TIMEOUT="1")
    world.finish()
    judge(world)


def test_slow(new_world: NewWorld) -> None:
    """Each answer takes a while: longer than a lease in all, never so for one answer."""
    stages = ("mail", "rcpt", "data", "content")
    world = new_world(lambda stage, _who: "wait 0.03" if stage in stages else None, readers=READERS)
    world.finish()
    assert judge(world).in_doubt == 0


def test_silence_after_the_dot(new_world: NewWorld) -> None:
    """The relay has it and does not say so: in doubt, and sent again under the same name."""
    script = first(CONNECTIONS, "content", "taken, then silence")
    world = new_world(script, readers=READERS, MAIL_TIMEOUT="1")
    world.finish()
    verdict = judge(world, allowed=CONNECTIONS)
    assert verdict.duplicates == verdict.in_doubt == CONNECTIONS


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "lockstep"])
def test_temporary_no_at_each_verb(new_world: NewWorld, pipelining: bool) -> None:
    replies = [
        ("banner", "421 4.3.2 busy"),
        ("ehlo", "421 4.3.0 busy"),
        ("mail", "451 4.3.0 later"),
        ("mail", "452 4.3.1 no room"),
        ("rcpt", "450 4.2.1 later"),
        ("rcpt", "452 4.2.2 mailbox full"),
        ("rcpt", "452 4.5.3 too many recipients"),
        ("data", "451 4.3.0 later"),
        ("content", "452 4.3.1 no room"),
        ("content", "451 4.7.1 later"),
        ("rcpt", "454 4.7.0 too much mail"),
    ]
    world = new_world(_each_once(replies), readers=READERS, relay={"pipelining": pipelining})
    world.finish()
    nobody_is_blamed(world)
    assert judge(world).duplicates == 0


def _each_once(replies: list[tuple[str, str]], every: int = 3) -> Script:
    """Each reply once, with usual answers between them."""
    left, passed = list(replies), 0

    def script(stage: str, _recipient: str) -> str | None:
        nonlocal passed
        passed += stage == "answered"
        mine = next((pair for pair in left if pair[0] == stage), None)
        early = stage not in ("banner", "ehlo")
        if mine is None or (early and passed < every * (len(replies) - len(left))):
            return None
        left.remove(mine)
        return mine[1]

    return script


def test_temporary_no_at_ehlo_and_auth_means_slower(new_world: NewWorld) -> None:
    world = new_world(
        first(2, "auth", "454 4.7.0 temporary authentication failure"),
        readers=READERS,
        relay={"offers": ("AUTH PLAIN LOGIN",)},
        MAIL_USERNAME="fiabel",
        MAIL_PASSWORD="a secret of the relay",
        MAIL_ALLOW_PLAINTEXT="yes",
    )
    world.finish()
    nobody_is_blamed(world)
    judge(world)


def test_greylisting(new_world: NewWorld) -> None:
    """Every recipient is sent away once; the breaker takes that for what it is."""
    script = once_each("rcpt", "451 4.7.1 greylisted, try again later")
    world = new_world(script, readers=READERS, FAILURE_SHARE="0.3", FAILURE_SAMPLE="20")
    world.finish()
    assert judge(world).duplicates == 0
    assert min(Counter(world.relay.recipients).values()) == 2


@pytest.mark.parametrize("reply", ["421 4.3.2 closing", "421 closing"])
@pytest.mark.parametrize("stage", ["rcpt", "content"])
def test_421_in_mid_session(new_world: NewWorld, stage: str, reply: str) -> None:
    world = new_world(first(3, stage, f"say {reply}, then cut"), readers=READERS)
    world.finish()
    nobody_is_blamed(world)
    assert judge(world).duplicates == 0


def test_a_permanent_no_hits_one_recipient(new_world: NewWorld) -> None:
    unlucky = {reader(7): "rcpt", reader(33): "content"}

    def script(stage: str, recipient: str) -> str | None:
        return "550 5.1.1 no such user" if unlucky.get(recipient) == stage else None

    world = new_world(script, readers=READERS)
    world.finish()
    judge(world, excused=set(unlucky))
    assert world.show()["deliveries"]["refused"] == 2


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("auth", "535 5.7.8 authentication failed"),
        ("banner", "554 5.7.1 no SMTP service here"),
        ("mail", "550 5.7.1 sender rejected"),
        ("content", "552 5.3.4 message too big"),
        ("content", "550 5.7.26 unauthenticated mail"),
    ],
)
def test_a_no_to_us_stops_the_run_and_blames_nobody(
    new_world: NewWorld, stage: str, reply: str
) -> None:
    world = new_world(
        at(stage, reply),
        readers=READERS,
        relay={"offers": ("AUTH PLAIN LOGIN", "SIZE 1000")},
        MAIL_USERNAME="fiabel",
        MAIL_PASSWORD="a secret of the relay",
        MAIL_ALLOW_PLAINTEXT="yes",
    )
    done = world.run("deliver", code=1)
    assert "Traceback" not in done.err
    assert nobody_is_blamed(world)["pending"] == READERS
    assert len(world.relay.recipients) <= 3 * CONNECTIONS, "not one for each reader"
    world.relay.script = lambda stage, recipient: None
    if world.state() != "sending":
        world.run("issues", "resume", "1")
    world.finish()
    judge(world)


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "lockstep"])
def test_disconnect_at_each_verb_and_at_the_dot(new_world: NewWorld, pipelining: bool) -> None:
    cuts = [(stage, "cut") for stage in ("banner", "ehlo", "mail", "rcpt", "data", "content")]
    after_the_dot = [("content", "taken, then cut")]
    script = _each_once([*cuts, *after_the_dot], every=5)
    world = new_world(script, readers=READERS, relay={"pipelining": pipelining})
    world.finish()
    verdict = judge(world, allowed=1)
    assert verdict.duplicates == 1
    assert verdict.in_doubt == 2, "one was taken, of the other nobody could know"


@pytest.mark.parametrize(
    "answer",
    [
        "what is this",
        "",
        "25",
        "999 5.0.0 no such code",
        "250\0 ok",
        "\udcff\udcfe\udcfd",
        "250-" + "x" * 200_000,
    ],
    ids=["words", "empty", "short", "999", "nul", "octets", "endless"],
)
def test_garbage(new_world: NewWorld, answer: str) -> None:
    """Garbage at the envelope breaks a conversation; the next one is sound."""
    world = new_world(first(2, "rcpt", answer), readers=READERS, MAIL_TIMEOUT="1")
    world.finish()
    judge(world, excused=blamed_for_999(world, answer))


def blamed_for_999(world: World, answer: str) -> set[str]:
    """A code that is none may count as a refusal of that one recipient, and of nobody else."""
    if not answer.startswith("999"):
        return set()
    refused = world.store.rows(
        "SELECT s.email FROM subscribers s JOIN deliveries d ON d.subscriber_id = s.id "
        "WHERE d.state = 'refused'"
    )
    return {str(row[0]) for row in refused}


def test_long_and_multi_line_replies(new_world: NewWorld) -> None:
    """RFC 5321 4.2.1: any reply may have many lines, each of up to 512 octets and more."""

    def script(stage: str, _recipient: str) -> str | None:
        code = {"banner": "220", "data": "354"}.get(stage, "250")
        if stage in ("partial", "answered", "quit"):
            return None
        lines = [f"{code}-2.0.0 " + "x" * 500] * 20
        return "\r\n".join([*lines, f"{code} 2.0.0 done"])

    world = new_world(script, readers=READERS)
    world.finish()
    judge(world)


def test_no_smtputf8(new_world: NewWorld) -> None:
    """An address the relay cannot carry is one reader's trouble; nothing but ASCII goes out."""
    world = new_world(readers=READERS)
    change = "UPDATE subscribers SET email = 'zoë@voorbeeld.example' WHERE email LIKE 'r9@%'"
    world.store.change(change)
    world.readers.remove(reader(9))
    world.finish()
    judge(world)
    assert world.show()["deliveries"]["refused"] == 1
    assert all(name.isascii() for name in world.relay.recipients)


def test_too_many_failures_pause_the_issue(new_world: NewWorld) -> None:
    """Everybody refused is no fault of everybody: the issue pauses by itself and says why."""
    world = new_world(
        at("rcpt", "550 5.7.1 rejected"),
        readers=READERS,
        FAILURE_SHARE="0.3",
        FAILURE_SAMPLE="20",
    )
    world.run("deliver", code=None)
    shown = world.show()
    assert shown["state"] == "paused", shown
    assert shown["why"]
    assert shown["deliveries"]["refused"] <= 30, "it did not go through all of them"
