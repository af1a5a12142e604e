"""Lines about the relay: what it offers, and whether it knows us. No mail is ever begun."""

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from newsletter.delivery.relay import open_connection
from newsletter.doctor.lines import Line, fail, ok, warn
from newsletter.issues.preflight.envelope import SIZE_LIMIT
from newsletter.settings import LOOPBACK, Settings

SECONDS = 10  # for each of the relay's answers
CERTIFICATE_DAYS = 14  # those that renew themselves do so earlier
# The largest message we hand over: HTML as preflight allows, a text part of at most as much, and
# headers with signatures.
LARGEST = 2 * SIZE_LIMIT + 16_000


def lines(settings: Settings, now: datetime) -> list[Line]:
    """Greet it, with TLS and password as set. Raises TryLater and FixSettings as sending does."""
    smtp = open_connection(replace(settings, mail_timeout=min(settings.mail_timeout, SECONDS)))
    try:
        return [_reached(settings), _encryption(settings, smtp, now), *_offers(settings, smtp)]
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _reached(settings: Settings) -> Line:
    host, port = settings.relay
    login = f", and knows {settings.mail_username}" if settings.mail_username else ""
    return ok("relay", f"{host}:{port} answers{login}.")


def _encryption(settings: Settings, smtp: smtplib.SMTP, now: datetime) -> Line:
    if isinstance(smtp.sock, ssl.SSLSocket):
        return _certificate(smtp.sock, now)
    if settings.mail_server in LOOPBACK:
        return ok("relay-tls", "The relay is on this machine, so nothing is encrypted.")
    mend = "Use a relay that offers STARTTLS, with MAIL_USE_TLS=yes."
    if smtp.has_extn("starttls"):
        mend = "Set MAIL_USE_TLS=yes and MAIL_ALLOW_PLAINTEXT=no; the relay offers STARTTLS."
    return warn("relay-tls", "Mail and readers' addresses travel to the relay unencrypted.", mend)


def _certificate(sock: ssl.SSLSocket, now: datetime) -> Line:
    certificate: Any = sock.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - now).days
    said = f"{sock.version()}, with a valid certificate that ends in {days} days ({ends:%Y-%m-%d})."
    if days >= CERTIFICATE_DAYS:
        return ok("relay-tls", said)
    return warn("relay-tls", said, "Have it renewed; when it ends, nothing is sent any more.")


def _offers(settings: Settings, smtp: smtplib.SMTP) -> Iterator[Line]:
    auth = smtp.esmtp_features.get("auth", "").strip()
    if settings.mail_username:
        yield ok("relay-auth", f"It took our password (it offers {auth or 'AUTH'}).")
    else:
        yield ok("relay-auth", f"No password is set; it offers {auth or 'no login'}.")
    if smtp.has_extn("pipelining"):
        yield ok("relay-pipelining", "It offers PIPELINING.")
    else:
        said = "It offers no PIPELINING, so each message takes several journeys."
        mend = "Nothing has to be done; sending is slower (docs/SENDING.md)."
        yield warn("relay-pipelining", said, mend)
    yield _size(smtp.esmtp_features.get("size", "").strip())
    yield from _letters(settings, smtp)


def _size(text: str) -> Line:
    limit = int(text) if text.isdecimal() else 0
    if not limit:
        return ok("relay-size", f"It names no largest message; ours have at most {LARGEST} octets.")
    if limit >= LARGEST:
        return ok("relay-size", f"It takes {limit} octets; ours have at most {LARGEST}.")
    said = f"It takes {limit} octets; a large issue of ours has up to {LARGEST}."
    return fail("relay-size", said, "Have its limit raised (Postfix: message_size_limit).")


def _letters(settings: Settings, smtp: smtplib.SMTP) -> Iterator[Line]:
    """8BITMIME is not needed: what we send has seven bits, but with SMTPUTF8."""
    known = [name for name in ("8BITMIME", "SMTPUTF8") if smtp.has_extn(name.lower())]
    missing = settings.mail_smtputf8 and len(known) < 2
    if missing:
        said = "MAIL_SMTPUTF8 is set, and the relay does not offer 8BITMIME and SMTPUTF8."
        yield fail("relay-smtputf8", said, "Set MAIL_SMTPUTF8=no, or have it switched on there.")
    else:
        yield ok("relay-smtputf8", f"It offers {' and '.join(known) or 'seven bits only'}.")
