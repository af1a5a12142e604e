"""Processes of the program that work side by side, and what each of them used."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.bench import costs
from tests.bench.world import ROOT, Used

LOOK_EVERY = 0.1  # seconds between looks at memory
PATIENCE = 120  # seconds for a process to end after SIGTERM


@dataclass
class Hand:
    """One process."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    kilobytes: int = 0
    series: list[int] = field(default_factory=list)  # kB in use, at each look

    def look(self) -> None:
        """Note how much memory it has, and had at its peak."""
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            if peak := re.search(r"VmHWM:\s+(\d+)", status):
                self.kilobytes = int(peak[1])
            if now := re.search(r"VmRSS:\s+(\d+)", status):
                self.series.append(int(now[1]))

    def end(self) -> Used:
        """Wait for its end; raises RuntimeError with its words when it failed."""
        _pid, code, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(code)
        if self.process.returncode not in (0, -signal.SIGTERM):  # it may be past its own handler
            self.said.seek(0)
            words = self.said.read().decode(errors="replace")[-4000:]
            raise RuntimeError(f"a process ended with {self.process.returncode}: {words}")
        return Used(usage.ru_utime + usage.ru_stime, self.kilobytes / 1024)


@dataclass
class Crew:
    """Several of them; `used` is known when the crew has ended."""

    hands: list[Hand]
    used: list[Used] = field(default_factory=list)

    def cpu(self) -> float:
        """Seconds of the processor so far, of all of them."""
        return sum(costs.cpu(hand.process.pid) for hand in self.hands)

    def megabytes(self) -> float:
        """How much memory the largest of them has now."""
        return max((hand.series[-1] / 1024 for hand in self.hands if hand.series), default=0.0)

    def stop(self) -> None:
        """Ask all of them to end, as `systemctl stop` does."""
        for hand in self.hands:
            os.kill(hand.process.pid, signal.SIGTERM)  # Popen's own way would reap one that ended

    def join(self) -> None:
        """Wait until all have ended."""
        self.used = [hand.end() for hand in self.hands]


@contextlib.contextmanager
def working(command: Sequence[str], environs: Sequence[dict[str, str]]) -> Iterator[Crew]:
    """One process of `command` for each environment; killed when they outlive this block."""
    with contextlib.ExitStack() as stack:
        hands = []
        for environ in environs:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(
                command, env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
            hands.append(Hand(process, said))
        over, crew = threading.Event(), Crew(hands)
        watcher = threading.Thread(target=_watch, args=(hands, over))
        watcher.start()
        try:
            yield crew
        finally:
            over.set()
            watcher.join()
            for hand in hands:
                if hand.process.returncode is None:
                    hand.process.kill()
                    hand.process.wait()


def _watch(hands: Sequence[Hand], over: threading.Event) -> None:
    while not over.wait(LOOK_EVERY):
        for hand in hands:
            hand.look()
