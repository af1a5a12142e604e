"""Which of several embedded clocks runs: one on each host, and of the hosts one."""

import contextlib
import fcntl
import os
import threading
import time
from typing import Any

from sqlalchemy import Connection, text

from newsletter.db import CLOCK_LOCK, UNAVAILABLE, Database
from newsletter.settings import Settings

ASK_SECONDS = 1.0  # how often the connection that holds it is looked at


class Leadership:
    """One process leads its host by a lock on a file in INSTANCE_DIR, which goes with the process.

    Of the hosts that share a database on PostgreSQL one leads them all, by an advisory lock that
    goes with its connection. Who lost that connection leads no more; a task it had begun goes on
    to its end, which is safe, since rows decide what is to do.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._file: Any = None
        self._connection: Connection | None = None
        self._asked_at = 0.0
        self._turn = threading.Lock()

    def of_host(self) -> bool:
        """Does this process lead among those of its host?"""
        with self._turn:
            return self._leads_host()

    def of_all(self) -> bool:
        """Does this process lead among those of all hosts?"""
        with self._turn:
            if not self._leads_host():
                return False
            return self._database.engine.name == "sqlite" or self._leads_hosts()

    def mark(self) -> None:
        """Show `newsletter doctor` that the clock runs, once this process leads its host."""
        os.utime(self._file.fileno())

    def end(self) -> None:
        """Let another process lead."""
        with self._turn:
            self._let_go()
            if self._file is not None:
                self._file.close()
                self._file = None

    def _leads_host(self) -> bool:
        if self._file is not None:
            return True
        file = (self._settings.instance_dir / "clock.lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return True

    def _leads_hosts(self) -> bool:
        now = time.monotonic()
        if now < self._asked_at + ASK_SECONDS:
            return self._connection is not None
        try:
            self._keep() if self._connection is not None else self._try()
        except UNAVAILABLE:
            self._let_go()
        self._asked_at = time.monotonic()
        return self._connection is not None

    def _keep(self) -> None:
        assert self._connection is not None  # noqa: S101 (asked only while there is one)
        self._connection.execute(text("SELECT 1"))

    def _try(self) -> None:
        with contextlib.ExitStack() as unless_it_leads:
            connection = unless_it_leads.enter_context(self._database.engine.connect())
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            asked = text("SELECT pg_try_advisory_lock(:clock)")
            if connection.execute(asked, {"clock": CLOCK_LOCK}).scalar_one():
                self._connection = connection
                unless_it_leads.pop_all()

    def _let_go(self) -> None:
        """Its own connection goes, and the lock with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*UNAVAILABLE):
                connection.invalidate()
            connection.close()
