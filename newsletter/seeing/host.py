"""This host as the system tells: the room on its disk, and the clock that runs on it."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from newsletter.settings import Settings

FULL_OCTETS = 200_000_000  # less room than this, and a large import or issue may fail
TICK_SECONDS = 180  # the clock's leader marks its lock about every minute


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on the disk of a folder, in octets, and how many files more it can hold."""

    free: int
    files: int | None


def room(folder: Path) -> Room:
    """As the system tells. Raises OSError."""
    stat = os.statvfs(folder)
    return Room(shutil.disk_usage(folder).free, stat.f_favail if stat.f_files else None)


@dataclass(frozen=True, slots=True)
class Tick:
    """The leader's lock: who wrote it, when it was marked, and whether that process still lives."""

    pid: str
    at: float  # seconds since 1970
    held: bool


def tick(settings: Settings) -> Tick | None:
    """The last sign of a clock on this host; None when none has ever run.

    It holds a lock on a file as long as it lives, and marks the file about each minute.
    """
    try:
        with (settings.instance_dir / "clock.lock").open("r") as lock:
            pid, marked = lock.read().strip(), os.fstat(lock.fileno()).st_mtime
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Tick(pid, marked, held=True)
            return Tick(pid, marked, held=False)
    except FileNotFoundError:
        return None
