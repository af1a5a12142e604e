"""The proof of one person's consent: every event with all that shows it (STANDARDS 7a, PRV-02)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.orm import Session

from newsletter.models import Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers import chain, consent, preferences
from newsletter.subscribers.chain import COLUMNS, FIRST, SEALS
from newsletter.subscribers.consent import CONSENTS, DETAILS, ORIGINS

PURPOSE = "Fiabel-nieuws, a newsletter by e-mail"
# A consent to tracking would be asked for apart (7a, 17); this program knows no tracking.
TRACKING = "none was asked for: this newsletter does not track its readers"
CONTROLLER = ("name", "legal_form", "address", "number", "court", "email", "website")


def controller(settings: Settings) -> dict[str, str]:
    """Who is responsible for the data, as the settings say it now."""
    return {part: getattr(settings, f"org_{part}") for part in CONTROLLER}


def events(session: Session, subscriber_id: int) -> list[dict[str, Any]]:
    """All proofs of one person, as `events_of` gives them."""
    return events_of(session, [subscriber_id]).get(subscriber_id, [])


def events_of(session: Session, subscriber_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """All proofs of people, by their ids, oldest first, ready for JSON; salts in hex. Read-only.

    Of each: `consent` (as it is sealed), `seal` (number, previous, sealed_at, hash), `details`
    (salt, email), `origin` (salt, ip, user_agent) and `wording` (id, text, sha256). What is not
    there yet, or not any more, is None; so is the salt of an origin that was cut short.
    """
    before = SEALS.alias("before")
    query = (
        select(
            *COLUMNS,
            *(SEALS.c[name] for name in ("number", "hash", "sealed_at")),
            before.c.hash.label("previous"),
            DETAILS.c.salt,
            DETAILS.c.email,
            ORIGINS.c.consent_id.label("origin"),
            ORIGINS.c.salt.label("origin_salt"),
            ORIGINS.c.ip,
            ORIGINS.c.user_agent,
        )
        .select_from(CONSENTS)
        .outerjoin(SEALS, SEALS.c.consent_id == CONSENTS.c.id)
        .outerjoin(before, before.c.number == SEALS.c.number - 1)
        .outerjoin(DETAILS, DETAILS.c.consent_id == CONSENTS.c.id)
        .outerjoin(ORIGINS, ORIGINS.c.consent_id == CONSENTS.c.id)
        .where(CONSENTS.c.subscriber_id.in_(subscriber_ids))
        .order_by(CONSENTS.c.id)
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in session.execute(query).mappings():
        found.setdefault(row["subscriber_id"], []).append(_event(row))
    return found


def proof(
    session: Session,
    settings: Settings,
    subscriber: Subscriber,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """What a privacy officer shows to prove a consent, ready for JSON. Read-only.

    The chain is walked from its first link to the last one of this person; `progress` as in
    `chain.verify`.
    """
    found = events(session, subscriber.id)
    last = max((event["seal"]["number"] for event in found if event["seal"]), default=0)
    verdict = chain.verify(session, last, progress)
    return {
        "subscriber": subscriber.id,
        "email": subscriber.email,
        "canonical": subscriber.canonical,
        "state": subscriber.state.value,
        "purpose": PURPOSE,
        "controller": controller(settings),
        "tracking_consent": TRACKING,
        "kept_until": kept_until(settings, subscriber),
        "chain_walked_to": verdict.number,
        "chain_broken": as_words(verdict.broken),
        "events": [_shown(settings, event, verdict) for event in found],
    }


def kept_until(settings: Settings, subscriber: Subscriber) -> str:
    """Until when the address is kept as proof (LEFT_DAYS), as a date or a rule."""
    if subscriber.state is SubscriberState.ERASED:
        return "the address was erased; the nameless events stay"
    if subscriber.state is SubscriberState.PENDING and subscriber.left_at is None:
        return f"{settings.confirm_days} days after the request, unless it is confirmed"
    if subscriber.left_at is None:
        return f"{settings.left_days} days after leaving"
    end = subscriber.left_at + timedelta(days=settings.left_days)
    return end.astimezone(settings.timezone).date().isoformat()


def as_words(broken: chain.Break | None) -> str | None:
    """Where the chain breaks, in one clause."""
    if broken is None:
        return None
    about = f" (event {broken.consent_id})" if broken.consent_id else ""
    return f"at link {broken.number}{about}: {broken.what}"


def _event(row: RowMapping) -> dict[str, Any]:
    seal = details = origin = wording = None
    if row["number"] is not None:
        seal = {
            "number": row["number"],
            "previous": row["previous"] or FIRST,
            "sealed_at": chain.moment(row["sealed_at"]),
            "hash": row["hash"],
        }
    if row["email"] is not None:
        details = {"salt": row["salt"].hex(), "email": row["email"]}
    if row["origin"] is not None:
        salt = row["origin_salt"].hex() if row["origin_salt"] else None
        origin = {"salt": salt, "ip": row["ip"], "user_agent": row["user_agent"]}
    if row["wording"] is not None:
        sentence = consent.named(row["wording"])
        wording = {"id": sentence.id, "text": sentence.text, "sha256": sentence.sha256}
    return {
        "consent": chain.as_sealed(row),
        "seal": seal,
        "details": details,
        "origin": origin,
        "wording": wording,
    }


def _shown(settings: Settings, event: dict[str, Any], verdict: chain.Verdict) -> dict[str, Any]:
    row, details, wording, seal = (
        event[name] for name in ("consent", "details", "wording", "seal")
    )
    at = datetime.fromisoformat(row["at"])
    return {
        "id": row["id"],
        "event": row["event"],
        "at": row["at"],
        "at_local": at.astimezone(settings.timezone).isoformat(timespec="seconds"),
        "route": row["route"],
        "email": details["email"] if details else None,
        "email_fits_its_hash": matches(details, row["details_hash"]),
        "sentence": wording,
        "sentence_fits_its_hash": wording["sha256"] == row["wording_hash"] if wording else None,
        "locale": row["locale"],
        "cadence": row["cadence"],
        "topics": preferences.apart(row["topics"]),
        "source": row["source"],
        "issue": row["issue_number"],
        **_origin(settings, event),
        "facts": row["facts"],
        "seal": seal,
        "chain_intact_up_to_here": seal["number"] <= verdict.number if seal else None,
    }


def _origin(settings: Settings, event: dict[str, Any]) -> dict[str, Any]:
    origin, hash = event["origin"], event["consent"]["origin_hash"]
    if hash is None:
        kept = "none: no browser took part"
    elif origin is None:
        kept = "erased"
    elif origin["salt"] is None:
        kept = f"shortened after {settings.origin_days} days"
    else:
        kept = "whole"
    return {
        "ip": origin["ip"] if origin else None,
        "user_agent": origin["user_agent"] if origin else None,
        "origin": kept,
        "origin_fits_its_hash": matches(origin, hash),
    }


def matches(half: dict[str, Any] | None, hash: str | None) -> bool | None:
    """Does this half of an event fit its hash? None: nothing is left that could be compared."""
    if half is None or half["salt"] is None:
        return None
    values = {name: value for name, value in half.items() if name != "salt"}
    return consent.fits(bytes.fromhex(half["salt"]), values, hash)
