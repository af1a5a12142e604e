"""Consent: append-only proof of who agreed to what, when and how (STANDARDS 7a, PRV-02).

The row in `consents` stays, refused to be changed by the database itself, and names nobody. The
address stands in `consent_details`, IP and browser in `consent_origins`; erasure deletes them with
their salts, and nothing ties them any more.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from ipaddress import ip_address, ip_network
from typing import Any, cast

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.orm import Session

from newsletter.addresses import without_addresses
from newsletter.db import Plain
from newsletter.errors import FixRequest
from newsletter.models import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    ConsentOrigin,
    Subscriber,
    TopicChoice,
)
from newsletter.settings import Settings

# A sentence is never changed, since people agreed to it: a better one is the next number.
SENTENCE = "signup-1"
WORDING_ID = re.compile(r"[a-z]+-[0-9]+\.[a-z]{2}")
SALT_BYTES = 16
FREE_TEXT = frozenset({"reply", "reason"})  # facts that somebody else wrote
SHORTEST_NAME = 3  # letters before the @; a shorter word in a reply means nothing
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
# Plain tables: what an ORM adds is paid for each of a million rows.
CONSENTS, DETAILS, ORIGINS = (
    cast("Table", model.__table__) for model in (Consent, ConsentDetails, ConsentOrigin)
)


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
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """Whose consent it is and what was chosen; without `email` there is nothing to erase later."""

    subscriber_id: int
    email: str | None
    locale: str
    cadence: str
    topics: str
    facts: dict[str, Any] | None = None  # what proves theirs alone


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of `consents`, `consent_details` and `consent_origins`, by column; see `rows`."""

    consents: list[dict[str, Any]]
    details: list[dict[str, Any]]
    origins: list[dict[str, Any]]


def responsible(settings: Settings) -> dict[str, str]:
    """Who is responsible, as each proof says it at that moment."""
    return {"name": settings.org_name, "number": settings.org_number}


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
) -> int:
    """Write one proof for a subscriber (with an id), with the choices as they are now; its id."""
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
) -> list[int]:
    """Write the same kind of proof for many; their ids, in the order of `people`."""
    if not people:
        return []
    session.flush()
    made = rows(people, event, proof, now)
    connection = session.connection()
    insertion = insert(CONSENTS).returning(CONSENTS.c.id, sort_by_parameter_order=len(people) > 1)
    ids = list(connection.execute(insertion, made.consents).scalars())
    for table, halves in ((DETAILS, made.details), (ORIGINS, made.origins)):
        kept = [half | {"consent_id": id} for id, half in zip(ids, halves, strict=True) if half]
        if kept:
            connection.execute(insert(table), kept)
    return ids


def record_plainly(
    plain: Plain, people: Sequence[Person], event: ConsentEvent, proof: Proof, now: datetime
) -> None:
    """What `record_all` does, in at most three statements of plain SQL: for hot paths."""
    if not people:
        return
    made = rows(people, event, proof, now)
    for row in made.consents:
        row |= {"event": event.value, "at": plain.moment(now), "facts": json.dumps(row["facts"])}
    sql, values = _insertion("consents", made.consents)
    # No two hashes are alike: each has a salt of its own.
    ids = dict(plain.run(f"{sql} RETURNING details_hash, id", values))
    for table, halves in (("consent_details", made.details), ("consent_origins", made.origins)):
        kept = [
            half | {"consent_id": ids[row["details_hash"]]}
            for row, half in zip(made.consents, halves, strict=True)
            if half
        ]
        if kept:
            plain.tell(*_insertion(table, kept))


def rows(people: Sequence[Person], event: ConsentEvent, proof: Proof, now: datetime) -> Rows:
    """What `record_all` would write, without the ids, for who writes it another way (an import).

    The three lists are in the order of `people`. A half that is empty is not written; to the others
    `consent_id` has to be added.
    """
    salts = secrets.token_bytes(2 * SALT_BYTES * len(people))
    common = _common(event, proof, now)
    origin = None
    if proof.ip is not None or proof.user_agent is not None:
        origin = {"ip": proof.ip or "", "user_agent": proof.user_agent or ""}
    made = Rows([], [], [])
    for position, person in enumerate(people):
        at = 2 * SALT_BYTES * position
        salt, other = salts[at : at + SALT_BYTES], salts[at + SALT_BYTES : at + 2 * SALT_BYTES]
        row = common | {
            "subscriber_id": person.subscriber_id,
            "locale": person.locale,
            "cadence": person.cadence,
            "topics": person.topics,
            "details_hash": _salted(salt, {"email": person.email}),
            "origin_hash": _salted(other, origin) if origin else None,
        }
        if person.facts or proof.facts:
            row["facts"] = _facts({**proof.facts, **(person.facts or {})}, person.email)
        known = person.email is not None
        made.consents.append(row)
        made.details.append({"salt": salt, "email": person.email} if known else {})
        made.origins.append({"salt": other, **origin} if known and origin else {})
    return made


