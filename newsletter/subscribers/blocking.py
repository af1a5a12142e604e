"""Readers whose mail came back, or who called it spam: many at once, since they come at once."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from newsletter import journal, notices, suppression
from newsletter.delivery import ledger
from newsletter.models import (
    AddressChange,
    ConsentEvent,
    EventKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.programs import events
from newsletter.settings import Settings
from newsletter.subscribers import consent
from newsletter.tokens import tokens_of


def block(
    session: Session,
    settings: Settings,
    reason: SuppressionReason,
    whys: Mapping[int, str | None],
    now: datetime,
) -> int:
    """Mail these subscribers (by id, each with its own why) no more; what is planned is withdrawn.

    Whoever is erased has no address to block. Somebody who never confirmed stays as they are, and
    is forgotten with all who did not confirm. Returns how many readers it stopped.
    """
    found = _locked(session, whys)
    if not found:
        return 0
    tokens, addresses = tokens_of(settings), {one.canonical or "": whys[one.id] for one in found}
    suppression.add_all(session, tokens, reason, addresses, now)
    journal.write(session, settings, reason.value, addresses, now)
    if reason in suppression.FINAL:
        _withdraw_consent(session, reason, found, whys, now)
    readers = [one.id for one in found if one.state is SubscriberState.ACTIVE]
    if readers:
        stopped = {"state": SubscriberState.SUPPRESSED, "left_at": now}
        session.execute(update(Subscriber).where(Subscriber.id.in_(readers)).values(**stopped))
        ledger.withdraw_all(session, readers, now)
        events.tell(session, EventKind.LEFT, readers, now)
        wishes = AddressChange.subscriber_id.in_(readers)
        session.execute(delete(AddressChange).where(wishes))
    return len(readers)


def _locked(session: Session, ids: Mapping[int, object]) -> list[Subscriber]:
    """By id, so that nobody waits in a circle."""
    query = select(Subscriber).where(Subscriber.id.in_(ids), Subscriber.canonical.is_not(None))
    fresh = query.order_by(Subscriber.id).with_for_update(key_share=True)
    return list(session.scalars(fresh.execution_options(populate_existing=True)))


def _withdraw_consent(
    session: Session,
    reason: SuppressionReason,
    people: list[Subscriber],
    whys: Mapping[int, str | None],
    now: datetime,
) -> None:
    """A person's word is a withdrawal, with its proof; a bounce is none."""
    notices.forget(session, now, {one.email or "" for one in people})
    for why in dict.fromkeys(whys.values()):
        alike = [consent.person(session, one) for one in people if whys[one.id] == why]
        proof = consent.Proof(reason.value, facts={"reason": why} if why else {})
        consent.record_all(session, alike, ConsentEvent.WITHDRAWN, proof, now)
