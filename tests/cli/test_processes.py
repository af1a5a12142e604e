"""`newsletter serve` with several processes (WEB_PROCESSES): one clock leads, no end is felt."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from newsletter.cli.demo import browser
from newsletter.cli.demo.browser import Form
from tests.cli.serving import SECONDS, Serving
from tests.faults.programs import wait_for

PROCESSES = 2
PEOPLE = 8
KEPT = 32  # connections

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs Linux's /proc to find the processes"
)


@pytest.fixture
def several(serve_migrated: Callable[..., Serving]) -> Serving:
    serving = serve_migrated(WEB_PROCESSES=str(PROCESSES)).until_running()
    wait_for(lambda: len(serving.children()) == PROCESSES, "all processes")
    wait_for(lambda: serving.store.count() == 4, "mail to the four sample readers")
    return serving


def leader(serving: Serving) -> int:
    """The process whose clock leads."""
    return int((serving.folder / "clock.lock").read_text() or 0)


def sign_up(form: Form, email: str) -> str:
    return browser.post(form.url, form.fields | {"email": email}).url


def test_one_clock_leads_and_each_mail_goes_once(several: Serving) -> None:
    form = browser.get(f"{several.url}/nl/signup").form("/nl/signup")
    people = [f"nieuw{number}@voorbeeld.example" for number in range(PEOPLE)]
    with ThreadPoolExecutor(PEOPLE) as pool:
        ends = pool.map(lambda email: sign_up(form, email), people)
        assert {end.removeprefix(several.url) for end in ends} == {"/nl/check-your-mail"}
    wait_for(lambda: several.store.count("nieuw") >= PEOPLE, "the confirm mails")
    assert [several.store.count(email) for email in people] == [1] * PEOPLE
    assert leader(several) in several.children()
    assert several.said.count("Fiabel is running.") == 1
    assert "rror" not in several.said


@pytest.mark.sqlite("a matter of processes, not of the database")
def test_when_the_leader_dies_another_leads_and_it_is_replaced(several: Serving) -> None:
    dead = wait_for(lambda: leader(several), "a leader")
    os.kill(dead, signal.SIGKILL)
    # What it was serving is cut off; who comes now is served by the other.
    wait_for(lambda: dead not in several.children(), "the end of the leader")
    form = browser.get(f"{several.url}/nl/signup").form("/nl/signup")
    assert sign_up(form, "nieuw@voorbeeld.example").endswith("/nl/check-your-mail")
    wait_for(lambda: several.store.count("nieuw@voorbeeld.example"), "the confirm mail")
    wait_for(lambda: len(set(several.children()) - {dead}) == PROCESSES, "a new process")
    assert leader(several) != dead


@pytest.mark.sqlite("a matter of processes, not of the database")
def test_connections_that_are_kept_are_shared_out(several: Serving) -> None:
    with contextlib.ExitStack() as stack:
        before = {pid: sockets(pid) for pid in several.children()}
        for _ in range(KEPT):
            where = ("127.0.0.1", several.port)
            client = stack.enter_context(socket.create_connection(where, timeout=SECONDS))
            client.sendall(b"GET /static/favicon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
        more = [sockets(pid) - count for pid, count in before.items()]
    assert min(more) >= KEPT // PROCESSES // 4, more  # idle ones are let go after a while


def sockets(pid: int) -> int:
    """How many a process has open."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(link.readlink()).startswith("socket:")
    return count


@pytest.mark.sqlite("a matter of processes, not of the database")
def test_the_end_drains_every_process(several: Serving) -> None:
    processes = several.children()
    several.process.signal(signal.SIGTERM)
    assert several.process.wait(SECONDS).code == 0, several.said
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    assert "rror" not in several.said
