"""What people may demand (GDPR 15 to 21): a copy of what we hold, no more mail, and erasure."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter import addresses, notices, suppression
from newsletter.delivery import ledger
from newsletter.models import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    Delivery,
    Notice,
    SignupRequest,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences
from newsletter.tokens import Tokens


def erase(session: Session, settings: Settings, subscriber: Subscriber, now: datetime) -> None:
    """Leave no trace of a person but the keyed hash in `suppressions` (PRV-12); repeatable.

    The row, its nameless proofs and its deliveries stay as numbers.
    """
    session.refresh(subscriber, with_for_update=True)
    if subscriber.canonical is None or subscriber.email is None:
        return
    tokens, canonical = Tokens(settings.secret_key), subscriber.canonical
    suppression.add(session, tokens, canonical, SuppressionReason.ERASED, now)
    ledger.withdraw(session, subscriber.id, now)
    notices.forget(session, now, {subscriber.email, canonical}, subscriber.id)
    consent.forget(session, subscriber.id)
    session.execute(delete(SignupRequest).where(SignupRequest.canonical == canonical))
    subscriber.email = subscriber.canonical = None
    subscriber.state = SubscriberState.ERASED
    subscriber.left_at = subscriber.left_at or now
    consent.record(session, subscriber, ConsentEvent.ERASED, consent.Proof("request"), now)


def erase_address(session: Session, settings: Settings, email: str, now: datetime) -> bool:
    """Erase whoever has this address, also one who only asked; False when nothing was known.

    Raises FixRequest on bad syntax.
    """
    subscriber = preferences.find_by_address(session, email)
    if subscriber is not None:
        erase(session, settings, subscriber, now)
        return True
    address = addresses.parse(email, allow_utf8=True)
    asked = delete(SignupRequest).where(SignupRequest.canonical == address.canonical)
    known = session.scalars(asked.returning(SignupRequest.id)).all()
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
    """Mail this address no more, whether it is a subscriber's or not; planned mail is withdrawn."""
    address = addresses.parse(email, allow_utf8=True)
    suppression.add(session, Tokens(settings.secret_key), address.canonical, reason, now, why)
    subscriber = preferences.find_by_address(session, email)
    if subscriber is not None and subscriber.state in preferences.READING:
        subscriber.state = SubscriberState.SUPPRESSED
        ledger.withdraw(session, subscriber.id, now)


def export(session: Session, subscriber: Subscriber) -> dict[str, Any]:
    """All we hold about one person, ready for JSON: times are ISO 8601 in UTC. Read-only."""
    return {
        "id": subscriber.id,
        "email": subscriber.email,
        "state": subscriber.state.value,
        "locale": subscriber.locale,
        "cadence": subscriber.cadence,
        "topics": list(preferences.topics_of(session, subscriber)),
        "created_at": _iso(subscriber.created_at),
        "confirmed_at": _iso(subscriber.confirmed_at),
        "left_at": _iso(subscriber.left_at),
        "consents": _consents(session, subscriber.id),
        "requests": _requests(session, subscriber.canonical),
        "deliveries": _deliveries(session, subscriber.id),
        "notices": _notices(session, subscriber.id),
    }


def _consents(session: Session, subscriber_id: int) -> list[dict[str, Any]]:
    query = (
        select(Consent, ConsentDetails)
        .outerjoin(ConsentDetails, ConsentDetails.consent_id == Consent.id)
        .where(Consent.subscriber_id == subscriber_id)
        .order_by(Consent.id)
    )
    return [_proof(row, details) for row, details in session.execute(query)]


def _proof(row: Consent, details: ConsentDetails | None) -> dict[str, Any]:
    return {
        "event": row.event.value,
        "at": _iso(row.at),
        "route": row.route,
        "locale": row.locale,
        "cadence": row.cadence,
        "topics": row.topics.split("|") if row.topics else [],
        "wording": row.wording,
        "wording_sha256": row.wording_hash,
        "wording_text": consent.named(row.wording).text if row.wording else None,
        "source": row.source,
        "issue": row.issue_number,
        "email": details.email if details else None,
        "ip": details.ip if details else None,
        "user_agent": details.user_agent if details else None,
    }


def _requests(session: Session, canonical: str | None) -> list[dict[str, Any]]:
    query = select(SignupRequest).where(SignupRequest.canonical == canonical)
    return [
        {
            "email": row.email,
            "asked_at": _iso(row.asked_at),
            "form_url": row.form_url,
            "ip": row.ip,
            "user_agent": row.user_agent,
        }
        for row in session.scalars(query.order_by(SignupRequest.id))
    ]


def _deliveries(session: Session, subscriber_id: int) -> list[dict[str, Any]]:
    mine = select(Delivery).where(Delivery.subscriber_id == subscriber_id)
    return [
        {
            "issue": row.issue_number,
            "state": row.state.value,
            "settled_at": _iso(row.settled_at),
            "reply": row.reply,
        }
        for row in session.scalars(mine.order_by(Delivery.issue_number))
    ]


def _notices(session: Session, subscriber_id: int) -> list[dict[str, Any]]:
    mine = select(Notice).where(Notice.subscriber_id == subscriber_id)
    return [
        {
            "kind": row.kind.value,
            "state": row.state.value,
            "created_at": _iso(row.created_at),
            "settled_at": _iso(row.settled_at),
            "reply": row.reply,
        }
        for row in session.scalars(mine.order_by(Notice.id))
    ]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
