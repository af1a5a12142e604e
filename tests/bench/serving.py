"""The server of the web's bench: `newsletter serve` with an empty route, in its own processes."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import world
from tests.bench.world import World
from tests.relay import free_port

CONNECTIONS = 32  # of the visitors
# Practically none, but counted. (Far higher ones would be rounded to no step at all.)
NO_LIMITS = dict.fromkeys(("SIGNUP_IP_RATE", "SIGNUP_RATE"), "100000/second")
SEND_RATE = 300  # messages a second of the send that goes on beside


def made(folder: Path, url: str, relay: int, readers: int, **more: str) -> World:
    """A world to visit: behind a proxy, with little work to prove, and a send that lasts."""
    folder.mkdir()
    found = world.make(folder, url, relay, readers)
    environ = {
        "TRUSTED_PROXIES": "1",
        "WORK_BITS": "4",
        "DELIVERY_RATE": f"{SEND_RATE}/second",
        **NO_LIMITS,
    }
    return World(found.environ | environ | more, readers)


@contextlib.contextmanager
def serving(visited: World) -> Iterator[int]:
    """The site of this world: its port. What it logs goes to a file in INSTANCE_DIR."""
    port = free_port()
    log = Path(visited.environ["INSTANCE_DIR"]) / "serve.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.site", f"--port={port}"],
            env=visited.environ,
            cwd=world.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: _answers(port), "the start of the server")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/empty", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(look: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Look until it is so; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.1)
