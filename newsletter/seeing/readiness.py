"""Is this server fit to be asked? Its database, that database's schema, its clock and its disk.

Each check is one of a few words, which say nothing about the machine to a stranger; `newsletter
doctor` says more.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import NullPool, create_engine, inspect, make_url, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from newsletter.db import UNAVAILABLE, Database
from newsletter.errors import FixSettings
from newsletter.schema import is_current
from newsletter.seeing import host, workers
from newsletter.settings import Settings

OK, UNKNOWN, SILENT = "ok", "unknown", "silent"
CHECKS = ("database", "migrations", "clock", "disk")
SECONDS = 2  # for a connection, and for an answer


@dataclass(frozen=True, slots=True)
class Readiness:
    """One word for each of CHECKS; `ok` everywhere means ready."""

    checks: dict[str, str]

    @property
    def ready(self) -> bool:
        """May requests come here?"""
        return all(word == OK for word in self.checks.values())


def look(settings: Settings, stored: dict[str, str] | None, now: datetime) -> Readiness:
    """`stored`: what `Storage` found, or None when it did not come back."""
    found = stored or {"database": SILENT, "migrations": UNKNOWN}
    if settings.clock == "embedded":
        found = found | {"clock": clock(settings, now)}
    return Readiness({"clock": UNKNOWN, **found, "disk": disk(settings)})


def clock(settings: Settings, now: datetime) -> str:
    """ok | never (none has run on this host) | stopped (its process is gone) | stuck."""
    found = host.tick(settings)
    if found is None:
        return "never"
    if not found.held:
        return "stopped"
    return OK if now.timestamp() - found.at < host.TICK_SECONDS else "stuck"


def disk(settings: Settings) -> str:
    """ok | full | unknown; of INSTANCE_DIR, which is written all the time."""
    try:
        seen = host.room(settings.instance_dir)
    except OSError:
        return UNKNOWN
    return "full" if seen.free < host.FULL_OCTETS or seen.files == 0 else OK


class Storage:
    """Asks the database over connections of its own: the pool may be used up, and a connection that
    was cut says nothing for minutes."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._verdicts: dict[frozenset[str], str] = {}
        self._workers, self._patience = settings.clock == "workers", settings.lease_seconds
        url = make_url(settings.database_url)
        if url.get_backend_name() == "sqlite":
            self._engine: Engine = database.engine.execution_options(sqlite_begin="DEFERRED")
            return
        limits = {"connect_timeout": SECONDS, "options": f"-c statement_timeout={SECONDS * 1000}"}
        self._engine = create_engine(
            url, poolclass=NullPool, connect_args=limits, hide_parameters=True
        )

    def look(self) -> dict[str, str]:
        """database: ok | away | read-only; migrations: ok | behind | newer | none | unknown; and
        with CLOCK=workers clock: ok | never | stuck."""
        found = {"database": OK, "migrations": UNKNOWN}
        try:
            with self._engine.connect() as connection:
                if _only_reads(connection):
                    return found | {"database": "read-only"}
                connection.execute(text("SELECT 1"))
            found["migrations"] = self._migrations()
            if self._workers and found["migrations"] == OK:
                found["clock"] = self._beat()
        except (SQLAlchemyError, *UNAVAILABLE):
            return found | {"database": "away"}
        return found

    def _migrations(self) -> str:
        """The scripts of the program do not change while it runs: they are read once."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return "none"
            rows = connection.execute(text("SELECT version_num FROM alembic_version"))
            found = frozenset(row[0] for row in rows)
        if found not in self._verdicts:
            try:
                self._verdicts[found] = OK if is_current(Database(self._engine)) else "behind"
            except FixSettings:
                self._verdicts[found] = "newer"
        return self._verdicts[found]

    def _beat(self) -> str:
        """Does any worker live, on whatever host?"""
        with self._engine.connect() as connection:
            silent = workers.silence(connection)
        if silent is None:
            return "never"
        return OK if silent < self._patience else "stuck"


def _only_reads(connection: Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return False
    return bool(connection.execute(text("SHOW transaction_read_only")).scalar() == "on")
