"""The journal: who left, was suppressed or erased, and came back, outside the backups.

Lines of time, purpose and keyed hash of an address (`Tokens.address_key`), added to a file of each
month in OUTSIDE_DIR/journal. A leaving is written and on the disk right *before* its transaction is
committed: a crash between the two loses nobody, and one that was journalled and not committed is
of somebody who asked for it. Coming back is written right *after*: a crash loses a line that would
let us mail somebody. After a restore it is replayed (`recovery.replaying`), so that nobody who left
since the backup was made is mailed.
"""

import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy.orm import Session

from newsletter import owners
from newsletter.db import with_commit
from newsletter.errors import FixRequest
from newsletter.settings import Settings
from newsletter.tokens import Tokens, tokens_of

log = logging.getLogger(__name__)
LINE = re.compile(rb"(\S{20,40}) ([a-z]{4,10}) ([0-9a-f]{64})")
NAME = "journal"


class Purpose(StrEnum):
    """What a line says; but for the first and last two, the reason of a suppression."""

    LEFT = "left"
    MOVED = "moved"  # their address is another one now; this one may be somebody else's
    BOUNCED = "bounced"
    COMPLAINT = "complaint"
    NEVER = "never"
    STAFF = "staff"
    ERASED = "erased"
    BACK = "back"  # confirmed (again): what was before holds no more
    FORGOTTEN = "forgotten"  # who wanted not even the suppression kept: it ends


ENDS = frozenset({Purpose.BACK, Purpose.FORGOTTEN})  # of what was before


@dataclass(frozen=True, slots=True)
class Line:
    """What happened to an address, and when."""

    at: datetime
    purpose: Purpose
    address_key: str


def write(
    session: Session,
    settings: Settings,
    purpose: Purpose | str,
    canonicals: Iterable[str | None],
    now: datetime,
) -> None:
    """Write lines about these addresses around the commit of this session."""
    tokens, kind = tokens_of(settings), Purpose(purpose)
    moment = now.astimezone(UTC).isoformat(timespec="microseconds")
    keys = [key for one in canonicals if one for key in _keys(tokens, kind, one)]
    lines = [f"{moment} {kind} {key}\n" for key in keys]
    if not lines:
        return

    def flush(waiting: list[str]) -> None:
        _append(settings, waiting, now)

    if kind in ENDS:
        waiting = with_commit(session, "journal of who came back", after=flush)
    else:
        waiting = with_commit(session, "journal of who left", before=lambda _, all: flush(all))
    waiting += lines


def _keys(tokens: Tokens, kind: Purpose, canonical: str) -> list[str]:
    """What is forgotten is so under former secrets, too."""
    if kind is Purpose.FORGOTTEN:
        return list(tokens.address_keys(canonical))
    return [tokens.address_key(canonical)]


def folder(settings: Settings) -> Path:
    """Where the files are, one a month; all of them may be kept as long as backups are."""
    return settings.outside_dir / NAME


def file(settings: Settings, now: datetime) -> Path:
    """The file of a month."""
    return folder(settings) / f"{now.astimezone(UTC):%Y-%m}.log"


def files(settings: Settings) -> list[Path]:
    """The files of this host, the oldest first."""
    return sorted(folder(settings).glob("*.log"))


def octets(settings: Settings) -> int:
    """How much there is on this host; it only grows."""
    return sum(path.stat().st_size for path in files(settings))


def read(paths: Collection[Path]) -> Iterator[Line]:
    """Lines of some files; half a line (a power cut) says nothing. Raises FixRequest."""
    for path in paths:
        try:
            with path.open("rb") as opened:
                for octets in opened:
                    if line := _parse(octets):
                        yield line
        except OSError as error:
            raise FixRequest(f"The journal {path} cannot be read: {error.strerror}.") from None


def _parse(octets: bytes) -> Line | None:
    found = LINE.fullmatch(octets.strip())
    if found is None:
        return None
    at, purpose, key = (part.decode("ascii", "replace") for part in found.groups())
    try:
        return Line(datetime.fromisoformat(at), Purpose(purpose), key)
    except ValueError:
        return None


def _append(settings: Settings, lines: list[str], now: datetime) -> None:
    """One write for all, so that processes do not mix theirs; an empty line ends half a one.

    A disk that is full keeps nobody from leaving: it is said in the log, and by the doctor.
    """
    path = file(settings, now)
    try:
        descriptor = _opened(settings, path)
        try:
            os.write(descriptor, f"\n{''.join(lines)}".encode("ascii"))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.error("The journal of who left cannot be written: %s.", error)


def _opened(settings: Settings, path: Path) -> int:
    fresh = not path.exists()
    if fresh:
        owners.make(settings.outside_dir, settings.instance_dir)
        owners.make(path.parent, settings.outside_dir)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if fresh:
        owners.give(descriptor, path.parent)
    return descriptor
