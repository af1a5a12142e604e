"""Tasks: what a clock or a command runs. Each opens its transactions, calls a room, commits."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from newsletter import notices
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.sender import Run, Sender, utcnow
from newsletter.delivery.writer import wait_for_others
from newsletter.errors import NewsletterError
from newsletter.issues import publishing, slots
from newsletter.issues.compiler import compile_issue
from newsletter.models import IssueState
from newsletter.settings import Settings
from newsletter.subscribers import signup


@dataclass(frozen=True, slots=True)
class Delivered:
    """What `deliver` did and what is left."""

    accepted: int
    paused: list[int]
    finished: list[int]
    open: int
    held: int  # of them, in doubt and waiting for a person
    next_due: datetime | None


def settle_signups(database: Database, settings: Settings) -> int:
    """Turn what the form wrote into subscribers, consents and notices; returns how many."""
    with database.write() as session:
        return signup.settle_requests(session, settings, utcnow())


def drain_notices(database: Database, settings: Settings, stop: threading.Event) -> int:
    """Mail the notices that are due; returns how many left the outbox."""
    return notices.drain(database, settings, utcnow(), stop=stop)


def purge_unconfirmed(database: Database, settings: Settings) -> int:
    """Remove sign-ups that nobody confirmed in time; returns how many."""
    with database.write() as session:
        purged = signup.purge(session, utcnow(), settings.confirm_days)
    if purged:
        database.forget()
    return purged


def run_due_slots(database: Database, settings: Settings, library: Library) -> list[int]:
    """Compile for every cadence whose slot has come; returns the new issues' numbers."""
    made, problem = [], None
    for cadence in settings.cadences:
        try:
            made.append(_run_slot(database, settings, library, cadence, utcnow()))
        except NewsletterError as error:  # one cadence's trouble must not stop the next
            problem = error
    if problem is not None:
        raise problem
    return [number for number in made if number is not None]


def _run_slot(
    database: Database, settings: Settings, library: Library, cadence: str, now: datetime
) -> int | None:
    try:
        with database.write() as session:
            slot = slots.due(session, settings, cadence, now)
            if slot is None:
                return None
            # The row's key is the lock: of two clocks, one gets the slot.
            record = slots.take(session, cadence, slot, now)
            issue = compile_issue(session, settings, library, now, cadence)
            if issue is None:
                return None
            issue.slot, record.issue_number = slot, issue.number
            record.outcome = f"compiled issue {issue.number}"
            if issue.state is IssueState.COMPILED:
                publishing.hold(session, settings, issue, now)
            return issue.number
    except IntegrityError:
        return None


def advance_issues(database: Database, settings: Settings) -> list[int]:
    """Send what has been approved, by a person or by silence; returns the numbers begun."""
    with database.write() as session:
        return publishing.advance(session, settings, utcnow())


def deliver(
    database: Database,
    settings: Settings,
    *,
    issue_number: int | None = None,
    stop: threading.Event | None = None,
    on_accepted: Callable[[int], None] = lambda count: None,
    wait: bool = True,
) -> Delivered:
    """Work the ledger until nothing is due; with `wait`, also until others' leases are done.

    Raises TryLater or FixSettings when the relay cannot be used; nothing is lost then.
    """
    stop = stop or threading.Event()
    accepted, paused, finished = 0, list[int](), list[int]()
    while not stop.is_set() and _something_is_sent(database):
        sender = Sender(
            database, settings, issue_number=issue_number, stop=stop, on_accepted=on_accepted
        )
        try:
            accepted += sender.work().accepted
        finally:  # a reply about us counts, whatever ended the run
            paused += _pause(database, sender.run)
        with database.write() as session:
            finished += publishing.finish(session, settings, utcnow())
            due_at = ledger.next_due(session, issue_number)
        if due_at is not None and due_at <= utcnow():
            continue
        if not (wait and wait_for_others(database, stop)):
            break
    with database.read() as session:
        left, held = ledger.open_count(session, issue_number)
        due_at = ledger.next_due(session, issue_number)
    return Delivered(accepted, paused, finished, left, held, due_at)


def _something_is_sent(database: Database) -> bool:
    """An idle clock looks, and writes nothing."""
    with database.read() as session:
        return publishing.is_sending(session)


def _pause(database: Database, run: Run) -> list[int]:
    with database.write() as session:
        for number, reply in run.ours.items():
            publishing.pause(session, number, reply)
    return list(run.ours)
