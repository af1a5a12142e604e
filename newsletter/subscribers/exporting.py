"""All we hold about people, ready for JSON (GDPR 15 and 20): of one, or of everybody in turn."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

from sqlalchemy import inspect, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from newsletter.db import Base
from newsletter.models import (
    AddressChange,
    Cursor,
    Delivery,
    Event,
    FormRequest,
    Notice,
    NoticeKind,
    Setback,
    Subscriber,
    Suppression,
    SurveyAnswer,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.subscribers import preferences, proof
from newsletter.tokens import tokens_of

PEOPLE = 500  # whose rows are read together
# Of a letter to a new address: what became of it says whether that address reads Fiabel (SEC-07).
QUIET = ("kind", "created_at")
SUPPRESSION = ("reason", "since", "why", "lifted_at", "lifted_why")
Facts: TypeAlias = dict[str, Any]
# The tables that hold rows about people: what says whose they are, and what of them is told.
ROWS: dict[str, tuple[type[Base], InstrumentedAttribute[Any], tuple[str, ...]]] = {
    "requests": (
        FormRequest,
        FormRequest.canonical,
        (
            *("kind", "email", "asked_at", "locale", "cadence", "topics", "wording", "form_url"),
            *("ip", "user_agent", "facts"),
        ),
    ),
    "new_address_asked": (AddressChange, AddressChange.subscriber_id, ("email", "asked_at")),
    "survey_answer": (SurveyAnswer, SurveyAnswer.subscriber_id, ("reason", "at")),
    "deliveries": (
        Delivery,
        Delivery.subscriber_id,
        ("issue_number", "state", "settled_at", "status", "reply", "bounced_at"),
    ),
    "events": (Event, Event.subscriber_id, ("kind", "at")),
    "setbacks": (Setback, Setback.subscriber_id, ("kind", "issue_number", "at")),
    "notices": (
        Notice,
        Notice.subscriber_id,
        ("kind", "state", "created_at", "settled_at", "email", "facts", "reply"),
    ),
}


def everybody(session: Session, settings: Settings) -> Iterator[Facts]:
    """A copy for each person with an address, by id, in constant memory. Read-only."""
    last = 0
    known = select(Subscriber).where(Subscriber.email.is_not(None)).order_by(Subscriber.id)
    while people := session.scalars(known.where(Subscriber.id > last).limit(PEOPLE)).all():
        last = people[-1].id
        yield from copies(session, settings, people)


def copies(session: Session, settings: Settings, people: Sequence[Subscriber]) -> Iterator[Facts]:
    """All we hold about each of these people: times are ISO 8601 in UTC. Read-only."""
    ids = [one.id for one in people]
    canonicals = [one.canonical for one in people if one.canonical]
    chosen = {one.topic_choice_id for one in people}
    choices = session.scalars(select(TopicChoice).where(TopicChoice.id.in_(chosen)))
    topics = {choice.id: choice.topics for choice in choices}
    starts = session.scalars(select(Cursor).where(Cursor.subscriber_id.in_(ids)))
    cursors = {cursor.subscriber_id: cursor.number for cursor in starts}
    proofs = proof.events_of(session, ids)
    rows = {name: _rows(session, name, ids, canonicals) for name in ROWS}
    blocked = _suppressions(session, settings, canonicals)
    for one in people:
        theirs = {
            name: found.get(one.canonical if ROWS[name][1].key == "canonical" else one.id, [])
            for name, found in rows.items()
        }
        yield {
            **_plain(one, "id", "email", "canonical", "state", "locale", "cadence"),
            "topics": preferences.apart(topics[one.topic_choice_id]),
            **_plain(one, "created_at", "confirmed_at", "left_at", "paused_until"),
            "consents": [_consent(event) for event in proofs.get(one.id, [])],
            **{name: theirs[name] for name in ("requests", "new_address_asked", "survey_answer")},
            **{name: theirs[name] for name in ("deliveries", "setbacks")},
            "newest_item_received": cursors.get(one.id),
            "notices": theirs["notices"],
            "suppression": blocked.get(one.canonical),
        }


def _rows(
    session: Session, name: str, ids: Collection[int], canonicals: Collection[str]
) -> dict[Any, list[Facts]]:
    table, owner, names = ROWS[name]
    keys: Collection[Any] = ids if owner.key == "subscriber_id" else canonicals
    query = select(table).where(owner.in_(keys)).order_by(*inspect(table).primary_key)
    found: dict[Any, list[Facts]] = {}
    for row in session.scalars(query):
        told = QUIET if isinstance(row, Notice) and row.kind is NoticeKind.NEW_ADDRESS else names
        found.setdefault(getattr(row, owner.key), []).append(_plain(row, *told))
    return found


def _suppressions(
    session: Session, settings: Settings, canonicals: Collection[str]
) -> dict[str | None, Facts]:
    """The newest entry about each address, in force or lifted, under whichever secret."""
    tokens = tokens_of(settings)
    keys = {key: canonical for canonical in canonicals for key in tokens.address_keys(canonical)}
    query = select(Suppression).where(Suppression.address_key.in_(keys))
    return {
        keys[entry.address_key]: _plain(entry, *SUPPRESSION)
        for entry in session.scalars(query.order_by(Suppression.since))
    }


def _plain(row: Base, *names: str) -> Facts:
    """Columns of a row, as JSON can say them."""
    return {name: _word(getattr(row, name)) for name in names}


def _word(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def _consent(event: Facts) -> Facts:
    """One proof, flat, in words."""
    row, wording = event["consent"], event["wording"]
    details, origin, seal = (event[name] or {} for name in ("details", "origin", "seal"))
    return {
        **{name: row[name] for name in ("id", "event", "at", "route", "locale", "cadence")},
        "topics": preferences.apart(row["topics"]),
        "wording": row["wording"],
        "wording_sha256": row["wording_hash"],
        "wording_text": wording["text"] if wording else None,
        "source": row["source"],
        "issue": row["issue_number"],
        "email": details.get("email"),
        "ip": origin.get("ip"),
        "user_agent": origin.get("user_agent"),
        "facts": row["facts"],
        "seal": seal.get("number"),
        "seal_sha256": seal.get("hash"),
    }
