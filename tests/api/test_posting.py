"""Posting: to the public internet only, over verified TLS, and never for long."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.errors import FixRequest
from newsletter.models import EventKind
from newsletter.programs import endpoints, posting
from newsletter.programs.events import Letter
from tests.api.receiver import receiver
from tests.faults.certificates import certificate, server_context
from tests.web.conftest import World

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.1"),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:db8::1"),
    *("fec0::1", "feff::1", "3fff::1", "3fff:fff::1"),
)


def letter(url: str) -> Letter:
    return Letter(1, 1, url, "evt_1", b"{}", (b"key",))


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not posting.is_public(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9"])
def test_the_internet_is_public(address: str) -> None:
    assert posting.is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::1]"])
def test_nothing_inside_is_connected_to_however_it_is_written(host: str) -> None:
    with receiver() as mine:
        port = mine.url.split(":")[2].split("/")[0]
        outcome = posting.post(letter(f"http://{host}:{port}/"), NOW)
    assert outcome == "the address is not public"
    assert mine.got == []


def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: what was looked at is what is connected to."""
    connected: list[str] = []
    answers = iter(["9.9.9.9", "127.0.0.1"])

    def resolve(host: str, port: int, **_more: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], _timeout: float) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert posting.post(letter("https://rebind.example/"), NOW) == "no answer"
    assert connected == ["9.9.9.9"]


@pytest.mark.parametrize(
    ("takes", "given"), [((15, 9), [15]), ((9, 20), [15, 6]), ((5, 5, 4), [15, 10, 5])]
)
def test_all_addresses_share_one_deadline(
    monkeypatch: pytest.MonkeyPatch, takes: tuple[int, ...], given: list[int]
) -> None:
    """However long each takes, and also when the last one answers after it."""
    clock, timeouts, mine = [100.0], list[float](), list[socket.socket]()

    def resolve(_host: str, port: int, **_more: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (f"9.9.9.{place}", port)) for place, _ in enumerate(takes)]

    def connect(_address: tuple[str, int], timeout: float) -> socket.socket:
        timeouts.append(timeout)
        clock[0] += takes[len(timeouts) - 1]
        if len(timeouts) < len(given):
            raise TimeoutError
        here, there = socket.socketpair()
        there.close()
        mine.append(here)
        return here

    monkeypatch.setattr(posting, "monotonic", lambda: clock[0])
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert posting.post(letter("http://x.example/"), NOW) == "no answer"
    assert timeouts == given
    assert [one.fileno() for one in mine] == [-1], "closed"


def test_one_private_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(_host: str, port: int, **_more: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (one, port)) for one in ("9.9.9.9", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert posting.post(letter("https://x.example/"), NOW) == "the address is not public"


@pytest.fixture
def silent() -> Iterator[str]:
    """Answers a byte at a time, without an end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _address = server.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"H")
                        time.sleep(0.01)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def test_an_answer_without_an_end_ends(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "SECONDS", 0.1)
    assert posting.post(letter(silent), NOW, inside=True) == "no answer"


def test_who_cannot_prove_the_name_is_told_nothing(tmp_path: Path) -> None:
    context, read = server_context(certificate(tmp_path / "cert.pem")), list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _address = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    read.append(secure.recv(10))
            except OSError:
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}/"
        assert posting.post(letter(url), NOW, inside=True) == "TLS failed"
        thread.join()
    assert read in ([], [b""])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://crm.voorbeeld.be/",
        "ftp://crm.voorbeeld.be/",
        "https://",
        "https://jan:geheim@crm.voorbeeld.be/",
        "https://crm.voorbeeld.be/a b",
        "https://crm.voorbeeld.be:99999/",
        "https://[::1/",
        "https://crm.voorbeeld.be/" + "x" * 500,
    ],
)
def test_an_endpoint_has_an_https_address(world: World, url: str) -> None:
    with world.database.write() as session, pytest.raises(FixRequest):
        endpoints.make(session, url, [EventKind.LEFT], NOW)


def test_an_endpoint_wants_to_know_something_there_is(world: World) -> None:
    for kinds in ([], ["subscriber.born"]):
        with world.database.write() as session, pytest.raises(FixRequest):
            endpoints.make(session, "https://crm.voorbeeld.be/", kinds, NOW)
