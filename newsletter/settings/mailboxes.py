"""Mailboxes as the settings name them: IMAP accounts and Maildirs, without their passwords."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from newsletter.settings.parsing import HOST, Parser, as_text, number

PORTS = {"imaps": 993, "imap": 143}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Account:
    """An IMAP account and a folder in it; always with TLS, but on this machine."""

    host: str
    port: int
    user: str
    folder: str
    tls_at_once: bool  # else STARTTLS

    @property
    def local(self) -> bool:
        """On this machine, where nobody listens in."""
        return self.host in LOOPBACK

    @property
    def address(self) -> str:
        """The mail address it belongs to: the user, when that is one."""
        return self.user if "@" in self.user else f"{self.user}@{self.host}"

    def __str__(self) -> str:
        """Without the user: for logs and letters."""
        return f"{self.folder} on {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Maildir:
    """A Maildir on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Place: TypeAlias = Account | Maildir


def place(value: Any) -> Place | None:
    """`imaps://user@host/FOLDER` or `maildir:/path`, or nothing."""
    text = as_text(value)
    if text.startswith("maildir:"):
        path = Path(text.removeprefix("maildir:"))
        if not path.is_absolute():
            raise ValueError("must name a Maildir by its whole path, as maildir:/var/mail/bounces")
        return Maildir(path)
    return account(text) if text else None


def account(text: str) -> Account:
    """`imaps://user@host:port/FOLDER`; what is special in the user is written as %40."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in PORTS and parts.username and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not text.isascii() or parts.query or parts.fragment:
        raise ValueError("must be of the form imaps://user@host/INBOX (@ in the user: %40)")
    if parts.password is not None:
        raise ValueError("must not hold the password; that has a setting of its own")
    host = parts.hostname or ""
    if not HOST.fullmatch(host):
        raise ValueError("must name a host such as imap.vvsg.example")
    return Account(
        host,
        parts.port or PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.path.strip("/")) or "INBOX",
        parts.scheme == "imaps",
    )


def accounts(value: Any) -> tuple[Account, ...]:
    """IMAP accounts separated by semicolons."""
    return tuple(account(part.strip()) for part in as_text(value).split(";") if part.strip())


def passwords(value: Any) -> tuple[str, ...]:
    """Passwords separated by blanks."""
    return tuple(as_text(value).split())


@dataclass(frozen=True, slots=True)
class Listener:
    """Where LMTP is spoken: a socket file, or a host and a port."""

    path: Path | None
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return str(self.path) if self.path else f"{self.host}:{self.port}"


def listener(value: Any) -> Listener | None:
    """`127.0.0.1:2424`, or the whole path of a socket file, or nothing."""
    text = as_text(value)
    if text.startswith("/"):
        return Listener(Path(text))
    found = re.fullmatch(r"\[?([A-Za-z0-9.:_-]+?)\]?:(\d{1,5})", text)
    if text and not (found and 0 < int(found[2]) < 65536):
        raise ValueError("must be of the form 127.0.0.1:2424, or the path of a socket file")
    return Listener(None, found[1], int(found[2])) if found else None


PARSERS: dict[str, Parser] = {
    "BOUNCE_MAILBOX": place,
    "BOUNCE_POLL_SECONDS": number(5, 86_400),
    "BOUNCE_LMTP": listener,
    "SEED_MAILBOXES": accounts,
    "SEED_PASSWORDS": passwords,
    "SEED_HOURS": number(0.1, 72, float),
}
