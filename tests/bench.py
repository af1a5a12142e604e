"""`make bench`: messages per second beside a naive peer, on the same relay, in the same run.

The relay is a process of its own. Figures are printed as a table
and written as JSON to build/bench.json.
"""

import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import flask_mail
from flask import Flask

from newsletter import settings as settings_module
from newsletter.content.library import Library
from newsletter.db import Database, connect, migrate
from newsletter.issues import publishing
from newsletter.issues.compiler import compile_issue
from newsletter.jobs import tasks
from newsletter.models import Edition
from newsletter.settings import Settings
from newsletter.subscribers.importing import import_csv
from tests.relay import free_port

READERS = 2_000
PEER_MESSAGES = 500
CONNECTIONS = 8


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        port, ready = free_port(), multiprocessing.Event()
        sink = multiprocessing.Process(target=_sink, args=(port, ready), daemon=True)
        sink.start()
        ready.wait(10)
        settings = settings_module.load(
            environ={},
            INSTANCE_DIR=folder,
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=str(port),
            DELIVERY_CONNECTIONS=str(CONNECTIONS),
        )
        figures = _measure(settings)
        sink.terminate()
        sink.join()
    _print(figures)


def _measure(settings: Settings) -> dict[str, float]:
    now = datetime.now(UTC)
    database = connect(settings.database_url)
    migrate(database)
    library = Library(settings.content_dir)
    rows = [f"r{index}@voorbeeld.example,{now.isoformat()}" for index in range(READERS)]
    figures = {"import_s": _timed(lambda: _import(database, settings, rows, now))}
    figures["plan_s"] = _timed(lambda: _send(database, settings, library, now))
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    seconds = _timed(lambda: tasks.deliver(database, settings))
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime
    with database.read() as session:
        edition = session.query(Edition).first()
        assert edition is not None
        peer_seconds = _timed(lambda: _peer(settings, edition))
    figures |= {
        "messages_per_s": READERS / seconds,
        "cpu_us_per_message": spent / READERS * 1e6,
        "peer_messages_per_s": PEER_MESSAGES / peer_seconds,
        "peak_memory_mb": used.ru_maxrss / 1024,
    }
    figures["ratio_to_peer"] = figures["messages_per_s"] / figures["peer_messages_per_s"]
    return figures


def _import(database: Database, settings: Settings, rows: list[str], now: datetime) -> None:
    with database.write() as session:
        import_csv(
            session,
            settings,
            ["email,confirmed_at", *rows],
            source="bench",
            now=now,
            invite=False,
            topics_known=(),
        )


def _send(database: Database, settings: Settings, library: Library, now: datetime) -> None:
    with database.write() as session:
        issue = compile_issue(session, settings, library, now, settings.default_cadence)
        assert issue is not None
        publishing.send(session, settings, issue.number, now)


def _peer(settings: Settings, edition: Edition) -> None:
    """A loop over Flask-Mail's own kept connection, building one Message per recipient."""
    app = Flask("peer")
    app.config |= {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": settings.mail_port}
    mail = flask_mail.Mail(app)
    with app.app_context(), mail.connect() as connection:
        for index in range(PEER_MESSAGES):
            message = flask_mail.Message(
                edition.subject,
                recipients=[f"r{index}@voorbeeld.example"],
                sender="fiabel@nieuws.vvsg.example",
                body=edition.text,
                html=edition.html,
            )
            connection.send(message)


def _timed(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _print(figures: dict[str, float]) -> None:
    print(f"{READERS} readers, {CONNECTIONS} connections, SQLite, ledger on")
    for name, value in figures.items():
        print(f"  {name:22} {value:10.1f}")
    file = Path("build/bench.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"python": sys.version.split()[0], **figures}, indent=2) + "\n")


class _Sink(asyncio.Protocol):
    """As little SMTP as a sender needs, in its own process."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer, self.in_content = transport, bytearray(), False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        end = b"\r\n.\r\n" if self.in_content else b"\r\n"
        place = self.buffer.find(end)
        if place < 0:
            return False
        line = bytes(self.buffer[:4]).upper()
        del self.buffer[: place + len(end)]
        if self.in_content:
            self.in_content = False
            self.transport.write(b"250 2.0.0 taken\r\n")
        else:
            self.in_content = line == b"DATA"
            self.transport.write(b"354 go\r\n" if self.in_content else b"250 ok\r\n")
        return True


def _sink(port: int, ready: Event) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Sink, "127.0.0.1", port)
        ready.set()
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
