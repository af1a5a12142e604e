"""Addresses that must not be mailed: added, lifted, checked. Only this file writes `suppressions`.

An entry is a keyed hash (PRV-12), so it may outlive the person's row and names nobody.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from newsletter.addresses import without_addresses
from newsletter.db import new_rows
from newsletter.models import Suppression, SuppressionReason
from newsletter.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in force, as a list holds it."""

    address_key: str
    reason: SuppressionReason
    since: datetime
    why: str | None
    erased_at: datetime | None = None


class Until(StrEnum):
    """What ends an entry. Time alone never does: an address that did not work for weeks may be
    somebody else's by then, and only who reads its mail can say that it works again."""

    CONFIRMED = "confirmed"  # the person asks again and confirms, in that mailbox
    STAFF = "staff"  # staff lifts it, with a reason


# Only staff can lift these; the others end when the person asks again and confirms.
FINAL = frozenset({SuppressionReason.COMPLAINT, SuppressionReason.NEVER, SuppressionReason.STAFF})


def is_suppressed(session: Session, tokens: Tokens, canonical: str) -> Suppression | None:
    """The entry in force for this address, or None."""
    query = select(Suppression).where(
        Suppression.address_key.in_(tokens.address_keys(canonical)),
        Suppression.lifted_at.is_(None),
    )
    return session.scalars(query).first()


def until(entry: Suppression | Entry) -> Until:
    """What would end this entry."""
    return Until.STAFF if entry.reason in FINAL else Until.CONFIRMED


def is_final(suppression: Suppression | None) -> bool:
    """Is the address closed to sign-up too: after a complaint, "never again", or by staff?"""
    return suppression is not None and suppression.reason in FINAL


def among(session: Session, tokens: Tokens, addresses: Iterable[str]) -> set[str]:
    """Those of the canonical addresses that are suppressed; one query."""
    keys = {key: address for address in addresses for key in tokens.address_keys(address)}
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
    """Suppress an address.

    A final entry in force stays as it is when a lesser reason comes; an erasure is added to any
    entry in force, so that its reason survives the person's row.
    """
    entry = _entry(session, tokens, canonical) or _first(session, tokens, canonical, reason, now)
    _put(entry, reason, now, why)
    session.flush()
    return entry


def add_all(
    session: Session,
    tokens: Tokens,
    reason: SuppressionReason,
    addresses: Mapping[str, str | None],
    now: datetime,
) -> None:
    """Suppress many canonical addresses, each with its own why, in a few statements."""
    keys = {address: tokens.address_keys(address) for address in addresses}
    known = _locked(session, [key for found in keys.values() for key in found])
    first = sorted(found[0] for found in keys.values() if not known.keys() & set(found))
    if first:
        rows = [{"address_key": key, "reason": reason, "since": now} for key in first]
        session.execute(new_rows(session, Suppression), rows)
        known |= _locked(session, first)
    for address, why in addresses.items():
        entry = next(known[key] for key in keys[address] if key in known)
        _put(entry, reason, now, why)
    session.flush()


def _locked(session: Session, keys: Collection[str]) -> dict[str, Suppression]:
    """Those of these entries that there are, in one order, so that nobody waits in a circle."""
    query = select(Suppression).where(Suppression.address_key.in_(keys))
    fresh = query.order_by(Suppression.address_key).with_for_update()
    found = session.scalars(fresh.execution_options(populate_existing=True))
    return {entry.address_key: entry for entry in found}


def _put(entry: Suppression, reason: SuppressionReason, now: datetime, why: str | None) -> None:
    """A reason comes to an entry."""
    erased, in_force = reason is SuppressionReason.ERASED, entry.lifted_at is None
    if not in_force:
        entry.erased_at = None  # of another time
    if erased:
        entry.erased_at = entry.erased_at or now
    if in_force and reason not in FINAL and (erased or entry.reason in FINAL):
        return
    entry.reason, entry.since, entry.why = reason, now, _nameless(why)
    entry.lifted_at = entry.lifted_why = None


def lift(session: Session, tokens: Tokens, canonical: str, now: datetime, why: str) -> bool:
    """End the suppression of an address; False when there was none in force."""
    entry = is_suppressed(session, tokens, canonical)
    if entry is None:
        return False
    entry.lifted_at, entry.lifted_why = now, _nameless(why)
    return True


def forget(session: Session, tokens: Tokens, canonical: str) -> bool:
    """Delete the entry of an address, lifted or not, for who insists; False when there was none."""
    mine = Suppression.address_key.in_(tokens.address_keys(canonical))
    gone = delete(Suppression).where(mine).returning(Suppression.address_key)
    return bool(session.scalars(gone).all())


def restore(session: Session, entries: Iterable[Entry]) -> set[str]:
    """Take over entries of a newer list (`listed`) that are unknown or lifted here; their keys.

    For a database that went back in time: what was asked since must go on to hold.
    """
    taken = set[str]()
    for entry in entries:
        known = session.get(Suppression, entry.address_key, with_for_update=True)
        if known is not None and known.lifted_at is None:
            continue
        session.merge(
            Suppression(
                address_key=entry.address_key,
                reason=entry.reason,
                since=entry.since,
                why=_nameless(entry.why),
                erased_at=entry.erased_at,
                lifted_at=None,
                lifted_why=None,
            )
        )
        taken.add(entry.address_key)
    session.flush()
    return taken


def listed(session: Session) -> list[Suppression]:
    """All entries, oldest first; those that were lifted say so, with the reason."""
    query = select(Suppression)
    return list(session.scalars(query.order_by(Suppression.since, Suppression.address_key)))


def page(session: Session, before: tuple[datetime, str] | None, limit: int) -> list[Suppression]:
    """Entries, newest first: those older than `before` (since and key of the last one shown)."""
    order = (Suppression.since.desc(), Suppression.address_key.desc())
    query = select(Suppression).order_by(*order).limit(limit)
    if before is not None:
        query = query.where(tuple_(Suppression.since, Suppression.address_key) < before)
    return list(session.scalars(query))


def about(session: Session, tokens: Tokens, canonical: str) -> Suppression | None:
    """The newest entry about an address, in force or lifted."""
    query = select(Suppression).where(Suppression.address_key.in_(tokens.address_keys(canonical)))
    return session.scalars(query.order_by(Suppression.since.desc())).first()


def _entry(session: Session, tokens: Tokens, canonical: str) -> Suppression | None:
    """The entry of this address, in force or lifted, under whichever secret it was made."""
    found = (
        session.get(Suppression, key, with_for_update=True)
        for key in tokens.address_keys(canonical)
    )
    return next((entry for entry in found if entry is not None), None)


def _first(
    session: Session, tokens: Tokens, canonical: str, reason: SuppressionReason, now: datetime
) -> Suppression:
    """The first entry of an address; two at once make the same one."""
    key = tokens.address_key(canonical)
    session.execute(
        new_rows(session, Suppression).values(address_key=key, reason=reason, since=now)
    )
    return session.get_one(Suppression, key, with_for_update=True)


def _nameless(why: str | None) -> str | None:
    """The entry survives erasure: no address may slip into its reason."""
    return without_addresses(why) if why else None
