"""A real SMTP server for the tests, with its own log and replies that a test scripts."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

Script = Callable[[str, str], str | None]


@dataclass(frozen=True)
class Taken:
    """A message the relay answered 250 to."""

    recipient: str
    sender: str
    content: bytes

    @property
    def message_id(self) -> str:
        found = re.search(rb"(?im)^Message-ID: (\S+)", self.content)
        return found[1].decode() if found else ""


@dataclass
class RelayLog:
    """What the relay took and how it was spoken to; `script(stage, recipient)` may answer else."""

    script: Script = lambda stage, recipient: None
    taken: list[Taken] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def got(self, recipient: str) -> list[Taken]:
        return [message for message in self.taken if message.recipient == recipient]


class _Handler:
    def __init__(self, log: RelayLog) -> None:
        self.log, self.lock = log, threading.Lock()

    def _answer(self, server: SMTP, stage: str, recipient: str) -> str | None:
        reply = self.log.script(stage, recipient)
        if reply == "cut":
            server.transport.abort()  # type: ignore[union-attr]
            return "421 cut"
        return reply

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        with self.lock:
            self.log.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._answer(server, "mail", ""):
            return reply
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        with self.lock:
            self.log.recipients.append(address)
        if reply := self._answer(server, "rcpt", address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        content: Any = envelope.content
        if (reply := self._answer(server, "content", recipient)) and reply != "taken, then cut":
            return reply
        with self.lock:
            self.log.taken.append(Taken(recipient, envelope.mail_from or "", content))
        if reply == "taken, then cut":
            server.transport.abort()  # type: ignore[union-attr]
        return "250 2.0.0 queued"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(script: Script | None = None) -> Iterator[RelayLog]:
    """A relay on a free port of 127.0.0.1."""
    log = RelayLog()
    if script:
        log.script = script
    log.port = free_port()
    controller = Controller(_Handler(log), hostname="127.0.0.1", port=log.port)
    controller.start()
    try:
        yield log
    finally:
        controller.stop()
