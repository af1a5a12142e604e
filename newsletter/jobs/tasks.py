"""Tasks: what a clock or a command runs. Each opens its transactions, calls a room, commits."""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter import audit, fence, metrics, notices
from newsletter.content.library import Library
from newsletter.db import UNAVAILABLE, Database
from newsletter.delivery import ledger
from newsletter.delivery.breaker import Breaker
from newsletter.delivery.run import Run
from newsletter.delivery.sender import Sender, utcnow
from newsletter.delivery.writer import wait_for_others
from newsletter.errors import FixSettings, NewsletterError, TryLater
from newsletter.issues import holding, publishing, slots
from newsletter.issues.compiler import compile_issue, read_ahead
from newsletter.models import IssueState
from newsletter.settings import Settings
from newsletter.subscribers import chain, confirming, settling

log = logging.getLogger(__name__)
SOON = timedelta(seconds=10)  # rows due within this time are waited for: a rate put them off
LOSSES = 20  # batches in a row that another sealer may take from under this one
SETTLED_TOGETHER = 200  # requests of the forms in one transaction
ASKED = 3  # messages that ask whether a relay takes mail again, when a person wants to know


@dataclass(frozen=True, slots=True)
class Delivered:
    """What `deliver` did and what is left."""

    accepted: int
    paused: list[int]  # issues that wait, for a person or for the relay
    finished: list[int]
    open: int
    held: int  # of them, in doubt and waiting for a person
    next_due: datetime | None


def settle_signups(database: Database, settings: Settings, stop: threading.Event) -> int:
    """Turn what the forms wrote into subscribers, consents and notices; returns how many.

    Batch by batch, until one is not full: after a flood too, letters go within seconds.
    """
    settled, full = 0, True
    while full and not stop.is_set():
        with database.write() as session:
            count = settling.settle_requests(session, settings, utcnow(), SETTLED_TOGETHER)
        metrics.SIGNUPS.add(times=count)
        settled, full = settled + count, count == SETTLED_TOGETHER
    return settled


def drain_notices(database: Database, settings: Settings, stop: threading.Event) -> int:
    """Mail the notices that are due; returns how many left the outbox."""
    fence.require_home(database, settings)
    return notices.drain(database, settings, utcnow(), stop=stop)


def remind_unconfirmed(database: Database, settings: Settings) -> int:
    """Queue the one reminder of those who asked and did not confirm; returns how many."""
    with database.write() as session:
        return confirming.remind(session, settings, utcnow())


def purge_unconfirmed(database: Database, settings: Settings) -> int:
    """Remove sign-ups that nobody confirmed in time; returns how many."""
    with database.write() as session:
        purged = confirming.purge(session, utcnow(), settings.confirm_days)
    if purged:
        database.forget()
    return purged


def seal_consents(
    database: Database, *, everything: bool = False, stop: threading.Event | None = None
) -> int:
    """Chain the proofs of consent that are not chained yet; returns how many.

    `everything` looks from the first proof on; else only at the newest, and at all of them when one
    of those came late.
    """
    with database.read() as session:
        after = 0 if everything else chain.start(session)
    sealed, late = 0, False
    while not (stop and stop.is_set()) and (batch := _seal(database, after)).sealed:
        sealed, late, after = sealed + batch.sealed, late or batch.late, batch.last
    if late and not everything:
        sealed += seal_consents(database, everything=True, stop=stop)
    return sealed


def _seal(database: Database, after: int, losses: int = LOSSES) -> chain.Batch:
    try:
        with database.write() as session:
            return chain.seal(session, utcnow(), after)
    except IntegrityError:  # another sealer was faster: what it took is chained
        if not losses:
            raise
    return _seal(database, after, losses - 1)


