"""`newsletter serve`: gunicorn in this process, with the clock and the mail catcher in its worker.

The master process binds the ports and holds nothing else over the fork, no thread and no database
connection; a worker that dies is replaced by one with a clock and a catcher of its own.
"""

import dataclasses
import importlib
import logging
import os
import re
import signal
import socket
from datetime import UTC, datetime
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

import config
from newsletter import settings as settings_module
from newsletter.catcher import FOLDER, Catcher, Store, listen
from newsletter.cli import first_start
from newsletter.db import Database, connect, is_current, migrate
from newsletter.errors import FixContent, FixSettings
from newsletter.jobs.timetable import Clock
from newsletter.settings import Settings

HOST = "127.0.0.1"
GRACE = 4  # seconds a stopping worker gets beside GRACE_SECONDS, before it is killed
TOKEN = re.compile(r"(?<=/)[A-Za-z0-9_-]{36}(?![A-Za-z0-9_-])")


@click.command("serve")
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TCP port of the site on this machine (0: a free one).",
)
def command(port: int) -> None:
    """Serve the site with the scheduler inside; in development also the mail catcher."""
    settings = settings_module.load()
    site = _listen(port)
    settings = _at_port(settings, site.getsockname()[1])
    catcher = listen(settings.catcher_port) if settings.uses_catcher else None
    prepare(settings)
    _Server(settings, site, catcher).run()


def prepare(settings: Settings) -> None:
    """Bring the database up to date; in development, an empty one gets the sample content.

    Raises FixSettings when a database of many hosts was not migrated: a person chooses that moment.
    """
    database = connect(settings.database_url)
    try:
        if database.engine.dialect.name == "sqlite":
            migrate(database)
        elif not is_current(database):
            raise FixSettings(
                "The database of DATABASE_URL has not the newest schema: run `newsletter migrate`."
            )
        if settings.uses_catcher:
            _fill_first(database, settings)
    finally:
        database.engine.dispose()


def _fill_first(database: Database, settings: Settings) -> None:
    """An error in the content folder is shown, and keeps nobody from starting to mend it."""
    try:
        if first_start.fill(database, settings, datetime.now(UTC)):
            click.echo("First start: the sample content goes to a few sample readers.")
    except FixContent as error:
        click.echo(f"The sample content was not sent:\n{error}", err=True)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=512)
    except OSError as error:
        raise FixSettings(
            f"Port {port} of {HOST} cannot be used ({os.strerror(error.errno or 0)}): "
            "end the program that holds it, or choose another with --port."
        ) from None


def _at_port(settings: Settings, port: int) -> Settings:
    """In development, a BASE_URL that nobody set follows the port."""
    chosen = "BASE_URL" in os.environ or settings.base_url != config.BASE_URL
    if settings.production or chosen:
        return settings
    return dataclasses.replace(settings, base_url=f"http://localhost:{port}")


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn's application; `load` and the hooks run in the worker, the rest in the master."""

    def __init__(
        self, settings: Settings, site: socket.socket, catcher: socket.socket | None
    ) -> None:
        self.settings, self.site, self.catcher = settings, site, catcher
        self.inside: _Inside | None = None
        self.hangup = signal.getsignal(signal.SIGHUP)
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": f"fd://{self.site.fileno()}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": 8,
            "graceful_timeout": GRACE + self.settings.grace_seconds,
            "control_socket_disable": True,
            "logconfig_dict": _LOGGING,
            "when_ready": self._end_with_the_terminal,
            "post_worker_init": self._start_inside,
            "worker_exit": self._stop_inside,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        # By name, as gunicorn loads any site: commands stand below the application.
        app: Flask = importlib.import_module("newsletter.app").create_app(self.settings)
        return app

    def _end_with_the_terminal(self, _arbiter: Any) -> None:
        """SIGHUP ends the server (or means nothing, under nohup); gunicorn's own way, a reload,
        would outlive the terminal."""
        if self.hangup is not signal.SIG_IGN:
            self.hangup = lambda _signal, _frame: os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGHUP, self.hangup)

    def _start_inside(self, worker: Any) -> None:
        # A terminal sends its signals to the whole group; only the master may hand them on.
        for name in (signal.SIGINT, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        self.inside = _Inside(self.settings, worker.wsgi, self.catcher)
        self.inside.start()
        if worker.age == 1:
            _say_where_to_look(self.settings)

    def _stop_inside(self, _server: Any, worker: Any) -> None:
        if self.inside is None or worker.pid != os.getpid():
            return
        for name in (signal.SIGTERM, signal.SIGQUIT):  # a second one must not cut this short
            signal.signal(name, signal.SIG_IGN)
        self.inside.stop()


class _Inside:
    """What runs beside the site in the worker."""

    def __init__(self, settings: Settings, app: Flask, catcher: socket.socket | None) -> None:
        self.database: Database = app.extensions["newsletter"].database
        self.clock = Clock(settings, self.database)
        store = Store(settings.instance_dir / FOLDER)
        self.catcher = Catcher(store, catcher) if catcher else None

    def start(self) -> None:
        if self.catcher:
            self.catcher.start()
        self.clock.start()

    def stop(self) -> None:
        self.clock.stop()
        if self.catcher:
            self.catcher.stop()
        self.database.engine.dispose()


def _say_where_to_look(settings: Settings) -> None:
    lines = ["Fiabel is running.", f"  Site    {settings.base_url}/"]
    if settings.uses_catcher:
        lines.append(f"  Inbox   {settings.base_url}/inbox/")
    lines.append("  Stop    Ctrl-C")
    click.echo("\n".join(lines))


class Redacted(logging.Formatter):
    """Log lines without tokens: whoever reads a log must not be able to use a reader's link."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, each token in an address replaced."""
        return TOKEN.sub("…", super().format(record))


_LOGGING = {
    "root": {"level": "WARNING", "handlers": ["error_console"]},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "apscheduler": {"level": "ERROR"},  # it warns of every tick while a long delivery runs
    },
    "formatters": {
        "generic": {
            "class": f"{__name__}.Redacted",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
}
