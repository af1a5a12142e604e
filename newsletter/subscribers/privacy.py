"""What people may demand (GDPR 15 to 21): a copy of what we hold, no more mail, and erasure."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter import addresses, journal, notices, suppression
from newsletter.delivery import ledger
from newsletter.models import (
    AddressChange,
    ConsentEvent,
    EventKind,
    FormRequest,
    NoticeKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.programs import events
from newsletter.settings import Settings
from newsletter.subscribers import consent, exporting, preferences, survey
from newsletter.tokens import tokens_of

# Who may get a last letter about their erasure: never who did not confirm (SEC-01).
TOLD = frozenset({SubscriberState.ACTIVE, SubscriberState.LEFT})


def erase(
    session: Session,
    settings: Settings,
    subscriber: Subscriber,
    now: datetime,
    *,
    route: str = "page",
    why: str | None = None,
    tell: bool = False,
) -> None:
    """Leave no trace of a person but the keyed hash in `suppressions` (PRV-12); repeatable.

    The row, its nameless proofs and its deliveries stay as numbers. `tell` by one last letter: its
    notice alone holds the address, until it is sent or given up. The door then calls
    `Database.forget`.
    """
    session.refresh(subscriber, with_for_update=True)
    if subscriber.canonical is None or subscriber.email is None:
        return
    tokens, email, state = tokens_of(settings), subscriber.email, subscriber.state
    blocked = suppression.is_suppressed(session, tokens, subscriber.canonical)
    suppression.add(session, tokens, subscriber.canonical, SuppressionReason.ERASED, now)
    journal.write(session, settings, journal.Purpose.ERASED, [subscriber.canonical], now)
    _empty(session, subscriber, route, now, consent.nameless(why, email) if why else None)
    if tell and state in TOLD and blocked is None:
        notices.queue(session, NoticeKind.ERASED, email=email, locale=subscriber.locale, now=now)


def erase_address(
    session: Session,
    settings: Settings,
    email: str,
    now: datetime,
    *,
    why: str | None = None,
    tell: bool = False,
) -> bool:
    """Erase whoever has this address, also one who only asked; False when nothing was known.

    Raises FixRequest on bad syntax.
    """
    subscriber = preferences.find_by_address(session, email)
    if subscriber is not None:
        erase(session, settings, subscriber, now, route="command", why=why, tell=tell)
        return True
    address = addresses.parse(email, allow_utf8=True)
    asked = delete(FormRequest).where(FormRequest.canonical == address.canonical)
    wished = delete(AddressChange).where(AddressChange.canonical == address.canonical)
    known = [
        *session.scalars(asked.returning(FormRequest.id)),
        *session.scalars(wished.returning(AddressChange.subscriber_id)),
    ]
    forgotten = notices.forget(session, now, {address.typed, address.canonical})
    return bool(known) or forgotten > 0


def suppress(
    session: Session,
    settings: Settings,
    email: str,
    reason: SuppressionReason,
    now: datetime,
    why: str | None = None,
) -> None:
    """Mail this address no more, whether it is a subscriber's or not; planned mail is withdrawn.

    Of who never confirmed and says "never write me again" nothing stays but the keyed hash.
    """
    address = addresses.parse(email, allow_utf8=True)
    why = consent.nameless(why, address.typed) if why else None
    suppression.add(session, tokens_of(settings), address.canonical, reason, now, why)
    journal.write(session, settings, reason.value, [address.canonical], now)
    if reason in suppression.FINAL:
        notices.forget(session, now, {address.typed, address.canonical})
    same = select(Subscriber).where(Subscriber.canonical == address.canonical)
    subscriber = session.scalar(same.with_for_update().execution_options(populate_existing=True))
    if subscriber is None:
        return
    if subscriber.state not in preferences.READING:
        return _note(session, subscriber, reason, why, now)
    if reason is SuppressionReason.NEVER and _never_consented(subscriber):
        return _empty(session, subscriber, reason.value, now)
    _tell(session, subscriber, now)
    subscriber.state = SubscriberState.SUPPRESSED
    subscriber.left_at = subscriber.left_at or now  # the address is kept LEFT_DAYS from here
    ledger.withdraw(session, subscriber.id, now)
    session.execute(delete(AddressChange).where(AddressChange.subscriber_id == subscriber.id))
    return _note(session, subscriber, reason, why, now)


def _note(
    session: Session,
    subscriber: Subscriber,
    reason: SuppressionReason,
    why: str | None,
    now: datetime,
) -> None:
    """A person's word (a complaint, "never") or the staff's is a withdrawal; a bounce is none."""
    if reason in suppression.FINAL:
        stopped = consent.Proof(reason.value, facts={"reason": why} if why else {})
        consent.record(session, subscriber, ConsentEvent.WITHDRAWN, stopped, now)


def reapply(
    session: Session, settings: Settings, entries: Collection[suppression.Entry], now: datetime
) -> int:
    """After a backup was put back: block and erase again whom a newer list names; how many.

    The list holds keyed hashes, so each address of a subscriber is hashed and looked up.
    """
    wanted = {entry.address_key: entry for entry in entries}
    suppression.restore(session, entries)
    tokens, changed = tokens_of(settings), 0
    known = select(Subscriber).where(Subscriber.canonical.is_not(None)).order_by(Subscriber.id)
    for subscriber in session.scalars(known.execution_options(yield_per=1000)):
        keys = tokens.address_keys(subscriber.canonical or "")
        entry = next((wanted[key] for key in keys if key in wanted), None)
        if entry is None:
            continue
        if entry.erased_at or entry.reason is SuppressionReason.ERASED:
            erase(session, settings, subscriber, now, route="restore")
        elif subscriber.state in preferences.READING:
            suppress(session, settings, subscriber.email or "", entry.reason, now, entry.why)
        changed += 1
    return changed


def export(session: Session, settings: Settings, subscriber: Subscriber) -> dict[str, Any]:
    """All we hold about one person, ready for JSON: times are ISO 8601 in UTC. Read-only."""
    return next(exporting.copies(session, settings, [subscriber]))


def _tell(session: Session, subscriber: Subscriber, now: datetime) -> None:
    """Tell the programs that want to know of a reader who is one no more."""
    if subscriber.state is SubscriberState.ACTIVE:
        events.tell(session, EventKind.LEFT, [subscriber.id], now)


def _never_consented(subscriber: Subscriber) -> bool:
    pending = subscriber.state is SubscriberState.PENDING
    return pending and subscriber.confirmed_at is None and subscriber.left_at is None


def _empty(
    session: Session, subscriber: Subscriber, route: str, now: datetime, why: str | None = None
) -> None:
    """Take a person out of every table; a numbered row without a name stays."""
    _tell(session, subscriber, now)
    ledger.withdraw(session, subscriber.id, now)
    ledger.forget_reader(session, subscriber.id)
    names = {name for name in (subscriber.email, subscriber.canonical) if name}
    notices.forget(session, now, names, subscriber.id)
    consent.forget(session, [subscriber.id])
    # One that is being settled waits for us: to wait for it would be a circle.
    mine = select(FormRequest.id).where(FormRequest.canonical == subscriber.canonical)
    free = session.scalars(mine.with_for_update(skip_locked=True)).all()
    session.execute(delete(FormRequest).where(FormRequest.id.in_(free)))
    session.execute(delete(AddressChange).where(AddressChange.subscriber_id == subscriber.id))
    survey.forget(session, subscriber.id)
    subscriber.email = subscriber.canonical = subscriber.paused_until = None
    subscriber.state = SubscriberState.ERASED
    subscriber.left_at = subscriber.left_at or now
    done = consent.Proof(route, facts={"reason": why} if why else {})
    consent.record(session, subscriber, ConsentEvent.ERASED, done, now)
