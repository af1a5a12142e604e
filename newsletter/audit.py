"""The audit log: every change by a person or by the clock is one line, chained by hash.

A line that is altered, taken out or slipped in breaks the chain, and `verify` names the first that
does not hold. The doors write it, in the transaction of what they change, so that there is no
change without its line and no line without its change.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from newsletter.models import Entry

CLOCK, COMMAND_LINE = "clock", "command line"
FIRST = "0" * 64  # what the first line follows
LINES = 1000  # read together when all are verified
TURN = 0x4669616265  # the number of PostgreSQL's advisory lock: one line at a time


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many lines there are, the hash of the last, and what is wrong first, if anything is."""

    lines: int
    head: str
    broken: str | None


def editor(id: int) -> str:
    """An editor as the actor of a line."""
    return f"editor {id}"


def record(
    session: Session,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> Entry:
    """Write one line. `action` is a room and a verb ("issue.send"), `subject` a kind and its name
    ("issue 12"); `facts` are JSON, and hold no address."""
    if session.get_bind().dialect.name == "postgresql":
        # Until the end of the transaction: two lines must not follow the same one.
        session.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})
    last = session.execute(
        select(Entry.number, Entry.hash).order_by(Entry.number.desc()).limit(1)
    ).one_or_none()
    entry = Entry(
        number=last.number + 1 if last else 1,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        facts=dict(facts or {}),
    )
    entry.hash = link(last.hash if last else FIRST, entry)
    session.add(entry)
    session.flush()
    return entry


def link(previous: str, entry: Entry) -> str:
    """The hash of a line that follows the one with the hash `previous`: SHA-256 over both, in
    hex."""
    seen = {
        "previous": previous,
        "number": entry.number,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "facts": entry.facts,
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def verify(session: Session) -> Verdict:
    """Walk the whole chain."""
    number, head = 0, FIRST
    for entry in _all(session):
        if entry.number != number + 1:
            return Verdict(number, head, f"line {number + 1} is missing")
        if entry.hash != link(head, entry):
            return Verdict(number, head, f"line {entry.number} is not what was written")
        number, head = entry.number, entry.hash
    return Verdict(number, head, None)


def found(
    session: Session,
    words: str = "",
    actor: str = "",
    before: int | None = None,
    limit: int = 50,
) -> Sequence[Entry]:
    """Lines, newest first: those whose action or subject holds `words`, by `actor`, with numbers
    below `before`."""
    query = select(Entry).order_by(Entry.number.desc()).limit(limit)
    if words:
        columns = (Entry.action, Entry.subject)
        query = query.where(or_(*(c.contains(words, autoescape=True) for c in columns)))
    if actor:
        query = query.where(Entry.actor == actor)
    if before is not None:
        query = query.where(Entry.number < before)
    return session.scalars(query).all()


def length(session: Session) -> int:
    """How many lines there are."""
    return session.scalar(select(func.max(Entry.number))) or 0


def _all(session: Session) -> Iterator[Entry]:
    after = 0
    while lines := session.scalars(
        select(Entry).where(Entry.number > after).order_by(Entry.number).limit(LINES)
    ).all():
        yield from lines
        after = lines[-1].number
        session.expunge_all()
