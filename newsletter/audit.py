"""The audit log: every change by a person or by the clock is one line, chained by keyed hashes.

Each line holds an HMAC over itself and the line before, under a key that is not in the database. A
line that is altered, taken out or slipped in breaks the chain, and `verify` names the first that
does not hold. What is cut off at the end breaks no chain: so the clock notes the newest line each
minute in a file outside the database. docs/LOG.md tells what cannot be found even so.

The doors write it, in the transaction of what they change, so that there is no change without its
line and no line without its change.
"""

import contextlib
import hmac
import json
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import event, exists, func, or_, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from newsletter.models import Editor, Entry
from newsletter.settings import Settings
from newsletter.tokens import tokens_of

log = logging.getLogger(__name__)

CLOCK, COMMAND_LINE, PROOF_LETTER = "clock", "command line", "proof letter"
FIRST = "0" * 64  # what the first line follows
LINES = 1000  # read together when all are verified
TURN = 0x4669616265  # the number of PostgreSQL's advisory lock: one line at a time
NOTED = re.compile(r"([0-9]{1,18}) ([0-9a-f]{64})")
# How many of the triggers that keep the lines as they are (migration 0008) are at work.
GUARDS = {
    "sqlite": (
        3,
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
        " AND name IN ('audit_stay_update', 'audit_stay_delete', 'audit_stay_insert')",
    ),
    "postgresql": (
        1,
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'audit'::regclass"
        " AND tgname = 'audit_stay' AND tgenabled IN ('O', 'A')",
    ),
}


class Fault(StrEnum):
    """What can be wrong with the log, in English; `number` is the line it is about."""

    MISSING = "line {number} is missing"
    ALTERED = "line {number} is not what was written, or its key is not in SECRET_KEYS any more"
    OTHER = "line {number} is not the one that was noted"
    CUT_OFF = "line {number} was noted, and the log ends before it"
    EMPTY = "there is no line, though there are editors"
    UNGUARDED = "the database lets lines be changed: its triggers are gone"


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong, and the number of its line; `str()` says it in English."""

    fault: Fault
    number: int

    def __str__(self) -> str:
        return self.fault.format(number=self.number)


@dataclass(frozen=True, slots=True)
class Head:
    """A line and its hash, as somebody noted them when it was the newest."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many lines hold, the hash of the last, what is wrong first, if anything is, and with how
    many noted lines it was compared."""

    lines: int
    head: str
    broken: Break | None
    noted: int


def editor(id: int) -> str:
    """An editor as the actor of a line."""
    return f"editor {id}"


def record(
    session: Session,
    settings: Settings,
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
    last = _newest(session)
    entry = Entry(
        number=last.number + 1 if last else 1,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        facts=dict(facts or {}),
    )
    entry.hash = link(_keys(settings)[0], last.hash if last else FIRST, entry)
    session.add(entry)
    session.flush()
    # Only what holds is told; the log of the program must not know more than that of changes.
    fields = {"actor": actor, "line": entry.number}
    event.listen(
        session,
        "after_commit",
        lambda _session: log.info("%s %s", action, subject, extra=fields),
        once=True,
    )
    return entry


def link(key: bytes, previous: str, entry: Entry) -> str:
    """The hash of a line that follows the one with the hash `previous`: HMAC-SHA-256 over both, in
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
    # `repr`: what is no text any more is read too, and found to be altered.
    return hmac.digest(key, json.dumps(seen, sort_keys=True, default=repr).encode(), "sha256").hex()


def verify(session: Session, settings: Settings, more: Iterable[Head] = ()) -> Verdict:
    """Walk the whole chain, and compare it with what was noted in INSTANCE_DIR, and with `more`.

    The first thing in its session: what was noted must not be newer than what is read.
    """
    heads = [*noted(settings), *more]
    expected: dict[int, set[str]] = {}
    for head in heads:
        expected.setdefault(head.number, set()).add(head.hash)
    number, last = 0, FIRST
    for entry in _all(session):
        fault = _fault(settings, entry, number + 1, last, expected.get(number + 1, set()))
        if entry is None or fault:
            return Verdict(number, last, Break(fault or Fault.ALTERED, number + 1), len(heads))
        number, last = entry.number, entry.hash
    return Verdict(number, last, _whole(session, number, max(expected, default=0)), len(heads))


