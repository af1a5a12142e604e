"""A private PostgreSQL server for the tests: in a folder of its own, on a free port of 127.0.0.1.

`postgres` itself is started, so that its process id is ours: nothing else is ever stopped. What it
says goes to a file: with the caller's pipes, who reads those would wait as long as it runs.
"""

import contextlib
import ctypes
import functools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import MetaData, Table, text
from sqlalchemy.orm import Session

from newsletter.db import Database, connect
from newsletter.models import Base
from newsletter.schema import migrate

OLDEST = 15
USER = "newsletter"
SECONDS = 60
KEPT = "kept"  # the schema of rows that many tests begin with
# Tables that are in no model: the cluster's engine's, and what the schema suits (0013).
OTHERS = (
    *("procrastinate_events", "procrastinate_periodic_defers", "procrastinate_jobs"),
    *("procrastinate_workers", "schema_floor"),
)
ATTEMPTS = 5  # another program may take the free port before we do
PARENT_DIED = 1  # PR_SET_PDEATHSIG of prctl(2)
# It may lose everything when the machine stops, it has few rows, and it is in another time zone
# than the program: a time that is stored without its zone shows.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "16MB",
    "timezone": "Europe/Brussels",
}
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"}


@functools.cache
def binaries() -> Path | None:
    """The folder of `postgres` and `initdb`: that of PATH, or else the newest that Debian has."""
    found = shutil.which("postgres")
    if found and _version(Path(found)) >= OLDEST and Path(found).with_name("initdb").exists():
        return Path(found).parent
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    versions = [(_version(folder / "postgres"), folder) for folder in folders]
    return max((one for one in versions if one[0] >= OLDEST), default=(0, None))[1]


def _version(program: Path) -> int:
    """15 of `postgres (PostgreSQL) 15.14 (Debian …)`; 0 when it does not start."""
    with contextlib.suppress(OSError):
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        if number := re.search(r"\(PostgreSQL\) (\d+)", said):
            return int(number[1])
    return 0


