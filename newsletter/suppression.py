"""Addresses that must not be mailed: added, lifted, checked. Only this file writes `suppressions`.

An entry is a keyed hash (PRV-12), so it may outlive the person's row and names nobody.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.addresses import without_addresses
from newsletter.models import Suppression, SuppressionReason
from newsletter.tokens import Tokens

# Only staff can lift these; the others end when the person asks again and confirms.
FINAL = frozenset({SuppressionReason.COMPLAINT, SuppressionReason.NEVER, SuppressionReason.STAFF})


def is_suppressed(session: Session, tokens: Tokens, canonical: str) -> Suppression | None:
    """The entry in force for this address, or None."""
    query = select(Suppression).where(
        Suppression.address_key == tokens.address_key(canonical), Suppression.lifted_at.is_(None)
    )
    return session.scalar(query)


def is_final(suppression: Suppression | None) -> bool:
    """Is the address closed to sign-up too: after a complaint, "never again", or by staff?"""
    return suppression is not None and suppression.reason in FINAL


def among(session: Session, tokens: Tokens, addresses: Iterable[str]) -> set[str]:
    """Those of the canonical addresses that are suppressed; one query."""
    keys = {tokens.address_key(address): address for address in addresses}
    query = select(Suppression.address_key).where(
        Suppression.address_key.in_(keys), Suppression.lifted_at.is_(None)
    )
    return {keys[key] for key in session.scalars(query)}


def add(
    session: Session,
    tokens: Tokens,
    canonical: str,
    reason: SuppressionReason,
    now: datetime,
    why: str | None = None,
) -> Suppression:
    """Suppress an address. A final entry in force stays as it is when a lesser reason comes."""
    key = tokens.address_key(canonical)
    entry = session.get(Suppression, key, with_for_update=True)
    if entry is None:
        entry = Suppression(address_key=key)
        session.add(entry)
    elif entry.lifted_at is None and is_final(entry) and reason not in FINAL:
        return entry
    entry.reason, entry.since, entry.why = reason, now, _nameless(why)
    entry.lifted_at = entry.lifted_why = None
    session.flush()
    return entry


def lift(session: Session, tokens: Tokens, canonical: str, now: datetime, why: str) -> bool:
    """End the suppression of an address; False when there was none in force."""
    entry = is_suppressed(session, tokens, canonical)
    if entry is None:
        return False
    entry.lifted_at, entry.lifted_why = now, _nameless(why)
    return True


def listed(session: Session) -> list[Suppression]:
    """All entries, oldest first; those that were lifted say so, with the reason."""
    query = select(Suppression)
    return list(session.scalars(query.order_by(Suppression.since, Suppression.address_key)))


def _nameless(why: str | None) -> str | None:
    """The entry survives erasure: no address may slip into its reason."""
    return without_addresses(why) if why else None
