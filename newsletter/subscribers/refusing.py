""" "I did not ask for this, never write me again": the link in the confirm letter and its reminder.

It never expires and works as often as it is used, as long as the address is the one it went to.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.models import Consent, ConsentEvent, Subscriber, SuppressionReason
from newsletter.settings import Settings
from newsletter.subscribers import consent, privacy, tallies
from newsletter.tokens import Purpose, fingerprint, parse, tokens_of

ROUTE = "never"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Whose link it is; `done`: they said so already, and nothing is known of them any more."""

    subscriber: Subscriber
    done: bool


def look(session: Session, settings: Settings, token: str) -> Refusal | None:
    """What the link would do; None when it is none of ours. Read-only (UNS-05)."""
    claim, tokens = parse(token), tokens_of(settings)
    subscriber = session.get(Subscriber, claim.id) if claim else None
    if claim is None or subscriber is None:
        return None
    if subscriber.canonical is None:  # there is no address left that the link could be bound to
        return Refusal(subscriber, done=True) if _refused(session, claim.id, token) else None
    if not tokens.verify(Purpose.NEVER, claim, subscriber.canonical):
        return None
    entry = suppression.is_suppressed(session, tokens, subscriber.canonical)
    return Refusal(subscriber, done=entry is not None and suppression.is_final(entry))


def refuse(session: Session, settings: Settings, token: str, now: datetime) -> Refusal | None:
    """Never write to this address again; who never confirmed is erased. Repeatable."""
    found = look(session, settings, token)
    if found is None or found.done:
        return found
    # Held before anything is written: else two presses at once wait for each other, or write twice.
    session.refresh(found.subscriber, with_for_update=True)
    found = look(session, settings, token)
    if found is None or found.done or found.subscriber.email is None:
        return found
    subscriber, email = found.subscriber, found.subscriber.email
    proof = consent.Proof(ROUTE, facts={"token_sha256": fingerprint(token)})
    consent.record(session, subscriber, ConsentEvent.WITHDRAWN, proof, now)
    why = "by the link in a letter"
    privacy.suppress(session, settings, email, SuppressionReason.NEVER, now, why)
    tallies.add(session, settings, "never", now)
    return Refusal(subscriber, done=True)


def _refused(session: Session, subscriber_id: int, token: str) -> bool:
    """Was it this very link? The proof says so, and a made-up one learns nothing."""
    theirs = select(Consent.facts).where(
        Consent.subscriber_id == subscriber_id,
        Consent.event == ConsentEvent.WITHDRAWN,
        Consent.route == ROUTE,
    )
    return any(facts.get("token_sha256") == fingerprint(token) for facts in session.scalars(theirs))