def run_due_slots(database: Database, settings: Settings, library: Library) -> list[int]:
    """Compile for every cadence whose slot has come; returns the new issues' numbers."""
    fence.require_home(database, settings)
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
    with database.read() as session:
        if slots.has_come(session, settings, cadence, now):
            read_ahead(session, settings, library, now, cadence)
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
                holding.hold(session, settings, issue, now)
            _log(session, settings, "issue.compile", f"issue {issue.number}", {"cadence": cadence})
            return issue.number
    except IntegrityError:
        return None


def tell_of_missed_slots(database: Database, settings: Settings) -> None:
    """Tell the editors, once, of slots that should have run a while ago."""
    with database.read() as session:  # an idle clock looks, and writes nothing
        if not slots.overdue(session, settings, utcnow()):
            return
    with contextlib.suppress(IntegrityError), database.write() as session:
        slots.tell_overdue(session, settings, utcnow())


def advance_issues(database: Database, settings: Settings) -> list[int]:
    """Send what has been approved, by a person or by silence; returns the numbers begun."""
    fence.require_home(database, settings)
    with database.read() as session:  # editions are made before anything is locked
        renderings = publishing.ready_to_send(session, settings, utcnow())
    with database.write() as session:
        begun = publishing.advance(session, settings, utcnow(), renderings)
        for number in begun:
            _log(session, settings, "issue.send", f"issue {number}")
        return begun


def deliver(
    database: Database,
    settings: Settings,
    *,
    issue_number: int | None = None,
    stop: threading.Event | None = None,
    on_accepted: Callable[[int], None] = lambda count: None,
    by_hand: bool = True,
    breaker: Breaker | None = None,
) -> Delivered:
    """Work the ledger until nothing is due; by hand, also until others' leases are done.

    An issue that waits for the relay is asked for first: by the clock when it is time to, by hand
    at once. Raises TryLater or FixSettings when the relay cannot be used; nothing is lost then.
    """
    fence.require_home(database, settings)
    stop = stop or threading.Event()
    breaker = breaker or Breaker(settings)  # a clock keeps its own, from run to run
    work = _Work(database, settings, issue_number, stop, on_accepted, breaker)
    if not by_hand and _something_is_sent(database):
        with database.write() as session:
            holding.hold_late(session, settings, utcnow())
    work.ask(early=by_hand)
    accepted, finished = 0, list[int]()
    while not stop.is_set() and _something_is_sent(database):
        accepted += work.run()
        with database.write() as session:
            sent = publishing.finish(session, settings, utcnow())
            for number in sent:
                _log(session, settings, "issue.sent", f"issue {number}")
            finished += sent
            due_at = ledger.next_to_go(session, settings, utcnow(), issue_number)
        if due_at is not None and due_at <= utcnow() + SOON:
            stop.wait(max(0.0, (due_at - utcnow()).total_seconds()))
        elif not (by_hand and wait_for_others(database, stop)):
            break
    return _delivered(work, accepted, finished)


def _delivered(work: "_Work", accepted: int, finished: list[int]) -> Delivered:
    settings, number = work.settings, work.issue_number
    with work.database.read() as session:
        left, held = ledger.open_count(session, number)
        due_at = ledger.next_to_go(session, settings, utcnow(), number)
        paused = [n for n in publishing.paused(session) if number in (None, n)]
    if due_at is not None:
        due_at = max(due_at, utcnow())
    return Delivered(accepted + work.asked, paused, finished, left, held, due_at)


