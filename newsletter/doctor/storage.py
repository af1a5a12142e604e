"""Lines about the database: which, how safe, how large, and whether its schema is ours."""

from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.engine import Connection

from newsletter.db import Database
from newsletter.doctor.lines import Line, fail, found, ok, warn
from newsletter.schema import is_current, waits_for_post
from newsletter.settings import Settings

OLDEST = 15  # PostgreSQL, major version
FULL = 2  # PRAGMA synchronous


def lines(settings: Settings, database: Database) -> list[Line]:
    """Raises what a database raises that cannot be used, and FixSettings as `is_current` does."""
    if missing := _missing_file(settings):
        mend = "Run `newsletter migrate`, or mend DATABASE_URL."
        return [fail("database", f"There is no file {missing}.", mend)]
    with database.read() as session:
        connection = session.connection()
        sqlite = connection.dialect.name == "sqlite"
        answer = _sqlite(settings, connection) if sqlite else _postgresql(connection)
    if is_current(database):
        return [*answer, _current(database)]
    said = "The database has not the newest schema."
    return [*answer, fail("migrations", said, "Stop the server and run `newsletter migrate`.")]


def _current(database: Database) -> Line:
    if not waits_for_post(database):
        return ok("migrations", "The database has the newest schema.")
    said = "A migration waits until no process of an older release runs."
    return warn("migrations", said, "Then run `newsletter migrate --post`.")


def _missing_file(settings: Settings) -> Path | None:
    """Opening a SQLite database makes its file; a look must not."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return None if Path(url.database).exists() else Path(url.database)


def _sqlite(settings: Settings, connection: Connection) -> list[Line]:
    def pragma(name: str) -> object:
        return connection.execute(text(f"PRAGMA {name}")).scalar()

    pages, octets = pragma("page_count"), pragma("page_size")
    assert isinstance(pages, int)  # noqa: S101 (SQLite's own figures)
    assert isinstance(octets, int)  # noqa: S101
    journal, synchronous = pragma("journal_mode"), pragma("synchronous")
    version = connection.execute(text("SELECT sqlite_version()")).scalar()
    said = f"SQLite {version}, {shown(pages * octets)}, journal_mode {journal}, synchronous "
    said += "FULL" if synchronous == FULL else str(synchronous)
    if journal != "wal":
        mend = "Put INSTANCE_DIR on a local disk: write-ahead logging does not work on this one."
        return [fail("database", f"{said}.", mend)]
    if settings.production and settings.web_processes > 1:
        mend = "Set WEB_PROCESSES=1, or use PostgreSQL."
        return [warn("database", f"{said}, and {settings.web_processes} processes.", mend)]
    return [ok("database", f"{said}.")]


def _postgresql(connection: Connection) -> list[Line]:
    def show(name: str) -> str:
        return str(connection.execute(text(f"SHOW {name}")).scalar())

    octets = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    version = show("server_version")
    said = f"PostgreSQL {version}, {shown(octets)}"
    faults = []
    if int(show("server_version_num")) < OLDEST * 10_000:
        faults.append(fail("database", f"{said}.", f"Use PostgreSQL {OLDEST} or newer."))
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if show(name) == "off":
            said_off = f"{said}; {name} is off, so a power cut loses who got what."
            faults.append(warn("database", said_off, f"Set {name} = on in postgresql.conf."))
    return found(faults, ok("database", f"{said}."))


def shown(octets: int) -> str:
    """A size for people, in steps of 1000."""
    size, unit = float(octets), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