def fits(salt: bytes, values: dict[str, Any], hash: str | None) -> bool:
    """Are these the values a hash was made of: `{"email": …}`, or `{"ip": …, "user_agent": …}`?"""
    return hmac.compare_digest(_salted(salt, values), hash or "")


def forget(session: Session, subscriber_ids: Sequence[int]) -> None:
    """Erase who it was: details and origins go with their salts, the nameless proofs stay."""
    mine = select(Consent.id).where(Consent.subscriber_id.in_(subscriber_ids))
    for table in (ConsentDetails, ConsentOrigin):
        session.execute(delete(table).where(table.consent_id.in_(mine)))


def shorten_origins(session: Session, before: datetime, limit: int = 500) -> int:
    """Cut the origins of proofs older than `before` short, at most `limit`; returns how many.

    IPv4 to its /24, IPv6 to its /48, the browser to its first product; without the salt nothing
    ties the hash to the whole of it any more.
    """
    old = (
        select(ConsentOrigin)
        .join(Consent, Consent.id == ConsentOrigin.consent_id)
        .where(ConsentOrigin.salt.is_not(None), Consent.at < before)
        .order_by(ConsentOrigin.consent_id)
        .limit(limit)
        .with_for_update(of=ConsentOrigin, skip_locked=True)
    )
    found = session.scalars(old).all()
    for origin in found:
        origin.salt = None
        origin.ip, origin.user_agent = network(origin.ip), product(origin.user_agent)
    session.flush()
    return len(found)


def nameless(text: str, email: str | None) -> str:
    """Words of relays and people, for rows that outlive erasure: without the reader's address.

    Relays also name the part before the @ alone ("550 jan.peeters: unknown").
    """
    text = without_addresses(text)
    local = email.rpartition("@")[0] if email else ""
    if len(local) < SHORTEST_NAME:
        return text
    return re.sub(rf"(?<!\w){re.escape(local)}(?!\w)", "<address>", text, flags=re.IGNORECASE)


def network(ip: str) -> str:
    """ "203.0.113.0/24" of an IPv4 address, a /48 of an IPv6 one; empty for anything else."""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:  # ::ffff:203.0.113.77, whose /48 would say nothing
        address = mapped
    length = 24 if address.version == 4 else 48
    return str(ip_network((address, length), strict=False))


def product(user_agent: str) -> str:
    """The first product of a browser's line: "Mozilla" of "Mozilla/5.0 (…) …" (RFC 9110 10.1.5)."""
    return re.split(r"[\s/(]", user_agent.strip(), maxsplit=1)[0][:40]


def _insertion(table: str, rows: Sequence[dict[str, Any]]) -> tuple[str, list[object]]:
    """The statement for rows with the same columns, and its values."""
    marks = ", ".join(["(" + ", ".join("?" * len(rows[0])) + ")"] * len(rows))
    names = ", ".join(rows[0])
    values = [value for row in rows for value in row.values()]
    into = f"INSERT INTO {table} ({names})"
    return f"{into} VALUES {marks}", values


def _common(event: ConsentEvent, proof: Proof, now: datetime) -> dict[str, Any]:
    """What is the same in all rows."""
    return {
        "event": event,
        "at": now,
        "route": proof.route,
        "wording": proof.wording.id if proof.wording else None,
        "wording_hash": proof.wording.sha256 if proof.wording else None,
        "source": without_addresses(proof.source) if proof.source else proof.source,
        "issue_number": proof.issue_number,
        "facts": {},
    }


def _facts(facts: dict[str, Any], email: str | None) -> dict[str, Any]:
    words = {name: nameless(str(facts[name]), email) for name in FREE_TEXT & facts.keys()}
    return facts | words


def _salted(salt: bytes, values: dict[str, Any]) -> str:
    """SHA-256(salt ‖ canonical JSON of the values), hex."""
    return hashlib.sha256(salt + canonical(values)).hexdigest()


def canonical(value: Any) -> bytes:
    """The one way to write a value as JSON: sorted keys, no blanks, UTF-8 (see docs/CONSENT.md)."""
    # Half a surrogate pair, which a relay's words may hold, must not stop the sealer for good.
    return ENCODER.encode(value).encode(errors="replace")
