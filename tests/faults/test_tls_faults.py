"""STARTTLS missing, expired, wrong or cut: nothing of ours travels unencrypted, ever."""

from pathlib import Path

import pytest

from tests.faults.certificates import certificate, server_context
from tests.faults.conftest import NewWorld
from tests.faults.judge import judge
from tests.faults.world import World

HARMLESS = {"EHLO", "HELO", "STARTTLS", "QUIT", "RSET", "NOOP"}
READERS = 20


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    return certificate(tmp_path / "relay.pem")


def over_tls(new_world: NewWorld, file: Path, trusted: Path, **relay: object) -> World:
    return new_world(
        readers=READERS,
        relay={"starttls": server_context(file), "offers": ("AUTH PLAIN LOGIN",), **relay},
        MAIL_SERVER="localhost",
        MAIL_USE_TLS="yes",
        MAIL_USERNAME="fiabel",
        MAIL_PASSWORD="a secret of the relay",
        MAIL_TIMEOUT="1",
        SSL_CERT_FILE=str(trusted),
    )


def nothing_leaked(world: World) -> None:
    assert set(world.relay.unencrypted) <= HARMLESS
    assert world.relay.taken == []
    counts = world.show()["deliveries"]
    assert counts["pending"] == counts["planned"] == READERS, "no reader is to blame"
    assert counts["in_doubt"] == 0


def test_a_sound_certificate_carries_everything(new_world: NewWorld, trusted: Path) -> None:
    world = over_tls(new_world, trusted, trusted)
    world.finish()
    judge(world)
    assert set(world.relay.unencrypted) <= HARMLESS
    assert "AUTH" in world.relay.verbs


@pytest.mark.parametrize("fault", ["expired", "wrong name", "nobody's"])
def test_a_wrong_certificate(
    new_world: NewWorld, tmp_path: Path, trusted: Path, fault: str
) -> None:
    file = certificate(
        tmp_path / "wrong.pem",
        name="another.example" if fault == "wrong name" else "localhost",
        expired=fault == "expired",
    )
    world = over_tls(new_world, file, trusted if fault == "nobody's" else file)
    done = world.run("deliver", code=1)
    assert "certificate" in done.err
    assert done.err.count("\n") == 1
    nothing_leaked(world)


def test_starttls_missing(new_world: NewWorld, trusted: Path) -> None:
    world = over_tls(new_world, trusted, trusted, starttls=None)
    done = world.run("deliver", code=1)
    assert done.err.count("\n") == 1
    nothing_leaked(world)


@pytest.mark.parametrize(
    "answer",
    [
        "cut",
        "silence",
        "454 4.7.0 TLS not available",
        "501 5.5.4 no parameters",
        "say 220 2.0.0 go ahead, then cut",
        "say 220 2.0.0 go ahead\r\n250 2.1.0 ok\r\n250 2.1.5 ok, then cut",
    ],
)
def test_starttls_broken(new_world: NewWorld, trusted: Path, answer: str) -> None:
    world = over_tls(new_world, trusted, trusted)
    world.relay.script = lambda stage, _who: answer if stage == "starttls" else None
    world.run("deliver", code=1)
    nothing_leaked(world)
    world.relay.script = lambda stage, recipient: None
    world.finish()
    judge(world)
    assert set(world.relay.unencrypted) <= HARMLESS


def test_cut_after_the_handshake(new_world: NewWorld, trusted: Path) -> None:
    """The first greeting over TLS is cut off; the next connection asks for TLS again."""
    greetings = iter(["usual", "cut"] * 3)
    world = over_tls(new_world, trusted, trusted)
    world.settings["DELIVERY_CONNECTIONS"] = "1"

    def script(stage: str, _recipient: str) -> str | None:
        return "cut" if stage == "ehlo" and next(greetings, "") == "cut" else None

    world.relay.script = script
    world.finish()
    judge(world)
    assert set(world.relay.unencrypted) <= HARMLESS
