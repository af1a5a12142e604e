"""Undoing: who left by mistake comes back by the link in their goodbye letter, for UNDO_DAYS."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from newsletter import journal, suppression
from newsletter.delivery import ledger
from newsletter.models import ConsentEvent, EventKind, Subscriber, SubscriberState
from newsletter.programs import events
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences, signup
from newsletter.tokens import Claim, Purpose, fingerprint, tokens_of

# Somebody else may have typed their address into the form since: that takes nothing from them.
LEFT = (SubscriberState.LEFT, SubscriberState.PENDING)


class Undoing(StrEnum):
    """What a link to undo leads to."""

    OPEN = "open"  # look() only: the button is there to be pressed
    BACK = "back"
    ALREADY = "already"
    LATE = "late"  # too long ago, or another leaving than the last one
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Undone:
    """The result and, unless unknown, whose link it was."""

    result: Undoing
    subscriber: Subscriber | None = None


def look(session: Session, settings: Settings, token: str, now: datetime) -> Undone:
    """What the link would do, for the page with the button. Read-only (UNS-05)."""
    named = preferences.by_mailed_token(session, settings, Purpose.UNDO, token)
    if named is None:
        return Undone(Undoing.UNKNOWN)
    claim, subscriber = named
    if subscriber.state is SubscriberState.ACTIVE:
        return Undone(Undoing.ALREADY, subscriber)
    if not _is_open(settings, subscriber, claim, now):
        return Undone(Undoing.LATE, subscriber)
    entry = suppression.is_suppressed(session, tokens_of(settings), subscriber.canonical or "")
    closed = suppression.is_final(entry)
    return Undone(Undoing.LATE if closed else Undoing.OPEN, subscriber)


def undo(
    session: Session,
    settings: Settings,
    token: str,
    now: datetime,
    *,
    locale: str,
    ip: str,
    user_agent: str,
    facts: Mapping[str, Any],
) -> Undone:
    """Bring the reader back; pressed again, or twice at once, it answers ALREADY.

    They go on with what is published from now on, as everybody who comes back. `locale`: of the
    page, which shows the sentence they consent to; `facts`: what else it showed.
    """
    found = look(session, settings, token, now)
    subscriber = found.subscriber
    if found.result is not Undoing.OPEN or subscriber is None:
        return found
    gone = (Subscriber.state.in_(LEFT), Subscriber.left_at == subscriber.left_at)
    if not preferences.activate(session, subscriber, now, *gone):
        return look(session, settings, token, now)
    journal.write(session, settings, journal.Purpose.BACK, [subscriber.canonical], now)
    if subscriber.canonical is not None:
        tokens = tokens_of(settings)
        suppression.lift(session, tokens, subscriber.canonical, now, "undid leaving")
    ledger.start_cursors(session, [subscriber.id])
    proof = consent.Proof(
        "undo",
        wording=consent.wording(locale),
        ip=signup.storable("ip", ip),
        user_agent=signup.storable("user_agent", user_agent),
        facts={
            **facts,
            "controller": consent.responsible(settings),
            "token_sha256": fingerprint(token),
            "method": "POST",
        },
    )
    consent.record(session, subscriber, ConsentEvent.CONFIRMED, proof, now)
    events.tell(session, EventKind.SUBSCRIBED, [subscriber.id], now)
    return Undone(Undoing.BACK, subscriber)


def _is_open(settings: Settings, subscriber: Subscriber, claim: Claim, now: datetime) -> bool:
    """Did they leave lately, and is the link of that leaving, not of an earlier one?"""
    left_at = subscriber.left_at
    if subscriber.state not in LEFT or left_at is None:
        return False
    in_time = now - left_at <= timedelta(days=settings.undo_days)
    # A token knows whole seconds: one of the same second is of this leaving.
    return in_time and claim.issued_at >= left_at.replace(microsecond=0)
