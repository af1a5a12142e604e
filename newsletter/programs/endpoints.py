"""Endpoints: addresses of other people's programs that want to be told of events.

The secret that signs what an endpoint is told is derived from SECRET_KEYS and its nonce, so that
the database holds nothing to sign with. Older keys sign too: a receiver that knows the older secret
goes on to recognise us, unless the key leaked.
"""

import base64
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter.errors import FixField
from newsletter.i18n import _
from newsletter.models import Endpoint, Event, EventKind
from newsletter.tokens import Tokens

LONGEST_URL = 500  # characters


def make(
    session: Session,
    url: str,
    kinds: Iterable[str],
    now: datetime,
    *,
    with_address: bool = False,
    inside: bool = False,
) -> Endpoint:
    """A new endpoint. `inside`: it may be on our own network, and without TLS. Raises FixField.

    Where its name leads to is looked at each time something is posted, not here.
    """
    wanted = sorted(set(kinds))
    if not wanted or not set(wanted) <= set(EventKind):
        raise FixField("kind", _("Kies waarover het programma bericht krijgt."))
    made = Endpoint(
        url=_checked(url.strip(), inside=inside),
        kinds=" ".join(wanted),
        with_address=with_address,
        nonce=secrets.token_hex(16),
        created_at=now,
        failures=0,
    )
    session.add(made)
    session.flush()
    return made


def get(session: Session, endpoint_id: int) -> Endpoint | None:
    """An endpoint, locked for this transaction."""
    return session.get(Endpoint, endpoint_id, with_for_update=True)


def listed(session: Session) -> Sequence[Endpoint]:
    """All endpoints, the newest first."""
    return session.scalars(select(Endpoint).order_by(Endpoint.id.desc())).all()


def disable(session: Session, endpoint: Endpoint, now: datetime) -> None:
    """Tell it nothing more: neither what waits, nor what comes."""
    endpoint.disabled_at = now
    session.execute(delete(Event).where(Event.endpoint_id == endpoint.id))


def enable(endpoint: Endpoint) -> None:
    """Tell it again, of what happens from now on."""
    endpoint.disabled_at = endpoint.rest_until = None
    endpoint.failures = 0


def remove(session: Session, endpoint: Endpoint) -> None:
    """Forget an endpoint, and what it was still to be told."""
    session.execute(delete(Event).where(Event.endpoint_id == endpoint.id))
    session.delete(endpoint)
    session.flush()


def secret(tokens: Tokens, endpoint: Endpoint) -> str:
    """What the receiver verifies with, as Standard Webhooks write it."""
    return "whsec_" + base64.b64encode(tokens.derived(_name(endpoint))).decode()


def keys(tokens: Tokens, endpoint: Endpoint) -> list[bytes]:
    """What signs: the key behind `secret`, and those of older SECRET_KEYS."""
    return tokens.keys(_name(endpoint), leaked=False)


def _name(endpoint: Endpoint) -> str:
    return f"endpoint {endpoint.nonce}"


def _checked(url: str, *, inside: bool) -> str:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    schemes = ("https", "http") if inside else ("https",)
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
    if not host or not plain or parts.scheme not in schemes or "@" in parts.netloc:
        raise FixField(
            "url", _("Vul een adres in dat met https:// begint, zonder naam of wachtwoord.")
        )
    return parts._replace(fragment="").geturl()
