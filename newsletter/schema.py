"""The schema of the database: which migrations it has, which it lacks, who can work with it."""

from itertools import takewhile

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, text

import config
from newsletter.db import Database
from newsletter.errors import FixRequest, FixSettings


def migrate(database: Database, *, post: bool = False) -> None:
    """Bring the database to the newest schema; raises as `is_current` does.

    A migration is `pre` (it adds, and older programs go on; so is what says nothing) or `post` (it
    takes away what only they need). On PostgreSQL, where other processes may run, post ones wait
    until they are asked for; one that later pre ones wait for raises FixRequest.
    """
    with database.engine.begin() as connection:
        ahead = _ahead(connection)
        alone = post or connection.dialect.name == "sqlite" or not _revision(connection)
        now = list(ahead if alone else takewhile(lambda script: not _is_post(script), ahead))
        if now:
            command.upgrade(migration_config(connection), now[-1].revision)
    left = ahead[len(now) :]
    if not all(map(_is_post, left)):
        raise FixRequest(
            f"Migration {left[0].revision} takes away what older programs need: end all of them, "
            "then run `newsletter migrate --post`."
        )


def is_current(database: Database) -> bool:
    """Can this program work with the database's schema? Of its own migrations only post ones may
    be missing.

    Raises FixSettings when a newer program has taken away what this one needs.
    """
    with database.engine.connect() as connection:
        return all(map(_is_post, _ahead(connection)))


def waits_for_post(database: Database) -> bool:
    """Are there migrations left that wait until no older program runs?"""
    with database.engine.connect() as connection:
        return any(map(_is_post, _ahead(connection)))


def note_floor(connection: Connection, scripts: ScriptDirectory) -> None:
    """Write down, after migrations, the newest post one: programs that do not know it are too old.

    It stands beside Alembic's own table, and is written by migrations/env.py alone.
    """
    if not inspect(connection).has_table("schema_floor"):
        return
    done = scripts.walk_revisions("base", _revision(connection) or "base")
    floor = next((script.revision for script in done if _is_post(script)), "")
    connection.execute(text("DELETE FROM schema_floor"))
    connection.execute(text("INSERT INTO schema_floor VALUES (:floor)"), {"floor": floor})


def _ahead(connection: Connection) -> list[Script]:
    """This program's migrations that the database does not have, the next one first."""
    scripts = list(ScriptDirectory.from_config(migration_config(connection)).walk_revisions())
    known, found = {script.revision for script in scripts}, _revision(connection)
    if found is None or found in known:
        return [*takewhile(lambda script: script.revision != found, scripts)][::-1]
    floor = None
    if inspect(connection).has_table("schema_floor"):
        floor = connection.scalar(text("SELECT revision FROM schema_floor"))
    if floor is None or (floor and floor not in known):
        raise FixSettings(
            "A newer version of this program made the database of DATABASE_URL, and this one is "
            "too old for it: install the newer one."
        )
    return []


def revision(database: Database) -> str | None:
    """The schema of the database, as migrations name it; None: it has none yet."""
    with database.engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_post(script: Script) -> bool:
    return getattr(script.module, "phase", "pre") == "post"


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for the scripts in `migrations/`, on an open connection."""
    alembic = Config()
    alembic.set_main_option("script_location", str(config.PROJECT_DIR / "migrations"))
    alembic.attributes["connection"] = connection
    return alembic
