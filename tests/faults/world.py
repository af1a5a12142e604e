"""A world of the newsletter: a folder, a database, a relay, and processes, driven by its commands.

Everything goes through the stable command line and real processes. What the tests look at is the
relay's own log, `issues show --json`, and the tables, read from outside.
"""

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.programs import SECONDS, Birth, Done, Program, wait_for
from tests.faults.shelf import make_shelf, write_item
from tests.faults.stores import Store, empty, new_folder, remove_folder, settings_of
from tests.postgres import Server
from tests.relay import RelayLog

SETTINGS = {
    "NEWSLETTER_ENV": "development",
    "SECRET_KEY": "a key for fault tests that is long enough",
    "BASE_URL": "http://localhost:5000",
    "MAIL_SERVER": "127.0.0.1",
    "MAIL_TIMEOUT": "5",
    "LEASE_SECONDS": "1",
    "GRACE_SECONDS": "5",
    "RELAY_REST_SECONDS": "1",
    "RETRY_MINUTES": "0.01",
    "DOMAIN_REST_MINUTES": "0.01",
    "FAILURE_SHARE": "1",  # the pause by itself has tests of its own
    "DELIVERY_CONNECTIONS": "4",
}
COUNT = "SELECT state, count(*) FROM deliveries WHERE issue_number = {number} GROUP BY state"
WORK = """
SELECT 1 FROM deliveries WHERE state = 'claimed'
OR (state IN ('pending', 'deferred') AND due_at < '{soon}') LIMIT 1
"""
FALSELY_SENT = """
SELECT i.number, d.state FROM issues i JOIN deliveries d ON d.issue_number = i.number
WHERE i.state = 'sent' AND d.state IN ('pending', 'claimed', 'deferred') LIMIT 1
"""


