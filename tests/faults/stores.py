"""Worlds are built once and copied: by file on SQLite, by CREATE DATABASE … TEMPLATE elsewhere."""

import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import Server

PREFIX = "newsletter-faults-"
_names = (f"world{number}" for number in itertools.count(1))


def new_folder() -> Path:
    """In memory where there is such a place: a killed process loses nothing of what is there."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=memory if memory.is_dir() else None))


def remove_folder(folder: Path) -> None:
    """Remove what `new_folder` made, and nothing else, whatever a test did to its paths."""
    made = folder.name.startswith(PREFIX) and not folder.is_symlink()
    assert made, f"{folder} was not made by new_folder"
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Store:
    """The database of one world, read from outside and never through our own program."""

    folder: Path  # INSTANCE_DIR
    server: Server | None = None
    name: str = ""

    @property
    def url(self) -> str:
        return self.server.url(self.name) if self.server else f"sqlite:///{self.file}"

    @property
    def file(self) -> Path:
        return self.folder / "newsletter.db"

    @property
    def is_sqlite(self) -> bool:
        return self.server is None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds, at this moment."""
        if self.server:
            with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
                return connection.execute(sql.encode()).fetchall()
        reader = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)
        try:
            return reader.execute(sql).fetchall()
        finally:
            reader.close()

    def change(self, sql: str) -> None:
        """What a fault does to the database behind our program's back."""
        if self.server:
            with psycopg.connect(self.url, autocommit=True) as connection:
                for statement in sql.split("; "):
                    connection.execute(statement.encode())
            return
        writer = sqlite3.connect(self.file, timeout=30)
        try:
            with writer:
                writer.execute(sql)
        finally:
            writer.close()

    def is_written_to(self) -> bool:
        """Does somebody hold what is needed to write deliveries?"""
        if self.server:
            found = self.rows(
                "SELECT 1 FROM pg_locks WHERE relation = 'deliveries'::regclass "
                "AND mode = 'RowExclusiveLock'"
            )
            return bool(found)
        writer = sqlite3.connect(self.file, timeout=0, isolation_level=None)
        try:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            writer.close()
        return False

    def copy(self, folder: Path) -> "Store":
        """A world of its own, with all that is in this one; nobody may be using this one."""
        copied = self.clone(folder)
        shutil.rmtree(folder / "outside", ignore_errors=True)  # a copy that was adopted
        copied.change("UPDATE fence SET identity = NULL")
        return copied

    def clone(self, folder: Path) -> "Store":
        """A copy of the server, as somebody might make one."""
        shutil.copytree(self.folder, folder)
        if self.server is None:
            return Store(folder)
        name = next(_names)
        self._order(f"CREATE DATABASE {name} TEMPLATE {self.name}")
        return Store(folder, self.server, name)

    def drop(self) -> None:
        """The database goes; the folder is the world's to remove."""
        if self.server:
            self.server.drop(self.name)

    def _order(self, sql: str) -> None:
        assert self.server
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())


def empty(home: Path, server: Server | None) -> Store:
    """A database with nothing in it, not even tables."""
    folder = home / "instance"
    folder.mkdir(mode=0o700)
    if server is None:
        return Store(folder)
    name = next(_names)
    server.create(name)
    return Store(folder, server, name)


def settings_of(store: Store) -> Mapping[str, str]:
    """Where a program finds this database."""
    return {"INSTANCE_DIR": str(store.folder), "DATABASE_URL": store.url}
