"""`newsletter …` as real processes: each in a session of its own, ended by its own number."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import config
from tests.faults.nursery import Nursery

SECONDS = 60  # for what takes two seconds on an idle machine
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, seconds: float = SECONDS) -> T:
    """Look again and again until there is something; never sleep and hope."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} seconds")


@dataclass(frozen=True)
class Done:
    """How a program ended and what it said."""

    code: int
    out: str
    err: str


class Birth(Protocol):
    """A way to start a process: returns its number and a way to wait for its end."""

    def __call__(
        self, module: str, arguments: list[str], environ: Mapping[str, str], output: Path
    ) -> tuple[int, Callable[[float], int | None]]: ...


@dataclass(frozen=True)
class Forked:
    """From a process that has imported the program already: five times as quick."""

    nursery: Nursery
    network: str = ""  # the file of the namespace in which it lives

    def __call__(
        self, module: str, arguments: list[str], environ: Mapping[str, str], output: Path
    ) -> tuple[int, Callable[[float], int | None]]:
        known = surroundings() | dict(environ)
        pid = self.nursery.fork(module, arguments, known, output, self.network)
        return pid, lambda seconds: self.nursery.end_of(pid, seconds)


@dataclass(frozen=True)
class Fresh:
    """From nothing, as a shell does; `before` runs in the new process first. `home` is where the
    program lies: another release has a folder of its own."""

    before: Callable[[], None] = lambda: None
    home: Path = config.PROJECT_DIR

    def __call__(
        self, module: str, arguments: list[str], environ: Mapping[str, str], output: Path
    ) -> tuple[int, Callable[[float], int | None]]:
        with Path(f"{output}.out").open("wb") as out, Path(f"{output}.err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=surroundings() | dict(environ),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=self._prepare,
            )

        def end(seconds: float) -> int | None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(seconds)
            return None

        return process.pid, end

    def _prepare(self) -> None:
        """The tests themselves may run in the background, where these are ignored."""
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self.before()


class Program:
    """One process of ours, with whatever it starts."""

    def __init__(
        self,
        birth: Birth,
        module: str,
        arguments: list[str],
        environ: Mapping[str, str],
        output: Path,
    ) -> None:
        self.output, self.arguments = output, arguments
        for suffix in ("out", "err"):  # it may be killed before it opens them
            Path(f"{output}.{suffix}").touch()
        self.pid, self._end = birth(module, arguments, environ, output)
        self._code: int | None = None

    @property
    def runs(self) -> bool:
        return self._ended(0.0) is None

    @property
    def out(self) -> str:
        return Path(f"{self.output}.out").read_text("utf-8")

    @property
    def err(self) -> str:
        return Path(f"{self.output}.err").read_text("utf-8")

    def wait(self, seconds: float = SECONDS) -> Done:
        code = self._ended(seconds)
        assert code is not None, f"{self.arguments} runs after {seconds} seconds: {self.err}"
        return Done(code, self.out, self.err)

    def signal(self, number: int) -> None:
        if self.runs:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9 of the whole session; the relay's script may call this too."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Nothing stays behind, however a test ended."""
        if self.runs:
            self.kill()
            self.wait()

    def _ended(self, seconds: float) -> int | None:
        if self._code is None:
            self._code = self._end(seconds)
        return self._code


def surroundings() -> dict[str, str]:
    """The environment of the tests, without what decides how the program works."""
    return {name: value for name, value in os.environ.items() if name not in vars(config)}
