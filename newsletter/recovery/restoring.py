"""Putting a backup back: what was there is kept aside, and nothing is sent until it is adopted."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import exists, literal, select, table, text

from newsletter import fence, journal
from newsletter.db import Database, connect
from newsletter.errors import FixRequest
from newsletter.recovery import archives, copying, living, replaying, tables
from newsletter.recovery.replaying import Replayed
from newsletter.schema import migrate
from newsletter.seeing import host
from newsletter.settings import Settings

Step = Callable[[str], None]  # is told what is done
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
    step: Step = lambda said: None,
) -> Restored:
    """Put a backup in the place of DATABASE_URL, migrate it, and replay the journal.

    Raises FixRequest when the file is none, when somebody works at the database, or when
    somebody's database is there (unless `force`). Until the backup is in its place, whatever
    stops it leaves all as it was.
    """
    database = connect(settings.database_url)
    try:
        _refuse(settings, database, copying.kind(file), force=force)
        step("putting the backup in its place")
        if database.engine.name == "sqlite":
            kept = _swap(settings, database, file, now, step)
        else:
            kept = _set_aside(database, file, now, step)
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
    if working := living.look(database, settings):
        raise FixRequest(
            f"Somebody works at the database: {', '.join(working)}. Stop all hosts, and try again."
        )
    if not force and _is_used(settings, database):
        raise FixRequest(
            "The database of DATABASE_URL holds subscribers or issues: --force puts it aside "
            "and restores."
        )


def _is_served(settings: Settings) -> bool:
    """Does a process of this host lead the clock?"""
    found = host.tick(settings)
    return found is not None and found.held


def _is_used(settings: Settings, database: Database) -> bool:
    if database.engine.name == "sqlite" and not copying.path_of(settings).exists():
        return False
    with database.engine.connect() as connection:
        names = {"subscribers", "issues"} & set(tables.names(connection))
        return any(
            connection.scalar(select(exists(select(literal(1)).select_from(table(name)))))
            for name in sorted(names)
        )


def _swap(
    settings: Settings, database: Database, file: Path, now: datetime, step: Step
) -> str | None:
    """Copy beside, look whether it is whole, then change places."""
    place = copying.path_of(settings)
    fresh = place.with_name(f".{place.name}.part")
    try:
        shutil.copyfile(file, fresh)
        fresh.chmod(0o600)
        with copying.opened(fresh) as copy:
            copying.check(copy)
        copying.sync(fresh)
        database.engine.dispose()
        kept = _move_aside(place, now, step) if place.exists() else None
        fresh.replace(place)
    except OSError as error:
        raise FixRequest(f"The backup cannot be put into its place: {error}.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _move_aside(place: Path, now: datetime, step: Step) -> str:
    """With its log, without which the last transactions were lost."""
    kept = place.with_name(f"{place.name}.before-{_stamp(now)}")
    step(f"keeping what was there as {kept}")
    for end in ("", *LOG):
        if (old := Path(f"{place}{end}")).exists():
            old.rename(f"{kept}{end}")
    return str(kept)


def _set_aside(database: Database, file: Path, now: datetime, step: Step) -> str | None:
    """The schema gets another name, and the backup a new one; undone whatever stops it."""
    archives.listed(file)  # what is missing or damaged is said while all is as it was
    kept = f"before_{_stamp(now)}".lower()
    with database.engine.connect() as connection:
        used = bool(tables.names(connection))
    if used:
        step(f"keeping what was there as schema {kept}")
    try:
        with database.engine.begin() as connection:
            if used:
                connection.execute(text(f"ALTER SCHEMA public RENAME TO {kept}"))
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS public"))
        archives.restore(database.engine.url, file)
    except BaseException:
        _put_back(database, kept)
        raise
    database.engine.dispose()
    return f"schema {kept}" if used else None


def _put_back(database: Database, kept: str) -> None:
    """Of whatever moment it was stopped in."""
    with database.engine.begin() as connection:
        renamed = "SELECT to_regnamespace(:kept) IS NOT NULL"
        if connection.scalar(text(renamed), {"kept": kept}):
            connection.execute(text("DROP SCHEMA IF EXISTS public CASCADE"))
            connection.execute(text(f"ALTER SCHEMA {kept} RENAME TO public"))


def _stamp(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
