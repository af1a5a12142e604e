"""Tokens of the API: 256 random bits with a prefix by which scanners of leaked secrets know them.

Only a hash is kept. There is nothing to slow down who guesses: nobody guesses 256 bits.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from newsletter.errors import FixField
from newsletter.i18n import _
from newsletter.models import AccessToken, Scope

PREFIX = "fnt_"  # Fiabel newsletter token
LONGEST_DAYS = 366
LONGEST_NAME = 80  # characters
NOTED = timedelta(minutes=5)  # how much later than it says a token may have been used


def make(
    session: Session,
    name: str,
    scopes: Iterable[str],
    days: int,
    editor_id: int,
    now: datetime,
) -> tuple[AccessToken, str]:
    """A new token for `days`, and its secret, which nobody can read again. Raises FixField."""
    name, wanted = " ".join(name.split()), sorted(set(scopes))
    if not 0 < len(name) <= LONGEST_NAME or "@" in name:
        raise FixField(
            "name", _("Geef het programma een naam van hoogstens 80 tekens, zonder adres.")
        )
    if not wanted or not set(wanted) <= set(Scope):
        raise FixField("scope", _("Kies wat het programma mag."))
    if not 0 < days <= LONGEST_DAYS:
        raise FixField("days", _("Kies een geldigheid van 1 tot 366 dagen."))
    secret = PREFIX + secrets.token_urlsafe(32)
    made = AccessToken(
        name=name,
        key_hash=hashed(secret),
        scopes=" ".join(wanted),
        editor_id=editor_id,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(made)
    session.flush()
    return made, secret


def found(session: Session, secret: str, now: datetime) -> AccessToken | None:
    """The token with this secret, if it still counts.

    It is looked up by its hash, so how long that takes tells nothing about a secret.
    """
    mine = AccessToken.key_hash == hashed(secret)
    token = session.scalar(select(AccessToken).where(mine))
    return token if token is not None and counts(token, now) else None


def counts(token: AccessToken, now: datetime) -> bool:
    """Is it neither revoked nor too old?"""
    return token.revoked_at is None and now < token.expires_at


def is_stale(token: AccessToken, now: datetime) -> bool:
    """Is it time to note again that a token was used?"""
    return token.used_at is None or abs(now - token.used_at) >= NOTED


def used(session: Session, token_id: int, now: datetime) -> None:
    """Note that a token was used."""
    session.execute(update(AccessToken).where(AccessToken.id == token_id).values(used_at=now))


def revoke(session: Session, token_id: int, now: datetime) -> bool:
    """End a token at once; False when there is none, or it was revoked before."""
    mine = (AccessToken.id == token_id, AccessToken.revoked_at.is_(None))
    ended = update(AccessToken).where(*mine).values(revoked_at=now).returning(AccessToken.id)
    return session.scalar(ended) is not None


def listed(session: Session) -> Sequence[AccessToken]:
    """All tokens, also those that count no more, the newest first."""
    return session.scalars(select(AccessToken).order_by(AccessToken.id.desc())).all()


def scopes(token: AccessToken) -> frozenset[str]:
    """What a token may do."""
    return frozenset(token.scopes.split())


def actor(token_id: int) -> str:
    """A token as the actor of a line in the log."""
    return f"token {token_id}"


def hashed(secret: str) -> str:
    """What is kept of a secret: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
