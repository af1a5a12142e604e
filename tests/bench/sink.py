"""The relay of the bench, in a process of its own: Debian's smtp-sink, or a small one of ours.

It counts, so that the rate is the relay's figure: from the first message it took to the last,
without the time a contestant needs to start.
"""

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench import taker
from tests.relay import free_port

LOOK_EVERY = 0.02  # seconds between looks at the counter


class Counting(Protocol):
    """Whatever tells how many messages were taken so far."""

    def taken(self) -> int:
        """Messages so far."""


@dataclass
class Stretch:
    """A stretch of receiving: messages, and seconds from the first to the last."""

    messages: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0


@dataclass
class Sink:
    """A relay that takes everything."""

    port: int
    counter: Counting
    name: str
    seen: list[tuple[float, int]] = field(default_factory=list)

    @contextlib.contextmanager
    def watched(self) -> Iterator[Stretch]:
        """Measure what is received within."""
        stretch, over = Stretch(), threading.Event()
        start = self.counter.taken()
        watcher = threading.Thread(target=self._watch, args=(start, stretch, over))
        watcher.start()
        try:
            yield stretch
        finally:
            over.set()
            watcher.join()

    def _watch(self, start: int, stretch: Stretch, over: threading.Event) -> None:
        first = last = 0.0
        known = first_count = start
        while not over.wait(LOOK_EVERY) or self.counter.taken() != known:
            count, now = self.counter.taken(), time.perf_counter()
            if count == known:
                continue
            if known == start:
                first, first_count = now, count
            known, last = count, now
        stretch.messages, stretch.seconds = known - first_count, last - first


class _Printed:
    """smtp-sink -c prints its counters; the last number is what counts."""

    def __init__(self, output: int) -> None:
        self._output, self._count, self._rest = output, 0, b""
        os.set_blocking(output, False)

    def taken(self) -> int:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._output, 1 << 20):
                self._rest = (self._rest + data)[-400:]
        if found := re.findall(rb"mesg=(\d+)(?=\D)", self._rest + b" "):
            self._count = int(found[-1])
        return self._count


@contextlib.contextmanager
def running() -> Iterator[Sink]:
    """A sink on a free port of 127.0.0.1."""
    program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")
    start = _debians(program) if program else _ours()
    with start as sink:
        yield sink


@contextlib.contextmanager
def _debians(program: str) -> Iterator[Sink]:
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [program, *user, "-c", f"127.0.0.1:{port}", "1000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        _wait_until_it_listens(port)
        yield Sink(port, _Printed(process.stdout.fileno()), "smtp-sink (postfix)")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _wait_until_it_listens(port: int) -> None:
    table = Path("/proc/net/tcp")
    end = time.monotonic() + 10
    while f"0100007F:{port:04X} 00000000:0000 0A" not in table.read_text():
        if time.monotonic() > end:
            raise RuntimeError("the sink does not listen")
        time.sleep(0.02)


@contextlib.contextmanager
def _ours() -> Iterator[Sink]:
    with taker.running() as (port, shared):
        yield Sink(port, shared, "our own (smtp-sink is missing)")
