"""What each row means for the people we know, batch by batch. Nothing here commits."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import attrgetter

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter import addresses
from newsletter.errors import FixRequest
from newsletter.models import SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers.importing import bulk
from newsletter.subscribers.importing.bulk import Known
from newsletter.subscribers.importing.csvfile import Sheet, read
from newsletter.subscribers.importing.entries import Checker, Entry
from newsletter.subscribers.importing.register import DryRegister, Register
from newsletter.subscribers.importing.report import ImportReport, Refusal

BATCH = 10_000  # rows: SQLite's write lock for a fraction of a second, and memory that stays flat
ATTEMPTS = 5
NOT_MAILED = "this address must not be mailed."
HAS_LEFT = "this person left; only they can come back, by signing up."


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asked: `source` is the proof of consent, `invite` writes to the others."""

    source: str
    now: datetime
    topics_known: Collection[str]
    invite: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class _Batch:
    """So many rows: those that may go in, and those that were refused at sight."""

    rows: int = 0
    entries: list[Entry] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(slots=True)
class _Outcome:
    """What one batch came to; counted only once its savepoint is released."""

    added: int = 0
    activated: int = 0
    unchanged: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # reason by canonical address
    refusals: list[Refusal] = field(default_factory=list)


def import_csv(
    session: Session,
    settings: Settings,
    lines: Iterable[str],
    *,
    source: str,
    now: datetime,
    invite: bool,
    topics_known: Collection[str],
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take in the lines of a file; see `take_in`."""
    order = Order(source, now, topics_known, invite)
    return take_in(session, settings, read(lines), order, progress)


def take_in(
    session: Session,
    settings: Settings,
    sheet: Sheet,
    order: Order,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take in `email[, locale, topics a|b, cadence, confirmed_at ISO 8601]`, or what stands for it.

    With `confirmed_at` (without an offset: in TIMEZONE) a row is active and `source` its proof;
    without, it is pending and gets a confirm notice only when invited. All happens in the caller's
    transaction; a door may commit in `progress`, which gets the number of rows read so far after
    each batch. A dry run writes to nothing but a temporary table of its own.
    Raises FixRequest, before anything is written, for a missing source.
    """
    if not order.source.strip():
        raise FixRequest("Say where the addresses come from; it is the proof of their consent.")
    nameless = addresses.without_addresses(order.source.strip())  # the proofs survive erasure
    kind = DryRegister if order.dry_run else Register
    register = kind(session, settings, nameless, order.now, order.invite)
    layout = sheet.layout
    report = ImportReport(format=layout.format.name, ignored=layout.ignored, dry_run=order.dry_run)
    checker = Checker(settings, layout, order.topics_known, order.now)
    batches = _checked(checker, sheet)
    if session.get_bind().dialect.name != "sqlite":
        batches = _ahead(batches)
    done = 0
    with bulk.roomy(session):
        for batch in batches:
            done += batch.rows
            _store(register, report, batch)
            if progress is not None:
                progress(done)
    return report


def _checked(checker: Checker, sheet: Sheet) -> Iterator[_Batch]:
    while True:
        batch = _Batch()
        for line, fields in islice(sheet.rows, BATCH):
            batch.rows += 1
            try:
                batch.entries.append(checker.entry(line, fields))
            except FixRequest as error:
                batch.refusals.append(Refusal(line, str(error)))
        if not batch.rows:
            return
        yield batch


def _ahead(batches: Iterator[_Batch]) -> Iterator[_Batch]:
    """The next batch is read while the server works on the last one.

    Not with SQLite: its driver gives way to other threads at each row, which costs far more.
    """
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _store(register: Register, report: ImportReport, batch: _Batch) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with register.together():
                outcome = _settled(register, batch.entries)
            break
        except IntegrityError:  # somebody signed up meanwhile (PostgreSQL): now we know them
            if attempt == ATTEMPTS:
                raise
    report.added += outcome.added
    report.activated += outcome.activated
    report.unchanged += outcome.unchanged
    report.refused.add([*batch.refusals, *outcome.refusals])


def _settled(register: Register, entries: Sequence[Entry]) -> _Outcome:
    """Each person once, and who comes again as if they came in a later batch."""
    outcome = _Outcome()
    first: dict[str, Entry] = {}
    again = [entry for entry in entries if first.setdefault(entry.canonical, entry) is not entry]
    _settle(register, outcome, list(first.values()))
    later: dict[str, Entry] = {}
    for entry in again:
        confirms = entry.confirmed_at is not None and first[entry.canonical].confirmed_at is None
        if reason := outcome.refused.get(entry.canonical):
            outcome.refusals.append(Refusal(entry.line, reason))
        elif not confirms or later.setdefault(entry.canonical, entry) is not entry:
            outcome.unchanged += 1
    if later:
        _settle(register, outcome, list(later.values()))
    return outcome


def _settle(register: Register, outcome: _Outcome, entries: list[Entry]) -> None:
    canonicals = [entry.canonical for entry in entries]
    known, blocked = register.known(canonicals), register.blocked(canonicals)
    fresh, starting = entries, []
    if known or blocked:
        fresh = []
        for entry in entries:
            someone = known.get(entry.canonical)
            if reason := _barred(entry, someone, blocked):
                outcome.refused[entry.canonical] = reason
                outcome.refusals.append(Refusal(entry.line, reason))
            elif someone is None:
                fresh.append(entry)
            elif someone.may_start and entry.confirmed_at is not None:
                starting.append((someone.id, entry))
            else:
                outcome.unchanged += 1
    started = register.start(starting)
    outcome.activated += started
    outcome.unchanged += len(starting) - started
    # Side by side in the index of addresses too; and two imports at once cannot wait in a ring.
    register.add(sorted(fresh, key=attrgetter("canonical")))
    outcome.added += len(fresh)


def _barred(entry: Entry, someone: Known | None, blocked: Collection[str]) -> str | None:
    """Why this person cannot come back by an import."""
    if entry.canonical in blocked or (
        someone is not None and someone.state is SubscriberState.SUPPRESSED
    ):
        return NOT_MAILED
    if someone is not None and someone.state is SubscriberState.LEFT:
        return HAS_LEFT
    return None
