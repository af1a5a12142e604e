"""What visitors send, made beforehand: forms with their proof of work, links, one clicks."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from newsletter.settings import Settings
from newsletter.subscribers import consent, signup, work
from newsletter.tokens import Purpose, tokens_of
from newsletter.web.answers import HONEYPOT

EMPTY = b"GET /empty HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
ONE_CLICK = "List-Unsubscribe=One-Click"
AGE = timedelta(seconds=30)  # of a form: a person's


@dataclass(frozen=True)
class Visitors:
    """Makes requests to the site of `settings`, through one proxy that says from which IP."""

    settings: Settings

    def sign_up(self, email: str, ip: str = "192.0.2.1") -> bytes:
        """The form, filled in by a browser that did the work."""
        made = signup.made(self.settings, datetime.now(UTC) - AGE)
        fields = {
            "email": email,
            "locale": "nl",
            "wording": consent.wording("nl").id,
            HONEYPOT: "",
            "token": made,
            "work": work.solve(made, email, self.settings.work_bits),
        }
        return _post("/nl/signup", urlencode(fields), ip)

    def confirm(self, id: int) -> bytes:
        """The button of the page that a confirm notice leads to."""
        canonical = pending(id)
        now = datetime.now(UTC)
        token = tokens_of(self.settings).issue(Purpose.CONFIRM, id, now, canonical)
        return _post(f"/nl/confirm/{token}", "")

    def one_click(self, id: int) -> bytes:
        """What a mail program sends (RFC 8058)."""
        token = tokens_of(self.settings).issue(Purpose.UNSUBSCRIBE, id, datetime.now(UTC))
        return _post(f"/u/{token}", ONE_CLICK)

    def newcomers(self, prefix: str) -> Iterator[bytes]:
        """Sign-ups without end, each of a person and an IP of its own."""
        return (
            self.sign_up(f"{prefix}{number}@domein{number}.example", ip_of(number))
            for number in itertools.count()
        )


def pending(id: int) -> str:
    """The address of a reader who was asked to confirm."""
    return f"w{id}@wacht.example"


def ip_of(number: int) -> str:
    """An IP address for each number."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _post(path: str, body: str, ip: str = "192.0.2.1") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept-Language: nl\r\n"
        f"X-Forwarded-For: {ip}\r\n{FORM}Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()