@dataclass
class _Work:
    """One call of `deliver`: runs of the sender, and what they mean for the issues."""

    database: Database
    settings: Settings
    issue_number: int | None
    stop: threading.Event
    on_accepted: Callable[[int], None]
    breaker: Breaker
    asked: int = 0  # messages accepted while asking

    def run(self) -> int:
        """Work the rows of the issues that are being sent; returns how many were accepted."""
        return self._work(self._sender(self.issue_number)).accepted

    def ask(self, *, early: bool) -> None:
        """One message, on one connection, for each issue that goes on once the relay answers."""
        with self.database.read() as session:
            numbers = publishing.to_ask(session, self.settings, None if early else utcnow())
        for number in numbers:
            if self.issue_number in (None, number):
                self._ask(number, ASKED if early else 1)

    def _ask(self, number: int, times: int) -> None:
        for _time in range(times):
            if self.stop.is_set():
                return
            run = self._work(self._sender(number, asking=True))
            self.asked += run.accepted
            with self.database.write() as session:
                if run.answered or not self._can_ask(session, number):
                    return self._go_on(session, number)
                if run.pauses or not run.outcomes:  # told to stop, or the rate is used up
                    return None
                why = f"the relay does not take our mail: {', '.join(run.outcomes)}"
                publishing.rest(session, self.settings, why, self._ask_at(), utcnow(), number)
        return None

    def _go_on(self, session: Session, number: int) -> None:
        if publishing.go_on(session, number):
            _log(session, self.settings, "issue.resume", f"issue {number}")
            log.warning("The relay answers again: issue %d goes on.", number)

    def _can_ask(self, session: Session, number: int) -> bool:
        """Is a message due? Else the issue goes on, and its next one will tell."""
        due_at = ledger.next_due(session, number, asking=True)
        return due_at is not None and due_at <= utcnow()

    def _sender(self, issue_number: int | None, *, asking: bool = False) -> Sender:
        return Sender(
            self.database,
            self.settings,
            issue_number=issue_number,
            asking=asking,
            stop=self.stop,
            on_accepted=self.on_accepted,
            breaker=self.breaker,
        )

    def _work(self, sender: Sender) -> Run:
        try:
            return sender.work()
        except (TryLater, FixSettings) as error:
            self._rest(error, sender.issue_number)
            raise
        except UNAVAILABLE as error:
            raise TryLater(unusable(error)) from error
        finally:  # what was said about an issue counts, whatever ended the run
            self._heed(sender.run)

    def _rest(self, error: NewsletterError, issue_number: int | None) -> None:
        """Nobody asks a wrong password every minute: what needs mending waits longer. While other
        hosts mail the issue, it is not the relay that is away, but this host."""
        longer = publishing.LONGEST_REST if isinstance(error, FixSettings) else 1
        with self.database.write() as session:
            if ledger.others_work(session, self.settings, utcnow()):
                return
            ask_at = self._ask_at(longer)
            why, moment = str(error), utcnow()
            for number in publishing.rest(
                session, self.settings, why, ask_at, moment, issue_number
            ):
                _log(session, self.settings, "issue.pause", f"issue {number}")

    def _heed(self, run: Run) -> None:
        if not (run.pauses or run.warnings):
            return
        with self.database.write() as session:
            for number, pause in run.pauses.items():
                ask_at = self._ask_at() if pause.by_itself else None
                publishing.pause(session, self.settings, number, pause.why, utcnow(), ask_at=ask_at)
                _log(session, self.settings, "issue.pause", f"issue {number}")
            for number, reply in run.warnings.items():
                publishing.warn(session, self.settings, number, reply.words, utcnow())

    def _ask_at(self, times: int = 1) -> datetime:
        return utcnow() + times * timedelta(seconds=self.settings.relay_rest_seconds)


def _log(
    session: Session,
    settings: Settings,
    action: str,
    subject: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write in the log of changes that the clock did this."""
    audit.record(session, settings, audit.CLOCK, action, subject, utcnow(), facts)


def unusable(error: Exception) -> str:
    """One sentence for a database that is locked, read-only, away or full."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return f"The database (DATABASE_URL) cannot be used now: {cause}. Nothing is lost; try again."


def note_log(database: Database, settings: Settings) -> None:
    """Note the newest line of the log of changes on this host, outside the database.

    Raises TryLater when INSTANCE_DIR cannot be written.
    """
    try:
        with database.read() as session:
            audit.note(session, settings)
    except OSError as error:
        raise TryLater(f"Where the log of changes ends cannot be noted now: {error}.") from error


def _something_is_sent(database: Database) -> bool:
    """An idle clock looks, and writes nothing."""
    with database.read() as session:
        return publishing.is_sending(session)
