"""Changing the address: the new one is confirmed by its owner, the old one is told (SEC-21).

Asking is the same work and the same answer whatever the new address is (SEC-07): one row and one
notice. Whether that letter may go, the outbox decides (`notices.moving`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter import addresses, journal, limits, notices, suppression
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import (
    AddressChange,
    ConsentEvent,
    NoticeKind,
    Subscriber,
    SubscriberState,
)
from newsletter.notices import moving
from newsletter.settings import Settings
from newsletter.subscribers import consent, privacy
from newsletter.tokens import Claim, Purpose, parse, tokens_of

LETTERS_PER_DAY = 3  # because of one reader; an address gets fewer (SEC-03)
TRIES = 3  # somebody may sign up with the same address at the very moment of confirming


class Result(StrEnum):
    """What the link in the new mailbox leads to."""

    OPEN = "open"  # look() only: the button is there to be pressed
    CHANGED = "changed"
    ALREADY = "already"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Change:
    """The result and, unless unknown, whose address it is and the new one."""

    result: Result
    subscriber: Subscriber | None = None
    email: str = ""


def ask(
    session: Session, settings: Settings, subscriber: Subscriber, email: str, now: datetime
) -> None:
    """Write down the wish for a new address, instead of an earlier one; a letter goes there.

    The row must be held (`access.find`). Raises FixRequest with a Dutch sentence that says nothing
    about other readers.
    """
    address = addresses.parse(email, allow_utf8=settings.mail_smtputf8)
    if subscriber.state is not SubscriberState.ACTIVE:
        raise FixRequest(_("Alleen wie ingeschreven is, kan het adres wijzigen."))
    if address.canonical == subscriber.canonical:
        raise FixRequest(_("Op dit adres krijg je Fiabel-nieuws al. Vul je nieuwe adres in."))
    name = limits.hidden(settings, "new-address-of", str(subscriber.id))
    if not limits.take(session, [name], LETTERS_PER_DAY, limits.DAY, now):
        raise FixRequest(
            _("Je vroeg vandaag al drie keer een ander adres. Probeer het morgen opnieuw.")
        )
    wish = AddressChange(
        subscriber_id=subscriber.id,
        email=address.typed,
        canonical=address.canonical,
        asked_at=now,
    )
    session.merge(wish)
    if not _may_write(session, settings, address.canonical, now):
        return  # the letter that went there works as well
    notices.queue(
        session,
        NoticeKind.NEW_ADDRESS,
        email=address.typed,
        locale=subscriber.locale,
        subscriber_id=subscriber.id,
        facts={"asked_at": now.isoformat()},
        now=now,
    )


def look(session: Session, settings: Settings, token: str, now: datetime) -> Change:
    """What the link would do, for the page with the button. Read-only (UNS-05)."""
    claim = parse(token)
    subscriber = session.get(Subscriber, claim.id) if claim else None
    if claim is None or subscriber is None or subscriber.state is not SubscriberState.ACTIVE:
        return Change(Result.UNKNOWN)
    if claim.older_than(timedelta(days=settings.confirm_days), now):
        return Change(Result.UNKNOWN)
    if _made_for(settings, claim, subscriber.canonical):
        return Change(Result.ALREADY, subscriber, subscriber.email or "")
    wish = session.get(AddressChange, subscriber.id)
    if wish is None or not _made_for(settings, claim, wish.canonical):
        return Change(Result.UNKNOWN)
    if moving.is_closed(session, settings, wish.canonical):
        return Change(Result.UNKNOWN)
    return Change(Result.OPEN, subscriber, wish.email)


def confirm(session: Session, settings: Settings, token: str, now: datetime) -> Change:
    """Move the reader to the new address; pressed again, or twice at once, it answers ALREADY.

    Links of older mails keep working: they name the row. What is claimed already goes to the old
    address, the rest to the new one.
    """
    for _try in range(TRIES):
        held = _hold(session, token)
        found = look(session, settings, token, now)
        if found.result is not Result.OPEN or found.subscriber is None:
            break
        others = [one for one in held if one.id != found.subscriber.id]
        try:
            with session.begin_nested():
                _move(session, settings, found.subscriber, others, now)
        except IntegrityError:  # a sign-up with this address was settled meanwhile (PostgreSQL)
            continue
        return Change(Result.CHANGED, found.subscriber, found.email)
    return found


def _may_write(session: Session, settings: Settings, canonical: str, now: datetime) -> bool:
    """At most so many letters to one address, whichever readers ask (SEC-03)."""
    for span, count in (
        (limits.DAY, settings.confirm_notices_per_day),
        (limits.MONTH, settings.confirm_notices_per_month),
    ):
        name = limits.hidden(settings, f"new-address-{span.days}", canonical)
        if not limits.take(session, [name], count, span, now):
            return False
    return True


def _hold(session: Session, token: str) -> list[Subscriber]:
    """Lock the reader and whoever has the new address; by id, so that two never wait crosswise."""
    claim = parse(token)
    if claim is None:
        return []
    wish = session.get(AddressChange, claim.id, populate_existing=True)
    canonical = wish.canonical if wish else None
    both = or_(Subscriber.id == claim.id, Subscriber.canonical == canonical)
    query = select(Subscriber).where(both).order_by(Subscriber.id).with_for_update()
    held = list(session.scalars(query.execution_options(populate_existing=True)))
    if wish is not None:
        session.expire(wish)  # it may have been confirmed or replaced while we waited
    return held


def _made_for(settings: Settings, claim: Claim, canonical: str | None) -> bool:
    verify = tokens_of(settings).verify
    return canonical is not None and verify(Purpose.NEW_ADDRESS, claim, canonical)


def _move(
    session: Session,
    settings: Settings,
    subscriber: Subscriber,
    others: list[Subscriber],
    now: datetime,
) -> None:
    wish = session.get_one(AddressChange, subscriber.id)
    for other in others:  # who asked, left or bounced, and gets no issues: a number remains
        privacy.erase(session, settings, other, now)
    facts = {"changed_at": now.isoformat()}
    notices.queue(
        session,
        NoticeKind.ADDRESS_CHANGED,
        email=subscriber.email,  # the old one
        locale=subscriber.locale,
        subscriber_id=subscriber.id,
        facts=facts,
        now=now,
    )
    journal.write(session, settings, journal.Purpose.MOVED, [subscriber.canonical], now)
    journal.write(session, settings, journal.Purpose.BACK, [wish.canonical], now)
    subscriber.email, subscriber.canonical = wish.email, wish.canonical
    session.delete(wish)
    session.flush()
    why = "confirmed as a reader's new address"
    suppression.lift(session, tokens_of(settings), wish.canonical, now, why)
    proof = consent.Proof("page", facts={"address": "changed"})
    consent.record(session, subscriber, ConsentEvent.CHANGED, proof, now)
