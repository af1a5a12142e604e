"""The chain over all proofs: what is sealed cannot be altered, taken out or slipped in unnoticed.

One sealer gives each proof the next number, within about a minute, so that sign-ups do not wait for
each other. docs/CONSENT.md tells an outsider how to compute the hashes.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import RowMapping, Select, String, Table, exists, func, insert, select, type_coerce
from sqlalchemy.orm import Session

from newsletter.models import Seal
from newsletter.subscribers import consent
from newsletter.subscribers.consent import CONSENTS, DETAILS, ORIGINS

FIRST = "0" * 64  # what the first link follows
BATCH = 2000  # links in one transaction
# On PostgreSQL rows commit out of the order of their ids. So many are looked at again each minute;
# an import that held back more is found by the first of its rows among them, or within the hour.
MARGIN = 10_000
SEALS = cast("Table", Seal.__table__)
# The columns of a proof, as they are stored; a new one is added here and in docs/CONSENT.md.
COLUMNS = [
    type_coerce(column, String).label(column.name) if column.name == "event" else column
    for column in CONSENTS.columns
]
NAMES = tuple(column.name for column in CONSENTS.columns)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction sealed; `late`: rows that came after higher ids had been sealed."""

    sealed: int
    last: int  # the highest id sealed, or where the search began
    late: bool


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold, and what is wrong there."""

    number: int
    consent_id: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the chain was walked: its last number and hash, and the first break, if any."""

    number: int
    hash: str
    broken: Break | None


def start(session: Session) -> int:
    """The id after which a minute's sealing looks for proofs."""
    newest = session.scalar(select(func.max(SEALS.c.consent_id))) or 0
    return max(newest - MARGIN, 0)


def seal(session: Session, now: datetime, after: int, limit: int = BATCH) -> Batch:
    """Chain at most `limit` proofs with an id above `after` that are not chained yet, by id.

    Of two sealers at once, one gets an IntegrityError: it rolls back and looks again.
    """
    newest = session.scalar(select(func.max(SEALS.c.consent_id))) or 0
    number, previous = _head(session)
    links: list[dict[str, Any]] = []
    for row in session.connection().execute(_unsealed(after).limit(limit)).mappings().all():
        number += 1
        previous = link(previous, number, now, row)
        made = {"number": number, "consent_id": row["id"], "hash": previous, "sealed_at": now}
        links.append(made)
    if not links:
        return Batch(0, after, late=False)
    session.connection().execute(insert(SEALS), links)
    return Batch(len(links), links[-1]["consent_id"], links[0]["consent_id"] < newest)


def link(previous: str, number: int, sealed_at: datetime, row: Mapping[Any, Any]) -> str:
    """The hash of a link, in hex; `row` has the columns of `consents`."""
    content = {
        "consent": as_sealed(row),
        "number": number,
        "previous": previous,
        "sealed_at": moment(sealed_at),
    }
    return hash_of(content)


def hash_of(content: dict[str, Any]) -> str:
    """The hash of a link with this content (consent, number, previous, sealed_at), in hex."""
    return hashlib.sha256(consent.canonical(content)).hexdigest()


def as_sealed(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A proof as it goes into the hash: every column by its name, times as `moment` writes them."""
    values = {name: row[name] for name in NAMES}
    values["at"] = moment(values["at"])
    return values


def moment(time: datetime) -> str:
    """A time in UTC with six digits of a second: 2026-11-23T09:00:00.000000+00:00."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def unsealed(session: Session) -> int:
    """How many proofs are not chained yet; looks at all of them."""
    return session.scalar(select(func.count()).select_from(_unsealed(0).subquery())) or 0


def length(session: Session) -> int:
    """The number of the last link."""
    return _head(session)[0]


def verify(
    session: Session, until: int | None = None, progress: Callable[[int], None] | None = None
) -> Verdict:
    """Walk the chain from its first link, up to number `until`; ends at the first break. Read-only.

    Also compares what still exists of addresses and origins with the hashes in their proofs. Links
    cut off at the end leave no trace here: receipts that were handed out show them. `progress` gets
    the number of links read since it was last told.
    """
    number, previous = 0, FIRST
    for row in _walk(session, until, progress):
        expected, number = number + 1, row["number"]
        broken = _check(row, expected, previous)
        if broken is not None:
            return Verdict(expected - 1, previous, broken)
        previous = row["hash"]
    return Verdict(number, previous, None)


def _check(row: RowMapping, expected: int, previous: str) -> Break | None:
    number, consent_id = row["number"], row["consent_id"]
    if number != expected:
        return Break(expected, None, "this link is missing")
    if row["id"] is None:
        return Break(number, consent_id, "its proof is missing")
    if not hmac.compare_digest(link(previous, number, row["sealed_at"], row), row["hash"]):
        what = "the hash does not fit: this proof or link was altered, moved or put in"
        return Break(number, consent_id, what)
    address = {"email": row["email"]}
    if row["email"] is not None and not consent.fits(row["salt"], address, row["details_hash"]):
        return Break(number, consent_id, "the address was altered")
    origin = {"ip": row["ip"], "user_agent": row["user_agent"]}
    if row["origin_salt"] and not consent.fits(row["origin_salt"], origin, row["origin_hash"]):
        return Break(number, consent_id, "the IP address or browser was altered")
    return None


def _head(session: Session) -> tuple[int, str]:
    newest = select(SEALS.c.number, SEALS.c.hash).order_by(SEALS.c.number.desc()).limit(1)
    found = session.execute(newest).one_or_none()
    return (found.number, found.hash) if found else (0, FIRST)


def _unsealed(after: int) -> Select[Any]:
    # Said of both tables: else PostgreSQL reads all seals from the first for each batch.
    theirs = (SEALS.c.consent_id == CONSENTS.c.id, SEALS.c.consent_id > after)
    beyond = (CONSENTS.c.id > after, ~exists().where(*theirs))
    return select(*COLUMNS).where(*beyond).order_by(CONSENTS.c.id)


def _walk(
    session: Session, until: int | None, progress: Callable[[int], None] | None
) -> Iterator[RowMapping]:
    """All links in order with what they seal, read batch by batch."""
    seen = 0
    rows = (
        select(
            SEALS,
            *COLUMNS,
            DETAILS.c.salt,
            DETAILS.c.email,
            ORIGINS.c.salt.label("origin_salt"),
            ORIGINS.c.ip,
            ORIGINS.c.user_agent,
        )
        .outerjoin(CONSENTS, CONSENTS.c.id == SEALS.c.consent_id)
        .outerjoin(DETAILS, DETAILS.c.consent_id == SEALS.c.consent_id)
        .outerjoin(ORIGINS, ORIGINS.c.consent_id == SEALS.c.consent_id)
        .order_by(SEALS.c.number)
        .limit(BATCH)
    )
    if until is not None:
        rows = rows.where(SEALS.c.number <= until)
    while batch := session.execute(rows.where(SEALS.c.number > seen)).mappings().all():
        yield from batch
        seen = batch[-1]["number"]
        if progress is not None:
            progress(len(batch))