class Server:
    """A server that runs; everybody on this machine may connect to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, sockets: str = "") -> None:
        """`sockets` is the folder of its Unix socket, if it is reached by that."""
        self.process, self.port, self.sockets = process, port, sockets

    def url(self, name: str) -> str:
        """The DATABASE_URL of one of its databases."""
        if self.sockets:
            return f"postgresql://{USER}@/{name}?host={self.sockets}&port={self.port}"
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database; returns its DATABASE_URL."""
        self._order(f"CREATE DATABASE {name}")
        return self.url(name)

    def copy(self, template: str, name: str) -> str:
        """Make a copy of a database that nobody uses; returns its DATABASE_URL."""
        self._order(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Whoever still uses it is cut off."""
        self._order(f"DROP DATABASE {name} WITH (FORCE)")

    def is_ours(self, folder: Path) -> bool:
        """Does it answer; and is it this server, and not one that took the port before us?"""
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=5) as connection:
                return connection.execute("SHOW data_directory").fetchone() == (str(folder),)
        except psycopg.OperationalError:
            return False

    def crash(self) -> None:
        """End without a checkpoint, and start again on the same port, from the log."""
        command = [str(word) for word in self.process.args]  # type: ignore[union-attr]
        data = Path(command[command.index("-D") + 1])
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        self.process = _launch(command, data.parent, _account())
        assert _answers(self, data), (data.parent / "log").read_text()

    def stop(self) -> None:
        """Cut everybody off and end (a fast shutdown); by force when that takes too long."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children notice, and end by themselves
            self.process.wait()

    def _order(self, sql: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())


@contextmanager
def running(programs: Path, *, durable: bool = False, network: str = "") -> Iterator[Server]:
    """Start a server of the programs in this folder, and stop it at the end.

    `durable`: each commit waits for the disk, as it does for real. `network`, as 198.18.0.0/15: it
    listens on all addresses of the namespace it is started in, trusts those, and its `url` is that
    of a Unix socket, which is there from every namespace.
    """
    folder = Path(tempfile.mkdtemp(prefix="newsletter-postgres-"))
    try:
        account = _account()
        if account:
            os.chown(folder, account["user"], account["group"])
        _initialise(programs, folder, account)
        options = OPTIONS | DURABLE if durable else OPTIONS
        if network:
            options = options | {"listen_addresses": "*", "unix_socket_directories": str(folder)}
            with (folder / "data/pg_hba.conf").open("a") as trusted:
                trusted.write(f"host all all {network} trust\n")
        server = _start(programs, folder, account, options)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to be root: then it is a user of the system that may do nothing else."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _initialise(programs: Path, folder: Path, account: dict[str, Any]) -> None:
    words = ["--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={USER}", "--no-sync"]
    done = subprocess.run(
        [programs / "initdb", *words, f"--pgdata={folder / 'data'}"],
        **account,
        **_surroundings(folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def _start(programs: Path, folder: Path, account: dict[str, Any], chosen: dict[str, str]) -> Server:
    options = [f"--{name}={value}" for name, value in chosen.items()]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), *options]
    for _ in range(ATTEMPTS):
        port = _free_port()
        sockets = str(folder) if chosen["unix_socket_directories"] else ""
        server = Server(_launch([*command, f"--port={port}"], folder, account), port, sockets)
        if _answers(server, folder / "data"):
            return server
    raise AssertionError((folder / "log").read_text())


def _launch(command: list[str], folder: Path, account: dict[str, Any]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            **account,
            **_surroundings(folder),
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for pytest, which then stops us
            preexec_fn=_end_with_the_parent(),
        )


def _surroundings(folder: Path) -> dict[str, Any]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {"stdin": subprocess.DEVNULL, "cwd": folder, "env": environ | {"LC_ALL": "C"}}


def _end_with_the_parent() -> Callable[[], None] | None:
    """Where the system can do it, a pytest that is killed takes its server with it."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PARENT_DIED, signal.SIGINT)


def _answers(server: Server, data: Path) -> bool:
    """Wait until it takes connections; False when it ended instead, as it does on a taken port."""
    deadline = time.monotonic() + SECONDS
    while server.process.poll() is None:
        if server.is_ours(data):
            return True
        if time.monotonic() > deadline:
            server.stop()
        time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class Shared:
    """One migrated database for all tests of a process, emptied before each of them.

    A database for each test takes ten times as long to make and drop.
    """

    CUT_OFF = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() AND backend_type = 'client backend'"
    )
    RESTART = "SELECT setval(seqrelid::regclass, 1, false) FROM pg_sequence"

    def __init__(self, server: Server) -> None:
        self.url = server.create("shared")
        database = connect(self.url)
        migrate(database)
        database.engine.dispose()
        # As a replica it asks no foreign key, so that the order of the tables does not matter.
        options = "-c session_replication_role=replica -c lock_timeout=10s"
        self._connection = psycopg.connect(self.url, autocommit=True, options=options)
        version = self._connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert version
        deletes = [f"DELETE FROM {name}" for name in (*Base.metadata.tables, *OTHERS)]
        restore = f"UPDATE alembic_version SET version_num = '{version[0]}'"
        # Proofs are append-only: only a superuser who leaves triggers out can delete them.
        apart = "SET session_replication_role = replica"
        back = "SET session_replication_role = DEFAULT"
        steps = [self.CUT_OFF, apart, *deletes, back, self.RESTART, restore]
        steps.append("INSERT INTO schema_floor VALUES ('')")
        self._empty = "; ".join(steps).encode()

    def emptied(self) -> str:
        """The DATABASE_URL of the database, in which nothing of an earlier test is left."""
        self._connection.execute(self._empty)
        return self.url

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


def copy_rows(source: Path, target: Database) -> None:
    """Fill an empty database with all rows of a SQLite file, whose rows do not change."""
    if target.engine.name == "sqlite":
        shutil.copy(source, str(target.engine.url.database))
        return
    with target.write() as session:
        kept = session.execute(text(f"SELECT to_regnamespace('{KEPT}')")).scalar_one()
        if kept is None:
            _keep_rows(source, session)
        session.execute(text("; ".join(_bring(table) for table in Base.metadata.sorted_tables)))


def _keep_rows(source: Path, session: Session) -> None:
    """Lay the rows ready in tables of the same names: moving them takes a tenth of sending them."""
    database = connect(f"sqlite:///{source}")
    session.execute(text(f"CREATE SCHEMA {KEPT}"))
    with database.read() as old:
        for table in Base.metadata.sorted_tables:
            there = f"{KEPT}.{table.name}"
            session.execute(text(f"CREATE TABLE {there} AS TABLE {table.name} WITH NO DATA"))
            if rows := [row._asdict() for row in old.execute(table.select())]:
                session.execute(table.to_metadata(MetaData(schema=KEPT)).insert(), rows)
    database.engine.dispose()


def _bring(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns if column.computed is None)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {KEPT}.{table.name}"
        + _count_on(table)
    )


def _count_on(table: Table) -> str:
    """The next row gets a number that none of those which came with one has."""
    column = table.autoincrement_column
    if column is None:
        return ""
    name = f"'{table.name}', '{column.name}'"
    newest = f"SELECT max({column.name}) FROM {table.name}"
    return f"; SELECT setval(pg_get_serial_sequence({name}), ({newest}))"
