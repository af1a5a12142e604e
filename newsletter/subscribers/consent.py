"""Consent: append-only proof of who agreed to what, when and how (STANDARDS 7a, PRV-02).

A proof has two halves. The row in `consents` stays and names nobody. The address and the request
stand in `consent_details`; erasure deletes that half with the salt, and nothing ties them any more.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.models import Consent, ConsentDetails, ConsentEvent, Subscriber, TopicChoice

# A sentence is never changed, since people agreed to it: a better one is the next number.
SENTENCE = "signup-1"
WORDING_ID = re.compile(r"[a-z]+-[0-9]+\.[a-z]{2}")
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Wording:
    """A sentence people agree to: id (`signup-1.nl`), text, and SHA-256 of the text in hex."""

    id: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Proof:
    """How consent came about; `route` is form, page, one-click, command, import …"""

    route: str
    wording: Wording | None = None
    source: str | None = None
    issue_number: int | None = None
    ip: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Whose consent it is and what was chosen; without `email` there is nothing to erase later."""

    subscriber_id: int
    email: str | None
    locale: str
    cadence: str
    topics: str


def wording(locale: str) -> Wording:
    """The sentence in force beside the sign-up button, in this locale."""
    return named(f"{SENTENCE}.{locale}")


@cache
def named(wording_id: str) -> Wording:
    """The sentence with this id, also an older one. Raises FixRequest when there never was one."""
    file = files("newsletter.subscribers").joinpath("wordings", f"{wording_id}.txt")
    if not WORDING_ID.fullmatch(wording_id) or not file.is_file():
        raise FixRequest("There is no consent wording with this id.")
    text = file.read_text("utf-8").strip()
    return Wording(wording_id, text, hashlib.sha256(text.encode()).hexdigest())


def record(
    session: Session, subscriber: Subscriber, event: ConsentEvent, proof: Proof, now: datetime
) -> Consent:
    """Write one proof for a subscriber (with an id), with the choices as they are now."""
    return record_all(session, [person(session, subscriber)], event, proof, now)[0]


def person(session: Session, subscriber: Subscriber) -> Person:
    """A subscriber (with an id) as they are now."""
    topics = session.get_one(TopicChoice, subscriber.topic_choice_id).topics
    return Person(subscriber.id, subscriber.email, subscriber.locale, subscriber.cadence, topics)


def record_all(
    session: Session,
    people: Sequence[Person],
    event: ConsentEvent,
    proof: Proof,
    now: datetime,
) -> Sequence[Consent]:
    """Write the same kind of proof for many, in two statements; in the order of `people`."""
    if not people:
        return []
    details = [_details(person, proof) for person in people]
    rows = [
        _row(person, event, proof, now) | {"details_hash": _hash(secret)}
        for person, secret in zip(people, details, strict=True)
    ]
    insertion = insert(Consent).returning(Consent, sort_by_parameter_order=True)
    consents = session.scalars(insertion, rows).all()
    kept = [
        secret | {"consent_id": consent.id}
        for consent, secret in zip(consents, details, strict=True)
        if secret["email"] is not None
    ]
    if kept:
        session.execute(insert(ConsentDetails), kept)
    return consents


def verify_details(consent: Consent, details: ConsentDetails) -> bool:
    """Do these details belong to this proof, unaltered?"""
    secret = {
        "salt": details.salt,
        "email": details.email,
        "ip": details.ip,
        "user_agent": details.user_agent,
    }
    return hmac.compare_digest(_hash(secret), consent.details_hash)


def forget(session: Session, subscriber_id: int) -> None:
    """Erase who it was: the details go with their salt, the nameless proofs stay."""
    mine = select(Consent.id).where(Consent.subscriber_id == subscriber_id)
    session.execute(delete(ConsentDetails).where(ConsentDetails.consent_id.in_(mine)))


def remove(session: Session, subscriber_ids: Sequence[int]) -> None:
    """Delete every trace of people who asked and never consented."""
    mine = select(Consent.id).where(Consent.subscriber_id.in_(subscriber_ids))
    session.execute(delete(ConsentDetails).where(ConsentDetails.consent_id.in_(mine)))
    session.execute(delete(Consent).where(Consent.subscriber_id.in_(subscriber_ids)))


def _row(person: Person, event: ConsentEvent, proof: Proof, now: datetime) -> dict[str, Any]:
    return {
        "subscriber_id": person.subscriber_id,
        "event": event,
        "at": now,
        "route": proof.route,
        "locale": person.locale,
        "cadence": person.cadence,
        "topics": person.topics,
        "wording": proof.wording.id if proof.wording else None,
        "wording_hash": proof.wording.sha256 if proof.wording else None,
        "source": proof.source,
        "issue_number": proof.issue_number,
    }


def _details(person: Person, proof: Proof) -> dict[str, Any]:
    return {
        "salt": secrets.token_bytes(SALT_BYTES),
        "email": person.email,
        "ip": proof.ip,
        "user_agent": proof.user_agent,
    }


def _hash(secret: dict[str, Any]) -> str:
    """SHA-256(salt ‖ canonical JSON of the details), hex."""
    details = {name: value for name, value in secret.items() if name != "salt"}
    text = json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(secret["salt"] + text.encode()).hexdigest()
