"""A backup as one file: made while mail is sent, read back before it gets its name.

On SQLite it is a database, on PostgreSQL an archive of pg_dump. Beside it lies its SHA-256, as
sha256sum(1) reads it. A copy of SQLite says of itself that it is at home nowhere, so that nothing
is sent from it wherever it is put; one of PostgreSQL is known by the database it is restored into.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url, text

from newsletter import fence
from newsletter.db import Database, connect
from newsletter.errors import FixRequest, TryLater
from newsletter.recovery import archives, tables
from newsletter.recovery.archives import Progress
from newsletter.schema import revision
from newsletter.settings import Settings

PAGES = 2000  # copied in one step: 8 MB
SQLITE, POSTGRESQL = b"SQLite format 3\0", b"PGDMP"  # how the two kinds of files begin
SUFFIX = {"sqlite": "db", "postgresql": "dump"}


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was read back; `proven` says in words how far."""

    file: Path
    octets: int
    rows: int
    revision: str
    sha256: str
    proven: str


def name(database: Database, now: datetime) -> str:
    """How a backup of this moment is called."""
    return f"newsletter-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.{SUFFIX[database.engine.name]}"


def make(
    database: Database, settings: Settings, file: Path, now: datetime, progress: Progress
) -> Backup:
    """Write a backup to `file`, which must not be there, with its checksum beside it.

    Raises FixRequest when it cannot be written, TryLater when it does not read back the same.
    """
    if file.exists():
        raise FixRequest(f"{file} is there already; a backup replaces no other.")
    fresh = file.with_name(f".{file.name}.part")
    make = _make_sqlite if database.engine.name == "sqlite" else archives.make
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        counts, proven = make(database, settings, fresh, now, progress)
        sync(fresh)
        sha256 = _digest(fresh)
        sums = file.with_name(f"{file.name}.sha256")
        sums.write_text(f"{sha256}  {file.name}\n")
        sums.chmod(0o600)
        fresh.replace(file)
        sync(file.parent)
    except OSError as error:
        raise FixRequest(f"The backup cannot be written: {error}.") from error
    finally:
        for left in (fresh, *(Path(f"{fresh}{end}") for end in ("-wal", "-shm", "-journal"))):
            left.unlink(missing_ok=True)
    found = revision(database) or "none"
    return Backup(file, file.stat().st_size, sum(counts.values()), found, sha256, proven)


def kind(file: Path) -> str:
    """`sqlite` or `postgresql`, by how it begins; raises FixRequest for anything else, and for one
    that is not what its checksum says."""
    try:
        with file.open("rb") as opened:
            begins = opened.read(len(SQLITE))
        sums = file.with_name(f"{file.name}.sha256")
        if sums.exists() and sums.read_text().split()[:1] != [_digest(file)]:
            raise FixRequest(f"{file} is damaged: it is not what {sums.name} says.")
    except OSError as error:
        raise FixRequest(f"{file} cannot be read: {error.strerror}.") from None
    if begins == SQLITE:
        return "sqlite"
    if begins.startswith(POSTGRESQL):
        return "postgresql"
    raise FixRequest(f"{file} is no backup of this program.")


def _make_sqlite(
    database: Database, settings: Settings, fresh: Path, now: datetime, progress: Progress
) -> tuple[dict[str, int], str]:
    with database.read() as session:
        connection = session.connection()
        counts = tables.counted(connection)  # from here on it sees one moment, and so the copy
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)  # noqa: S101
        with contextlib.closing(sqlite3.connect(fresh)) as target:
            source.backup(
                target,
                pages=PAGES,
                progress=lambda _status, left, all: progress(all - left, all),
            )
            target.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
    with opened(fresh) as copy:
        with copy.write() as session:
            fence.hold(session.connection(), f"backup {now.isoformat()}")
        check(copy)
        with copy.read() as session:
            found = tables.counted(session.connection())
    differing = [one for one in counts if one != "fence" and found.get(one) != counts[one]]
    if differing:
        raise TryLater(f"The backup does not hold the rows of {', '.join(differing)}.")
    return counts, "integrity_check, and the rows of each table were counted"


def check(database: Database) -> None:
    """Is a SQLite file whole? Raises FixRequest."""
    with database.read() as session:
        try:
            said = session.execute(text("PRAGMA integrity_check")).scalars().all()
        except Exception as error:
            raise FixRequest(f"The file is damaged: {error}.") from None
    if said != ["ok"]:
        raise FixRequest(f"The file is damaged: {said[0]}.")


@contextmanager
def opened(file: Path) -> Iterator[Database]:
    """A SQLite file as a database; what lies beside it is gone afterwards."""
    database = connect(f"sqlite:///{file}")
    try:
        yield database
    finally:
        with database.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None  # noqa: S101
            raw.execute("PRAGMA journal_mode=DELETE")
        database.engine.dispose()


def path_of(settings: Settings) -> Path:
    """The file of a database on SQLite."""
    return Path(make_url(settings.database_url).database or "")


def sync(place: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk. Raises OSError."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
