"""Processes that need not be born from nothing: one that has imported the program forks the others.

Starting `newsletter` is mostly reading modules. A fork of a process that has read them and done
nothing else is as real a process: its own number, session, environment and end.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy.orm import configure_mappers

import config
from newsletter.db import connect
from newsletter.delivery import throttle
from newsletter.i18n import LOCALES, translations
from newsletter.schema import is_current
from newsletter.settings.parsing import Rate

PARENT_DIED = 1  # PR_SET_PDEATHSIG of prctl(2)
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of setns(2)
QUICK_SECONDS = 0.2  # between ticks: what a test waits for is the work, not the tick before it
MODULES = (
    "app",
    "jobs.timetable",
    "jobs.cluster",
    "cli.serve",
    "cli.worker",
    "cli.issues",
    "cli.deliver",
    "cli.subscribers",
)


class Nursery:
    """The side of the tests: asks for processes, hears of their ends."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        self._changed = threading.Condition()
        self._born: list[int] = []
        self._mother = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=config.PROJECT_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def fork(
        self,
        module: str,
        arguments: list[str],
        environ: dict[str, str],
        output: Path,
        network: str = "",
    ) -> int:
        """A process that is `python -m module arguments`; returns its number. `network` is the
        file of the network namespace it lives in (the mother's)."""
        order = {"module": module, "arguments": arguments, "environ": environ, "out": str(output)}
        order["network"] = network
        with self._changed:
            assert self._mother.stdin
            self._mother.stdin.write(json.dumps(order) + "\n")
            self._mother.stdin.flush()
            assert self._changed.wait_for(lambda: self._born, 60), "no process was born"
            return self._born.pop()

    def end_of(self, pid: int, seconds: float) -> int | None:
        """How it ended, as `Popen.returncode`; None when it runs after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._ends, seconds)
            return self._ends.get(pid)

    def close(self) -> None:
        assert self._mother.stdin
        assert self._mother.stdout
        self._mother.stdin.close()
        self._mother.wait()
        self._listener.join()
        self._mother.stdout.close()

    def _listen(self) -> None:
        assert self._mother.stdout
        for line in self._mother.stdout:
            word, pid, code = line.split()
            with self._changed:
                if word == "born":
                    self._ends.pop(int(pid), None)  # a number may come again
                    self._born.append(int(pid))
                else:
                    self._ends[int(pid)] = int(code)
                self._changed.notify_all()


def main() -> None:
    """The side of the mother: import, then fork for each line, and tell of each end."""
    for name in MODULES:
        importlib.import_module(f"newsletter.{name}")
    _quicken()
    _warm()
    gc.collect()
    gc.freeze()
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    orders = os.fdopen(0, "rb", buffering=0, closefd=False)  # read ahead, select would miss some
    while True:
        ready, _, _ = select.select([0, bell], [], [])
        if bell in ready:
            os.read(bell, 512)
            _tell_ends()
        if 0 in ready:
            line = orders.readline()
            if not line:
                return
            order = json.loads(line)
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                return _live(order)
            _tell(f"born {pid} 0")


def _quicken() -> None:
    """The clock of every process to come looks at its work more often than it has to."""
    clock = importlib.import_module("newsletter.jobs.duties")
    for name in ("NOTICE_SECONDS", "DELIVERY_SECONDS", "ISSUE_SECONDS"):
        setattr(clock, name, QUICK_SECONDS)
    throttle.AFTER_REST = Rate(10, 6)  # instead of a minute


def _warm() -> None:
    """What every process makes first and is the same in each: catalogues, tables, pages' ways."""
    configure_mappers()
    for locale in LOCALES:
        translations(locale)
    database = connect("sqlite://")
    is_current(database)
    database.engine.dispose()


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _tell_ends() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _tell(f"end {pid} {os.waitstatus_to_exitcode(status)}")


def _end_with_the_mother() -> None:
    """Where the system can do it, tests that are killed take their processes with them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)


def enter_network(file: str) -> None:
    """The calling thread's sockets, and all its children's, belong to that namespace from now on.

    Raises OSError without the right to.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns", file)
    finally:
        os.close(descriptor)


def _live(order: dict[str, Any]) -> None:
    """What the interpreter does for `python -m …`."""
    os.setsid()
    _end_with_the_mother()
    if order["network"]:
        enter_network(order["network"])
    for descriptor, suffix, flags in (
        (0, "", os.O_RDONLY),
        (1, ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        name = order["out"] + suffix if suffix else os.devnull
        opened = os.open(name, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = [order["module"], *order["arguments"]]
    module = importlib.import_module(order["module"])
    try:
        module.main(**{"prog_name": "newsletter"} if module.__name__ == "newsletter.cli" else {})
    except SystemExit as end:
        _end(end.code)
    _end(None)


def _end(code: object) -> NoReturn:
    """As the interpreter ends, but it takes no modules apart: that takes longer than the rest."""
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the other threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