def note(session: Session, settings: Settings) -> None:
    """Note the newest line in INSTANCE_DIR, unless it was the last to be noted there.

    It is read as it was committed, so that what is noted is never ahead of the database.
    """
    head = _newest(session)
    if head is None:
        return
    line = f"{head.number} {head.hash}\n".encode()
    with _file(settings).open("ab+") as file:
        file.seek(max(file.tell() - len(line), 0))
        if file.read() != line:
            file.write(line)


def noted(settings: Settings) -> list[Head]:
    """What was noted on this host, the oldest first; half a line (a power cut) says nothing."""
    with contextlib.suppress(FileNotFoundError):
        lines = _file(settings).read_text("ascii", "replace").splitlines()
        found = (NOTED.fullmatch(line) for line in lines)
        return [Head(int(line[1]), line[2]) for line in found if line]
    return []


def found(
    session: Session,
    words: str = "",
    actor: str = "",
    before: int | None = None,
    limit: int = 50,
    actions: Collection[str] = (),
) -> Sequence[Entry]:
    """Lines, newest first: those whose action or subject holds `words`, or whose action is one of
    `actions`; by `actor`, with numbers below `before`."""
    query = select(Entry).order_by(Entry.number.desc()).limit(limit)
    if words:
        columns = (Entry.action, Entry.subject)
        holds = (column.contains(words, autoescape=True) for column in columns)
        query = query.where(or_(*holds, Entry.action.in_(actions)))
    if actor:
        query = query.where(Entry.actor == actor)
    if before is not None:
        query = query.where(Entry.number < before)
    return session.scalars(query).all()


def length(session: Session) -> int:
    """How many lines there are."""
    return session.scalar(select(func.max(Entry.number))) or 0


def _fault(
    settings: Settings, entry: Entry | None, number: int, previous: str, noted: set[str]
) -> Fault | None:
    """What is wrong with the line that should have this number; None is one that is unreadable."""
    if entry is None or entry.number < number:
        return Fault.ALTERED
    if entry.number > number:
        return Fault.MISSING
    if entry.hash not in [link(key, previous, entry) for key in _keys(settings)]:
        return Fault.ALTERED
    return Fault.OTHER if noted - {entry.hash} else None


def _whole(session: Session, lines: int, furthest: int) -> Break | None:
    """What is wrong with a log of which every line holds; `furthest` was noted."""
    if furthest > lines:
        return Break(Fault.CUT_OFF, furthest)
    if not lines and session.scalar(select(exists(select(Editor.id)))):
        return Break(Fault.EMPTY, 0)
    count, question = GUARDS[session.get_bind().dialect.name]
    if session.scalar(text(question)) != count:
        return Break(Fault.UNGUARDED, 0)
    return None


def _all(session: Session) -> Iterator[Entry | None]:
    """Every line; None for the first that the database, or we, cannot read, and no more then."""
    lines_by_number, limit = select(Entry).order_by(Entry.number), LINES
    query = lines_by_number
    while True:
        try:
            lines = session.scalars(query.limit(limit)).all()
        except (ValueError, TypeError, DBAPIError) as error:  # a time that is none, say
            if getattr(error, "connection_invalidated", False):
                raise
            if limit == 1:
                yield None
                return
            limit = 1  # one by one, to know which
            continue
        if not lines:
            return
        yield from lines
        query = lines_by_number.where(Entry.number > lines[-1].number)
        session.expunge_all()


def _newest(session: Session) -> Head | None:
    query = select(Entry.number, Entry.hash).order_by(Entry.number.desc()).limit(1)
    found = session.execute(query).one_or_none()
    return Head(*found) if found else None


def _keys(settings: Settings) -> list[bytes]:
    return tokens_of(settings).keys("audit")


def _file(settings: Settings) -> Path:
    return settings.instance_dir / "audit.head"
