"""`newsletter serve` as a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import config
from newsletter.catcher import FOLDER, Store
from newsletter.cli.demo import browser
from newsletter.cli.demo.server import free_ports

SECONDS = 30
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {SECONDS} seconds")


def as_from_a_terminal() -> None:
    """The test itself may run under nohup or in the background, where these are ignored."""
    for name in (signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)


class Serving:
    """One `newsletter serve` with an instance folder of its own."""

    def __init__(self, folder: Path, *arguments: str, patch: str = "", **environ: str) -> None:
        """`patch`: Python that changes the program before it starts."""
        self.folder, self.store = folder, Store(folder / FOLDER)
        self.port, self.catcher_port = free_ports(2)
        self.output = folder.parent / "output.txt"
        mine = {"INSTANCE_DIR": str(folder), "CATCHER_PORT": str(self.catcher_port)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*_program(patch), "serve", f"--port={self.port}", *arguments],
                env=clean_environ() | mine | environ,
                cwd=config.PROJECT_DIR,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=as_from_a_terminal,
            )

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def said(self) -> str:
        return self.output.read_text("utf-8")

    def until_running(self) -> "Serving":
        wait_for(lambda: "Stop" in self.said or self.process.poll() is not None, "the start")
        assert "is running" in self.said, self.said
        return self

    def get(self, path: str) -> str:
        return browser.get(f"{self.url}{path}").body

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _program(patch: str) -> list[str]:
    if not patch:
        return [sys.executable, "-m", "newsletter.cli"]
    return [sys.executable, "-c", f"{patch}\nfrom newsletter.cli import main\nmain()"]


def clean_environ() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in vars(config)}
