"""What every command needs: settings and database, opened once, and ways to print."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter import settings as settings_module
from newsletter.content.library import Library
from newsletter.db import Database, connect
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixSettings
from newsletter.issues import sharing
from newsletter.schema import is_current
from newsletter.settings import Settings


def as_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option --json of every command that prints data."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


@dataclass(frozen=True, slots=True)
class Office:
    """Settings and database of one command."""

    settings: Settings
    database: Database

    @property
    def library(self) -> Library:
        """The shelf of items; on a host without the folder the topics and pages alone."""
        if not self.settings.content_host:
            with self.database.read() as session:
                sharing.fetch(session, self.settings.content_dir)
        return Library(self.settings.content_dir, self.settings.timezone, self.settings.cadences)


def needs_content(settings: Settings) -> None:
    """Raises FixSettings on a host without the folder of items."""
    if not settings.content_host:
        raise FixSettings("CONTENT_HOST is no here: run this on the host that keeps the content.")


def open_database(settings: Settings) -> Database:
    """The database, which is closed when the command ends."""
    database = connect(settings.database_url)
    click.get_current_context().call_on_close(database.engine.dispose)
    return database


def open_office() -> Office:
    """Read the settings and open the database; raises FixSettings when it is not migrated."""
    settings = settings_module.load()
    if settings.log_level:  # else a command says what it has to say itself
        from newsletter.cli import logs

        logs.set_up(settings)
    database = open_database(settings)
    if not is_current(database):
        raise FixSettings("The database has not the newest schema; run `newsletter migrate`.")
    office = Office(settings, database)
    click.get_current_context().obj = office  # for `log`
    return office


def log(session: Session, action: str, subject: str, **facts: Any) -> None:
    """Write in the log of changes what somebody did on the command line."""
    office = click.get_current_context().find_object(Office)
    assert office is not None  # noqa: S101 (without one there is no session)
    audit.record(session, office.settings, audit.COMMAND_LINE, action, subject, utcnow(), facts)


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


@contextmanager
def tidy() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does: it leaves nothing half done behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


STEPS = 10  # plain lines at every tenth of the work


@contextmanager
def progress(label: str, total: int, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, plain lines elsewhere, nothing when `quiet` (--json).

    Call what it yields with the work done.
    """
    if quiet:
        yield lambda _count: None
    elif sys.stdout.isatty():
        bar = click.progressbar(length=total, label=label)
        with bar:
            yield bar.update
    else:
        yield _plain_lines(label, total)


def _plain_lines(label: str, total: int) -> Callable[[int], None]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if done * STEPS // max(total, 1) != before * STEPS // max(total, 1):
            click.echo(f"{label}: {done} of {total}")

    return advance
