"""LMTP (RFC 2033): a mail server hands over what comes back, and keeps it until it is committed."""

import asyncio
import contextlib
import os
import socket
from functools import partial
from pathlib import Path

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter.bounces.intake import Incoming
from newsletter.db import Database
from newsletter.errors import FixSettings, NewsletterError
from newsletter.jobs.mailboxes import LARGEST, hand_over
from newsletter.mailserver import MailServer
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Listener

TAKEN = "250 2.0.0 Taken"
LATER = "451 4.3.0 Not taken yet"


def listen(place: Listener) -> socket.socket:
    """A socket that already listens. Raises FixSettings when it cannot be had."""
    try:
        return _socket_file(str(place)) if place.path else _port(place)
    except OSError as error:
        raise FixSettings(
            f"BOUNCE_LMTP {place} cannot be used ({os.strerror(error.errno or 0)})."
        ) from None


class _Lmtp(LMTP):
    """Takes long lines too: some servers that report do not break them, and a mail server that is
    told that a line is too long gives up for good."""

    line_length_limit = 1 << 20  # octets


class Intake(MailServer):
    """The server; every 250 means committed."""

    def __init__(self, settings: Settings, database: Database, listener: socket.socket) -> None:
        """`listener` is of `listen`."""
        taker = _Taker(settings, database)
        super().__init__(
            listener,
            lambda loop: _Lmtp(taker, data_size_limit=LARGEST, ident="Fiabel", loop=loop),
        )


class _Taker:
    """aiosmtpd's handler."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._take = partial(hand_over, database, settings)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """One answer for each recipient (RFC 2033 4.2); a message means the same for all of them,
        but for those that were made for one of ours."""
        raw = envelope.original_content or b""
        answers = []
        for recipient in envelope.rcpt_tos:
            message = Incoming(raw, str(recipient), "lmtp")
            answers.append(await asyncio.to_thread(self._answer, message))
        return "\r\n".join(answers)

    def _answer(self, message: Incoming) -> str:
        try:
            self._take(message)
        except NewsletterError as error:
            words = " ".join(str(error).encode("ascii", "replace").decode().split())
            return f"{LATER}: {words}"[:400]
        except Exception as error:  # whatever it is: the mail server keeps the message
            return f"{LATER}: {type(error).__name__}"
        return TAKEN


def _port(place: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    return socket.create_server((place.host, place.port), family=family, backlog=100)


def _socket_file(path: str) -> socket.socket:
    """Whoever may enter its folder may use it. One that nobody listens at is what is left of a
    server that was killed."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(FileNotFoundError):
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
        listener.bind(path)
        Path(path).chmod(0o666)
        listener.listen(100)
    except OSError:
        listener.close()
        raise
    return listener
