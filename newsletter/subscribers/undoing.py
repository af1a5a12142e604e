"""Undoing: who left by mistake comes back by the link in their goodbye letter, for UNDO_DAYS."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.delivery import ledger
from newsletter.models import ConsentEvent, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers import consent, signup
from newsletter.tokens import Claim, Purpose, parse, tokens_of

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
    claim = parse(token)
    subscriber = session.get(Subscriber, claim.id, populate_existing=True) if claim else None
    if claim is None or subscriber is None or subscriber.canonical is None:
        return Undone(Undoing.UNKNOWN)
    if not tokens_of(settings).verify(Purpose.UNDO, claim, subscriber.canonical):
        return Undone(Undoing.UNKNOWN)
    if subscriber.state is SubscriberState.ACTIVE:
        return Undone(Undoing.ALREADY, subscriber)
    if not _is_open(settings, subscriber, claim, now):
        return Undone(Undoing.LATE, subscriber)
    entry = suppression.is_suppressed(session, tokens_of(settings), subscriber.canonical)
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
    if not _come_back(session, subscriber, now):
        return look(session, settings, token, now)
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
            "controller": {"name": settings.org_name, "number": settings.org_number},
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
            "method": "POST",
        },
    )
    consent.record(session, subscriber, ConsentEvent.CONFIRMED, proof, now)
    return Undone(Undoing.BACK, subscriber)


def _is_open(settings: Settings, subscriber: Subscriber, claim: Claim, now: datetime) -> bool:
    """Did they leave lately, and is the link of that leaving, not of an earlier one?"""
    left_at = subscriber.left_at
    if subscriber.state not in LEFT or left_at is None:
        return False
    in_time = now - left_at <= timedelta(days=settings.undo_days)
    # A token knows whole seconds: one of the same second is of this leaving.
    return in_time and claim.issued_at >= left_at.replace(microsecond=0)


def _come_back(session: Session, subscriber: Subscriber, now: datetime) -> bool:
    """Of two who press the button at once, one changes the row; nobody does after an erasure."""
    change = (
        update(Subscriber)
        .where(
            Subscriber.id == subscriber.id,
            Subscriber.state.in_(LEFT),
            Subscriber.canonical == subscriber.canonical,
            Subscriber.left_at == subscriber.left_at,
        )
        .values(state=SubscriberState.ACTIVE, confirmed_at=now, left_at=None, paused_until=None)
        .returning(Subscriber.id)
        .execution_options(synchronize_session=False)
    )
    won = session.scalar(change) is not None
    session.refresh(subscriber)
    return won
