"""gunicorn in this process: a master that replaces workers, each with site, clock, catcher, LMTP.

The master binds the ports and holds nothing else over the fork, no thread and no database
connection; a worker that dies is replaced by one with a clock and a catcher of its own. Of several
clocks one leads (its lock); of several catchers each may take a mail, into the same store.
"""

import gc
import hashlib
import importlib
import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import fields
from importlib.metadata import version
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication
from sqlalchemy import make_url

from newsletter.catcher import FOLDER, Catcher, Store
from newsletter.cli.logs import configuration
from newsletter.cli.serve.lmtp import Intake
from newsletter.cli.serve.turns import Turns
from newsletter.db import Database
from newsletter.jobs.timetable import Clock
from newsletter.seeing import Listener
from newsletter.settings import SECRETS, Settings

log = logging.getLogger(__name__)

# Requests at the same time, in each process. Many wait for one commit, which serves them together.
THREADS = 16
SITE = "newsletter.app"  # by name, as gunicorn loads any site: commands stand below it
GRACE = 4  # seconds a stopping worker gets beside GRACE_SECONDS, before it is killed


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn's application; `load` and the hooks run in the worker, the rest in the master."""

    def __init__(
        self,
        settings: Settings,
        site: socket.socket,
        catcher: socket.socket | None,
        lmtp: socket.socket | None,
        figures: socket.socket | None,
    ) -> None:
        """`site` and the others: sockets that listen already; `figures` is METRICS_PORT."""
        self.settings, self.site = settings, site
        self.catcher, self.lmtp, self.figures = catcher, lmtp, figures
        self.inside: _Inside | None = None
        self.hangup = signal.getsignal(signal.SIGHUP)
        self.largest_body = 0  # octets; known once the site is loaded
        self.larger_body: Callable[[bytes], int] | None = None
        self.turns = Turns()
        # Read before the fork: a worker that takes a dead one's place is there at once.
        self.site_module = importlib.import_module(SITE)
        gc.freeze()  # and what workers never look through stays shared with them
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        options = {
            "bind": f"fd://{self.site.fileno()}",
            "workers": self.settings.web_processes,
            "worker_class": "newsletter.cli.serve.worker.PatientWorker",
            "threads": THREADS,
            "sendfile": False,  # it would wait for the client
            "graceful_timeout": GRACE + self.settings.grace_seconds,
            "control_socket_disable": True,
            "logconfig_dict": configuration(self.settings),
            "when_ready": self._end_with_the_terminal,
            "post_worker_init": self._start_inside,
            "worker_exit": self._stop_inside,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The site, made in each worker."""
        app: Flask = self.site_module.create_app(self.settings)
        self.largest_body = app.config["MAX_CONTENT_LENGTH"]
        self.larger_body = app.config["LARGER_BODY"]
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
        self.inside = _Inside(self.settings, worker.wsgi)
        self.inside.serve(self.catcher, self.lmtp, self.figures)
        self.inside.start()
        log.info("started", extra=self._who() | {"worker": worker.age})
        if worker.age == 1:
            _say_where_to_look(self.settings)

    def _stop_inside(self, _server: Any, worker: Any) -> None:
        if self.inside is None or worker.pid != os.getpid():
            return
        for name in (signal.SIGTERM, signal.SIGQUIT):  # a second one must not cut this short
            signal.signal(name, signal.SIG_IGN)
        self.inside.stop()
        log.info("stopped", extra={"worker": worker.age})

    def _who(self) -> dict[str, object]:
        """What an operator compares between two starts; no secret is among it."""
        url = make_url(self.settings.database_url)
        return {
            "version": version("newsletter"),
            "settings": _digest(self.settings),
            "database": url.get_backend_name(),
            "processes": self.settings.web_processes,
        }


def _digest(settings: Settings) -> str:
    """12 hexadecimal digits that change when a setting does, secrets aside."""
    hidden = SECRETS | {"DATABASE_URL"}
    shown = [f.name for f in fields(settings) if f.name.upper() not in hidden]
    told = [(name, str(getattr(settings, name))) for name in shown]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


class _Inside:
    """What runs beside the site in the worker."""

    def __init__(self, settings: Settings, app: Flask) -> None:
        self.settings, self.watch = settings, app.extensions["watch"]
        self.database: Database = app.extensions["newsletter"].database
        self.clock = Clock(settings, self.database) if settings.clock == "embedded" else None
        self.servers: list[Catcher | Intake | Listener] = []

    def serve(
        self,
        catcher: socket.socket | None,
        lmtp: socket.socket | None,
        figures: socket.socket | None,
    ) -> None:
        """What listens, beside the site."""
        if catcher:
            self.servers.append(Catcher(Store(self.settings.instance_dir / FOLDER), catcher))
        if lmtp:
            self.servers.append(Intake(self.settings, self.database, lmtp))
        if figures:
            self.servers.append(Listener(self.watch, figures))

    def start(self) -> None:
        for server in self.servers:
            server.start()
        if self.clock:
            self.clock.start()

    def stop(self) -> None:
        if self.clock:
            self.clock.stop()
        for server in self.servers:
            server.stop()
        self.database.engine.dispose()


def _say_where_to_look(settings: Settings) -> None:
    lines = ["Fiabel is running.", f"  Site    {settings.base_url}/"]
    if settings.uses_catcher:
        lines.append(f"  Inbox   {settings.base_url}/inbox/")
    lines.append("  Stop    Ctrl-C")
    click.echo("\n".join(lines))
