"""Lines about this machine: its disks, its clock, who ticks, and the shelf of items."""

import ctypes
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.doctor.lines import Line, fail, found, ok, warn
from newsletter.doctor.storage import shown
from newsletter.errors import FixContent
from newsletter.settings import Settings

FULL_OCTETS = 200_000_000  # less room than this, and a large import or issue may fail
NARROW_OCTETS = 2_000_000_000
STEP_SECONDS = 2.0  # how far the clocks of two machines may differ
FAR_SECONDS = 30.0  # half the usual LEASE_SECONDS: beyond it, one host takes another for dead
TICK_SECONDS = 180  # the clock's leader marks its lock about every minute
TIME_ERROR = 5  # adjtimex(2): the clock is not in step


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on the disk of a folder, in octets, and how many files more it can hold."""

    free: int
    files: int | None


def room(folder: Path) -> Room:
    """As the system tells. Raises OSError."""
    stat = os.statvfs(folder)
    return Room(shutil.disk_usage(folder).free, stat.f_favail if stat.f_files else None)


def disks(settings: Settings, look: Callable[[Path], Room] = room) -> list[Line]:
    """INSTANCE_DIR, which is written all the time, and CONTENT_DIR."""
    folders = {"INSTANCE_DIR": settings.instance_dir}
    if settings.content_host:
        folders["CONTENT_DIR"] = settings.content_dir
    return [_disk(name, folder, look) for name, folder in folders.items()]


def _disk(name: str, folder: Path, look: Callable[[Path], Room]) -> Line:
    try:
        seen = look(folder)
    except OSError as error:
        said = f"{name} {folder} cannot be looked at: {error.strerror}."
        return fail("disk", said, f"Make the folder, or mend {name}.")
    said = f"{shown(seen.free)} free on the disk of {name} ({folder})."
    if not os.access(folder, os.W_OK if name == "INSTANCE_DIR" else os.R_OK):
        return fail("disk", f"{name} {folder} is not ours to use.", "Give this user its folder.")
    if seen.free < FULL_OCTETS or seen.files == 0:
        return fail("disk", said, f"Make room: {shown(FULL_OCTETS)} at least, or files are lost.")
    if seen.free < NARROW_OCTETS:
        return warn("disk", said, f"Make room soon: {shown(NARROW_OCTETS)} is a good reserve.")
    return ok("disk", said)


def in_step() -> bool | None:
    """Does the kernel say that something (NTP) keeps its clock in step? None: it does not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # only asks: modes 0
    except (AttributeError, OSError):
        return None
    return None if state < 0 else bool(state != TIME_ERROR)


def clock(
    database: Database, kept: bool | None, now: Callable[[], datetime] = utcnow
) -> list[Line]:
    """This clock against the database server's (PostgreSQL) and the newest line of the log; `kept`
    is what `in_step` says.

    No other clock is asked over the network. Raises what a database raises.
    """
    said = "No time in the log lies ahead of the clock of this machine"
    said += ", which is kept in step (NTP)" if kept else ""
    if database.engine.name == "postgresql":
        said += "; that of the database server agrees"
    return found(_clock_faults(database, kept, now), ok("clock", f"{said}."))


def _clock_faults(
    database: Database, kept: bool | None, now: Callable[[], datetime]
) -> Iterator[Line]:
    keep = "Switch time synchronisation on (timedatectl set-ntp true, or chrony)."
    if kept is False:
        said = "Nothing keeps the clock of this machine in step (NTP), as far as the kernel knows."
        yield warn("clock", said, keep)
    with database.read() as session:
        newest = audit.found(session, limit=1)
        ahead = (newest[0].at - now()).total_seconds() if newest else 0.0
        off = _server_off(session, now) if database.engine.name == "postgresql" else 0.0
    if ahead > STEP_SECONDS:
        said = f"The newest line of the log is {ahead:.0f} s ahead of the clock of this machine."
        yield (fail if ahead > FAR_SECONDS else warn)("clock", said, keep)
    if off > STEP_SECONDS:
        said = f"The clock of the database server is {off:.0f} s away from that of this machine."
        yield (fail if off > FAR_SECONDS else warn)("clock", said, f"{keep[:-1]}, on both.")


def _server_off(session: Session, now: Callable[[], datetime]) -> float:
    """How many seconds the server's clock differs, half a journey allowed for."""
    before = now()
    there: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    after = now()
    return abs((there - before - (after - before) / 2).total_seconds())


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


def ticking(settings: Settings, now: datetime) -> list[Line]:
    """Does a process on this host lead the clock, and did it tick lately?"""
    start = "Start `newsletter serve`; without it nothing is compiled, mailed or cleaned up."
    found = tick(settings)
    if found is None:
        return [warn("ticks", "No clock has ever run on this host.", start)]
    if not found.held:
        return [warn("ticks", "No clock runs on this host now.", start)]
    silent = now.timestamp() - found.at
    if silent < TICK_SECONDS:
        return [ok("ticks", f"Process {found.pid} runs the clock; it ticked {silent:.0f} s ago.")]
    said = f"Process {found.pid} runs the clock, but has not ticked for {silent:.0f} s."
    return [fail("ticks", said, "Look at its log, and start it again.")]


def shelf(settings: Settings) -> list[Line]:
    """The items can be read, and hold no error that would keep an issue from being made."""
    if not settings.content_host:
        return [ok("content", "Another host keeps the items (CONTENT_HOST is no).")]
    library = Library(settings.content_dir, settings.timezone, settings.cadences)
    mend = "`newsletter items check` names each one with file and line."
    try:
        library.topics()
        findings = library.check()
    except FixContent as error:
        return [fail("content", str(error).partition("\n")[0], mend)]
    if findings:
        said = f"{len(findings)} errors keep issues from being made, the first: {findings[0]}"
        return [fail("content", said, mend)]
    items = len(library.items())
    if not items:
        return [warn("content", "There are no items.", "Put some in CONTENT_DIR, or mend it.")]
    return [ok("content", f"{items} items, no errors.")]
