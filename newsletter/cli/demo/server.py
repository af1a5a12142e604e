"""The server the demo drives: a real `newsletter serve`, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import config
from newsletter.cli.demo import browser
from newsletter.cli.demo.browser import DemoFailed

START_SECONDS = 30
STOP_SECONDS = 10


class Server:
    """Starts on entering, ends on leaving, whatever happens between."""

    def __init__(self, environ: Mapping[str, str], port: int, log: Path) -> None:
        self.environ, self.port, self.log = environ, port, log
        self.url = f"http://localhost:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            # In a session of its own: Ctrl-C goes to the demo, and the demo ends the server.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "newsletter.cli", "serve", "--port", str(self.port)],
                env=os.environ | self.environ,
                cwd=config.PROJECT_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = self.stop()
        if code and error is None:
            raise DemoFailed(f"The server ended with code {code}; see {self.log}.")

    def stop(self) -> int:
        """End the process; its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._running():
            try:
                if browser.get(f"{self.url}/").status == 200:
                    return
            except DemoFailed:
                time.sleep(0.1)
        said = self.log.read_text("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise DemoFailed(f"The server did not start; it said: {said[-1]} (see {self.log}).")

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None


def free_ports(count: int) -> list[int]:
    """TCP ports of this machine that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
