"""Putting a backup back: what was there is kept aside, and nothing is sent until it is adopted."""

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import inspect, text

from newsletter import fence, journal
from newsletter.db import Database, connect
from newsletter.errors import FixRequest
from newsletter.recovery import archives, copying, replaying
from newsletter.recovery.replaying import Replayed
from newsletter.schema import migrate
from newsletter.settings import Settings

LOG = ("-wal", "-shm")  # what SQLite keeps beside a database


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of it: where that is which was there before (a file or a schema), and what the
    journal did again."""

    kept: str | None
    replayed: Replayed


def restore(
    settings: Settings,
    file: Path,
    now: datetime,
    *,
    force: bool = False,
    step: Callable[[str], None] = lambda said: None,
) -> Restored:
    """Put a backup in the place of DATABASE_URL, migrate it, and replay the journal.

    Raises FixRequest when the file is none, or when somebody's database is there (unless `force`).
    """
    database = connect(settings.database_url)
    try:
        _refuse(settings, database, copying.kind(file), force=force)
        step("putting the backup in its place")
        if database.engine.name == "sqlite":
            kept = _swap(settings, database, file, now)
        else:
            kept = _set_aside(database, file, now)
        step("bringing it to the newest schema")
        migrate(database)
        with database.engine.begin() as connection:
            fence.hold(connection, f"restored {now.isoformat()}")
        step("replaying the journal of who left since")
        lines = journal.read(journal.files(settings))
        return Restored(kept, replaying.replay(database, settings, lines, now))
    finally:
        database.engine.dispose()


def _refuse(settings: Settings, database: Database, kind: str, *, force: bool) -> None:
    if kind != database.engine.name:
        raise FixRequest(
            f"It is a backup of {kind}, and DATABASE_URL names one of {database.engine.name}."
        )
    if _is_served(settings):
        raise FixRequest("The server runs on this host: stop it (all hosts) before you restore.")
    if not force and _is_used(settings, database):
        raise FixRequest(
            "The database of DATABASE_URL holds subscribers or issues: --force puts it aside "
            "and restores."
        )


def _is_served(settings: Settings) -> bool:
    """Does a process of this host lead the clock?"""
    try:
        with (settings.instance_dir / "clock.lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _is_used(settings: Settings, database: Database) -> bool:
    if database.engine.name == "sqlite" and not copying.path_of(settings).exists():
        return False
    with database.engine.connect() as connection:
        names = {"subscribers", "issues"} & set(inspect(connection).get_table_names())
        return any(
            connection.execute(text(f"SELECT EXISTS (SELECT 1 FROM {name})")).scalar()  # noqa: S608
            for name in sorted(names)
        )


def _swap(settings: Settings, database: Database, file: Path, now: datetime) -> str | None:
    """Copy beside, look whether it is whole, then change places."""
    place = copying.path_of(settings)
    fresh = place.with_name(f".{place.name}.part")
    try:
        shutil.copyfile(file, fresh)
        fresh.chmod(0o600)
        with copying.opened(fresh) as copy:
            copying.check(copy)
        with fresh.open("rb") as opened:
            os.fsync(opened.fileno())
        database.engine.dispose()
        kept = _move_aside(place, now) if place.exists() else None
        fresh.replace(place)
    except OSError as error:
        raise FixRequest(f"The backup cannot be put into its place: {error}.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _move_aside(place: Path, now: datetime) -> str:
    """With its log, without which the last transactions were lost."""
    kept = place.with_name(f"{place.name}.before-{_stamp(now)}")
    for end in ("", *LOG):
        if (old := Path(f"{place}{end}")).exists():
            old.rename(f"{kept}{end}")
    return str(kept)


def _set_aside(database: Database, file: Path, now: datetime) -> str | None:
    """The schema gets another name, and the backup a new one."""
    kept = f"before_{_stamp(now)}".lower()
    with database.engine.begin() as connection:
        used = bool(archives.counted(connection))
        if used:
            connection.execute(text(f"ALTER SCHEMA public RENAME TO {kept}"))
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS public"))
    try:
        archives.restore(database.engine.url, file)
    except FixRequest:
        if used:
            with database.engine.begin() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text(f"ALTER SCHEMA {kept} RENAME TO public"))
        raise
    database.engine.dispose()
    return f"schema {kept}" if used else None


def _stamp(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
