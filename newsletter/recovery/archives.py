"""Archives of PostgreSQL, made and put back by its own pg_dump and pg_restore."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text

from newsletter.db import Database
from newsletter.errors import FixRequest, FixSettings, TryLater
from newsletter.recovery import tables
from newsletter.settings import Settings

Progress = Callable[[int, int], None]  # done, of how much
TABLE = "dumping contents of table"  # as pg_dump --verbose says, once for each
ARCHIVE = ("--format=custom", "--no-owner", "--no-privileges", "--schema=public")


def make(
    database: Database, settings: Settings, fresh: Path, now: datetime, progress: Progress
) -> tuple[dict[str, int], str]:
    """Write the archive; the rows of each table at its moment, and how far it is proven."""
    url = make_url(settings.database_url)
    with database.engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        counts = tables.counted(connection)
        words = [*ARCHIVE, "--verbose", f"--snapshot={snapshot}", f"--file={fresh}"]
        _dump(url, words, progress, len(counts))
    said = listed(fresh)
    lacking = [name for name in counts if f"TABLE DATA public {name} " not in said]
    if lacking:
        raise TryLater(f"The archive does not hold {', '.join(lacking)}.")
    return counts, _prove(database, url, fresh, counts) + _owned(database)


def listed(file: Path) -> str:
    """What pg_restore says is in it. Raises FixRequest for a damaged one, FixSettings without the
    program."""
    return _run("pg_restore", ["--list", str(file)])


def restore(url: URL, file: Path) -> None:
    """Fill the empty schema `public` of a database, all or nothing. Raises FixRequest."""
    words = ["--no-owner", "--no-privileges", "--schema=public", "--single-transaction"]
    _run("pg_restore", [*words, "--exit-on-error", f"--dbname={_address(url)}", str(file)], url)


def _owned(database: Database) -> str:
    """Only who owns the schema may put another in its place."""
    mine = "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'public'"
    with database.engine.connect() as connection:
        if connection.execute(text(mine)).scalar():
            return ""
    return "; this role does not own the schema public, and may not restore it"


def _prove(database: Database, url: URL, fresh: Path, counts: Mapping[str, int]) -> str:
    """Restore it for trial where this role may make databases."""
    names = "pg_restore --list names every table"
    with database.engine.connect() as connection:
        may = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        if not connection.execute(text(may)).scalar():
            return f"{names}; it was not restored for trial, since this role may make no database"
    with _scratch(database, url) as there:
        restore(there.engine.url, fresh)
        with there.engine.connect() as connection:
            found = tables.counted(connection)
    differing = [name for name in counts if found.get(name) != counts[name]]
    if differing:
        raise TryLater(f"The archive does not hold the rows of {', '.join(differing)}.")
    return f"{names}; it was restored for trial, and the rows of each table were counted"


@contextmanager
def _scratch(database: Database, url: URL) -> Iterator[Database]:
    """A database of its own, which is gone afterwards."""
    name = f"newsletter_trial_{secrets.token_hex(4)}"
    own = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with own.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    there = Database(create_engine(url.set(database=name), hide_parameters=True))
    try:
        yield there
    finally:
        there.engine.dispose()
        with own.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _dump(url: URL, words: list[str], progress: Progress, tables: int) -> None:
    command = [_program("pg_dump"), *words, f"--dbname={_address(url)}"]
    said, done = list[str](), 0
    with subprocess.Popen(
        command, env=_environ(url), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr  # noqa: S101
        for line in process.stderr:
            said.append(line)
            if TABLE in line:
                done += 1
                progress(done, tables)
    if process.returncode:
        raise _failed("pg_dump", "".join(said))


def _run(program: str, words: list[str], url: URL | None = None) -> str:
    done = subprocess.run(
        [_program(program), *words],
        env=_environ(url) if url else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _failed(program, done.stderr)
    return done.stdout


def _failed(program: str, said: str) -> FixRequest:
    errors = [line for line in said.splitlines() if "error" in line] or said.splitlines()[-1:]
    return FixRequest(f"{program} failed: {' '.join(errors[:1]).removeprefix(f'{program}: ')}")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FixSettings(f"{name} is not installed (Debian: apt-get install postgresql-client).")
    return found


def _address(url: URL) -> str:
    """As libpq reads it, without the password: others see the words of a command."""
    plain = url.set(drivername="postgresql", password=None)
    return plain.render_as_string(hide_password=False)


def _environ(url: URL) -> dict[str, str]:
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    return {**os.environ, **password}