class World:
    """One INSTANCE_DIR with its readers; `close` leaves nothing behind."""

    def __init__(self, store: Store, shelf: Path, readers: list[str], birth: Birth) -> None:
        self.store, self.shelf, self.readers, self.birth = store, shelf, readers, birth
        self.home = shelf.parent  # made by `new_folder`; nothing else is ever removed
        self.relay = RelayLog()
        self.settings: dict[str, str] = {}
        self.programs: list[Program] = []
        self.falsely_sent: list[tuple[Any, ...]] = []  # I7, looked at all the time
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    # --- programs -------------------------------------------------------------------------------

    def environ(self, **settings: str) -> dict[str, str]:
        mine = {"CONTENT_DIR": str(self.shelf), "MAIL_PORT": str(self.relay.port or 9)}
        return {**SETTINGS, **settings_of(self.store), **mine, **self.settings, **settings}

    def start(self, *arguments: str, **settings: str) -> Program:
        """`newsletter …`, not waited for."""
        return self._start("newsletter.cli", list(arguments), settings, self.birth)

    def start_on(self, birth: Birth, *arguments: str, **settings: str) -> Program:
        """The same on another host, or of another release."""
        return self._start("newsletter.cli", list(arguments), settings, birth)

    def start_clocked(self, offset: float, *arguments: str, **settings: str) -> Program:
        """The same with a clock that is wrong by so many seconds; see `set_clock`."""
        self.set_clock(offset)
        words = [str(self._clock), *arguments]
        return self._start("tests.faults.clocked", words, settings, self.birth)

    def _start(
        self, module: str, arguments: list[str], settings: Mapping[str, str], birth: Birth
    ) -> Program:
        self._watch()
        output = self.home / f"program{len(self.programs)}"
        program = Program(birth, module, arguments, self.environ(**settings), output)
        self.programs.append(program)
        return program

    def run(self, *arguments: str, code: int | None = 0, **settings: str) -> Done:
        """`newsletter …`, to its end."""
        done = self.start(*arguments, **settings).wait()
        assert code is None or done.code == code, (arguments, done)
        return done

    @property
    def _clock(self) -> Path:
        return self.home / "clock"

    def set_clock(self, offset: float) -> None:
        """Every clocked program sees this within a few hundredths of a second."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(offset))
        fresh.replace(self._clock)

    # --- what there is to see -------------------------------------------------------------------

    def show(self, number: int = 1) -> dict[str, Any]:
        """What the command line says of an issue."""
        found: dict[str, Any] = json.loads(self.run("issues", "show", str(number), "--json").out)
        return found

    def counts(self, number: int = 1) -> dict[str, int]:
        """Rows by state, read from outside: for waiting."""
        return dict(self.store.rows(COUNT.format(number=number)))

    def state(self, number: int = 1) -> str:
        rows = self.store.rows(f"SELECT state FROM issues WHERE number = {number}")
        return str(rows[0][0]) if rows else ""

    def has_work(self) -> bool:
        """Is a row being worked, or due within seconds?"""
        soon = datetime.now(UTC) + timedelta(seconds=2)
        text = f"{soon:%Y-%m-%d %H:%M:%S}{'' if self.store.is_sqlite else '+00'}"
        return bool(self.store.rows(WORK.format(soon=text)))

    def is_written_to(self) -> bool:
        """Is a transaction writing rows of deliveries at this moment?"""
        return self.store.is_written_to()

    def add_item(self, slug: str) -> None:
        """One more item, for another issue."""
        write_item(self.shelf, slug, title=f"Nog een bericht: {slug}")

    def until_taken(self, count: int) -> None:
        """Wait until the relay has so many messages."""
        wait_for(lambda: len(self.relay.taken) >= count, f"the {count}th message")

    def finish(self, number: int = 1, seconds: float = SECONDS, ahead: float = 0) -> None:
        """Recovery without an operator: only `newsletter deliver`, again and again.

        With `ahead` the clock of the last tries is so many seconds later, for waits that are long.
        """
        deadline = time.monotonic() + seconds
        tries = 0
        while self.state(number) != "sent" and time.monotonic() < deadline:
            tries += 1
            if ahead and tries > 2:
                self.start_clocked(ahead * (tries - 2), "deliver").wait(seconds)
            else:
                self.start("deliver").wait(seconds)
        found = self.show(number)
        said = [program.err for program in self.programs[-4:-1]]
        assert found["state"] == "sent", (found, said)

    def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._look_for_falsely_sent)
            self._watcher.start()

    def _look_for_falsely_sent(self) -> None:
        while not self._closing.wait(0.1):
            try:
                self.falsely_sent += self.store.rows(FALSELY_SENT)
            except Exception:  # noqa: S112 (no tables yet, or the database is the fault)
                continue

    # --- beginning and end ----------------------------------------------------------------------

    def copy(self) -> "World":
        """A world like this one; nothing may be running in this one."""
        folder = new_folder()
        shutil.copytree(self.shelf, folder / "content")
        store = self.store.copy(folder / "instance")
        copied = World(store, folder / "content", list(self.readers), self.birth)
        copied.settings = dict(self.settings)
        return copied

    def close(self) -> None:
        """Every process is ended, every file removed."""
        for program in self.programs:
            program.end()
        self._closing.set()
        if self._watcher:
            self._watcher.join()
        with contextlib.suppress(psycopg.OperationalError):  # the server itself is gone
            self.store.drop()
        remove_folder(self.home)


def reader(number: int) -> str:
    """Three readers to a domain, so that a domain that is slowed down holds up few."""
    return f"r{number}@plaats{number // 3}.example"


def build(server: Server | None, readers: int, birth: Birth, items: int = 2) -> World:
    """A migrated database with readers and a compiled issue 1, made by the commands themselves."""
    home = new_folder()
    store = empty(home, server)
    shelf = make_shelf(home / "content", items)
    names = [reader(number) for number in range(1, readers + 1)]
    world = World(store, shelf, names, birth)
    world.run("migrate")
    file = world.home / "readers.csv"
    lines = [f"{email},{'fr' if not n % 10 else 'nl'}" for n, email in enumerate(world.readers)]
    confirmed = ",2026-01-02T09:00:00+01:00"
    file.write_text("\n".join(["email,locale,confirmed_at", *(f"{x}{confirmed}" for x in lines)]))
    world.run("subscribers", "import", str(file), "--source", "a test")
    assert world.run("issues", "compile").out.strip() == "1"
    return world
