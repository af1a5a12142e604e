"""The local mail catcher of development: an SMTP server that keeps every mail, and its store.

The store is a Maildir. Each file is the message exactly as it came, below two lines that say what
the envelope said (X-MailFrom, X-RcptTo), so that it can be read without the ledger.
"""

import email
import itertools
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from functools import cached_property
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter.errors import FixSettings
from newsletter.mailserver import MailServer

FOLDER = "mail"  # below INSTANCE_DIR
HEAD_BYTES = 64 * 1024  # headers longer than this are cut in the list
KEY = re.compile(r"[0-9]{20}\.[0-9]{1,10}_[0-9]{1,10}\.catcher")


@dataclass(frozen=True, slots=True)
class Caught:
    """One line of the list: the envelope, and the headers people look for."""

    key: str
    received_at: datetime
    mail_from: str
    rcpt_to: str  # several recipients are joined by ", "
    sender: str
    recipient: str
    subject: str
    date: str


class CaughtMessage:
    """One whole message; `source` is what came over SMTP, byte for byte."""

    def __init__(self, caught: Caught, source: bytes) -> None:
        self.caught, self.source = caught, source

    @cached_property
    def _parsed(self) -> Message:
        return email.message_from_bytes(self.source)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Every header, decoded, in the order they came."""
        return [(name, _readable(value)) for name, value in self._parsed.items()]

    def header(self, name: str) -> str:
        """The first header called `name`, decoded and unfolded, or ''."""
        return _readable(self._parsed.get(name, ""))

    @property
    def html(self) -> str | None:
        """The HTML part, or None."""
        return self._part("text/html")

    @property
    def text(self) -> str | None:
        """The text part, or None."""
        return self._part("text/plain")

    def _part(self, kind: str) -> str | None:
        for part in self._parsed.walk():
            if part.get_content_type() == kind and not part.get_filename():
                payload = part.get_payload(decode=True)
                content = payload if isinstance(payload, bytes) else b""
                return _decoded(content, part.get_content_charset("utf-8"))
        return None


class Store:
    """The Maildir of caught mail; the newest message sorts last by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new, self._tmp = folder / "new", folder / "tmp"
        self._counter = itertools.count()

    def add(self, mail_from: str, rcpt_to: list[str], content: bytes) -> str:
        """Keep one message; when this returns its key, the file is in place.

        Nothing is forced to disk: a power cut may lose development mail, and speed matters more.
        """
        key = f"{time.time_ns():020d}.{os.getpid()}_{next(self._counter)}.catcher"
        envelope = f"X-MailFrom: {mail_from}\r\nX-RcptTo: {', '.join(rcpt_to)}\r\n"
        data = envelope.encode("utf-8", "surrogateescape") + content
        try:
            self._put(key, data)
        except FileNotFoundError:  # the first message (maybe of several processes), or emptied
            for name in ("tmp", "new", "cur"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self._put(key, data)
        return key

    def _put(self, key: str, data: bytes) -> None:
        (self._tmp / key).write_bytes(data)
        (self._tmp / key).rename(self._new / key)

    def newest(self) -> list[str]:
        """The keys of all messages, newest first."""
        if not self._new.is_dir():
            return []
        names = (file.name for file in self._new.iterdir())
        return sorted(filter(KEY.fullmatch, names), reverse=True)

    def messages(self, limit: int, offset: int = 0, recipient: str = "") -> list[Caught]:
        """Messages newest first, only those whose envelope recipient contains `recipient`."""
        return list(itertools.islice(self.find(recipient), offset, offset + limit))

    def count(self, recipient: str = "") -> int:
        """How many messages `find` would give."""
        return sum(1 for _ in self._matching(recipient))

    def find(self, recipient: str = "") -> Iterator[Caught]:
        """All messages to `recipient` (or a part of the address), newest first."""
        for key, envelope, head in self._matching(recipient):
            yield _caught(key, envelope, head)

    def open(self, key: str) -> CaughtMessage | None:
        """The message with this key; None when there is none, whatever `key` holds."""
        if not KEY.fullmatch(key):
            return None
        try:
            data = (self._new / key).read_bytes()
        except FileNotFoundError:
            return None
        envelope, source = _split(data)
        return CaughtMessage(_caught(key, envelope, source), source)

    def _matching(self, recipient: str) -> Iterator[tuple[str, tuple[str, str], bytes]]:
        wanted = recipient.strip().casefold()
        for key in self.newest():
            try:
                with (self._new / key).open("rb") as file:
                    envelope, head = _split(file.read(HEAD_BYTES))
            except FileNotFoundError:  # removed by hand while we read
                continue
            if wanted in envelope[1].casefold():
                yield key, envelope, head


class Catcher(MailServer):
    """The SMTP server, on 127.0.0.1 only; every 250 means kept."""

    def __init__(self, store: Store, listener: socket.socket) -> None:
        """`listener` is of `listen`."""
        keeper = _Keeper(store)
        super().__init__(
            listener,
            lambda loop: SMTP(keeper, enable_SMTPUTF8=True, hostname="localhost", loop=loop),
        )


def listen(port: int) -> socket.socket:
    """A socket that already listens on 127.0.0.1; mail that comes too early waits in its queue.

    Raises FixSettings when the port is taken.
    """
    try:
        return socket.create_server(("127.0.0.1", port), backlog=100)
    except OSError as error:
        raise FixSettings(
            f"CATCHER_PORT {port} cannot be used on 127.0.0.1 ({os.strerror(error.errno or 0)}): "
            "end the program that holds it, or set another CATCHER_PORT."
        ) from None


class _Keeper:
    """aiosmtpd's handler."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        recipients = [str(recipient) for recipient in envelope.rcpt_tos]
        try:
            key = self._store.add(envelope.mail_from or "", recipients, content)
        except OSError as error:
            return f"452 4.3.1 The catcher could not keep this mail: {error.strerror}"
        return f"250 2.0.0 OK: kept as {key}"


def _split(data: bytes) -> tuple[tuple[str, str], bytes]:
    """((mail from, recipients), the message as it came)."""
    mail_from, recipients, source = data.split(b"\r\n", 2)
    envelope = (_after_colon(mail_from), _after_colon(recipients))
    return envelope, source


def _after_colon(line: bytes) -> str:
    return line.partition(b": ")[2].decode("utf-8", "replace")


def _caught(key: str, envelope: tuple[str, str], source: bytes) -> Caught:
    head = email.message_from_bytes(source.partition(b"\r\n\r\n")[0])
    return Caught(
        key=key,
        received_at=datetime.fromtimestamp(int(key[:20]) / 1e9, UTC),
        mail_from=envelope[0],
        rcpt_to=envelope[1],
        sender=_readable(head.get("From", "")),
        recipient=_readable(head.get("To", "")),
        subject=_readable(head.get("Subject", "")),
        date=_readable(head.get("Date", "")),
    )


def _readable(value: object) -> str:
    """A header for people: unfolded, encoded words decoded, as it stands when that fails."""
    text = re.sub(r"\r?\n(?=[ \t])", "", str(value))
    try:
        return str(make_header(decode_header(text)))
    except (ValueError, LookupError):  # what others send may be anything
        return text


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
