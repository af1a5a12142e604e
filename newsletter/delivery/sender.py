"""The loop: claims rows, opens them, hands their messages to the relay, settles what it says.

One thread talks over all connections and never waits for one of them. What the connections want
committed is gathered and committed together, and only then does any content go. The loop does not
choose readers or items, and it does not decide what a reply means.
"""

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError, OperationalError

from newsletter.db import UNAVAILABLE, Database
from newsletter.delivery import ledger
from newsletter.delivery.breaker import Breaker, Pause
from newsletter.delivery.connections import Connections
from newsletter.delivery.copies import Copies
from newsletter.delivery.ledger import Claim, Claimed, Settled
from newsletter.delivery.outcomes import Outcome, Reply, Stage, Verdict, judge
from newsletter.delivery.relay import Answered, Event, Lane, Ready
from newsletter.delivery.run import Run
from newsletter.delivery.writer import Order, Writer
from newsletter.errors import FixContent, NewsletterError, TryLater
from newsletter.settings import Settings
from newsletter.tracing import bound

BATCH = 200  # rows claimed at once
PATIENCE = 5  # conversations in vain, in a row, before the relay is left alone
TICK = 0.5  # seconds between looks at the stop sign and at time limits
COMING_BACK = (Outcome.UNSENT, Outcome.IN_DOUBT)  # rows that are due again at once
CONTESTED = (IntegrityError, OperationalError)
NOT_SENT = Reply(Stage.DATA, None, "this process was silent for too long")


def utcnow() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class Sender:
    """Works the ledger under one lease, over several connections, until nothing is due.

    `asking`: hands over one message of a paused issue, on one connection, to see what comes."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        issue_number: int | None = None,
        asking: bool = False,
        stop: threading.Event | None = None,
        on_accepted: Callable[[int], None] = lambda count: None,
        breaker: Breaker | None = None,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        """Raises FixSettings when a DKIM key or RETURN_PATH cannot be used."""
        self.database, self.settings = database, settings
        self.issue_number, self.asking = issue_number, asking
        self.stop = stop or threading.Event()
        self.on_accepted, self.clock = on_accepted, clock
        self.run = Run()
        self._copies = Copies(database, settings, clock)
        self._breaker = breaker or Breaker(settings)
        self._rows: deque[Claimed] = deque()  # claimed, given to no connection yet
        self._contents: dict[int, tuple[Claimed, bytes]] = {}  # given to one, by delivery id
        self._opening: dict[int, Lane] = {}  # the relay waits for these contents
        self._settled: list[Settled] = []
        self._parked: list[tuple[int, str]] = []
        self._given_back: list[int] = []
        self._exhausted = False  # the last claim found nothing
        self._claim_at = 0.0  # monotonic: when the rate lets the next message go
        self._in_vain = 0
        self._stop_by: float | None = None
        self._problem: NewsletterError | None = None

    def work(self) -> Run:
        """Work until nothing is due or `stop` is set; raises TryLater or FixSettings when the relay
        cannot be used, and nothing is lost then."""
        if not self._something_due():
            return self.run
        with self._lease() as lease_id, bound(lease=lease_id), self.run.told():
            self._writer = Writer(self.database, self.settings, lease_id, self.clock)
            count = 1 if self.asking else self.settings.delivery_connections
            self._connections = Connections(self.settings, count)
            try:
                self._loop()
            finally:
                self._hang_up()
        if self._problem is not None:
            raise self._problem
        return self.run

    @contextlib.contextmanager
    def _lease(self) -> Iterator[int]:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with self.database.write() as session:
            lease_id = ledger.take_lease(session, self.settings, owner, self.clock())
        try:
            yield lease_id
        finally:
            with self.database.write() as session:
                ledger.release_lease(session, self.settings, lease_id, self.clock())

    def _something_due(self) -> bool:
        """Looks without writing; what processes that fell silent left behind is taken over."""
        now = self.clock()
        with self.database.read() as session:
            abandoned = bool(ledger.ran_out(session, self.settings, now))
            late = ledger.lies_too_far_ahead(session, self.settings, now)
        if abandoned or late:
            # Another process may be taking them over at this very moment.
            with contextlib.suppress(*CONTESTED), self.database.write() as session:
                ledger.reclaim(session, self.settings, now)
                ledger.bring_back(session, self.settings, now)
        with self.database.read() as session:
            wanted = (self.settings, now, self.issue_number)
            due_at = ledger.next_to_go(session, *wanted, asking=self.asking)
        return due_at is not None and due_at <= now

    def _hang_up(self) -> None:
        """Close every connection; what they know is committed, whatever ended the loop."""
        try:
            for lane in self._connections.lanes:
                if not lane.idle:
                    self._hear(lane, lane.fail("the run ended"))
            self._opening.clear()
            self._commit()
        finally:
            self._connections.close()
            self._writer.close()

    # --- the loop -------------------------------------------------------------------------------

    def _loop(self) -> None:
        look_at = 0.0
        while True:
            self._in_vain += self._connections.drop_dead()  # first: a new one may get its number
            self._problem = self._problem or self._connections.take_dialled()
            if not self._ending():
                self._hand_out()
            self._commit()
            if self._done():
                return
            self._listen()
            if (now := time.monotonic()) >= look_at:
                look_at = now + TICK
                self._check_time_limits(now)
                self._writer.keep_lease()

    def _listen(self) -> None:
        wait = min(TICK, max(0.0, self._claim_at - time.monotonic()) or TICK)
        for lane, can_read, can_write in self._connections.listen(wait):
            if can_read:
                self._hear(lane, lane.receive())
            if can_write and lane.alive:
                self._hear(lane, lane.flush())
            self._connections.watch(lane)

    def _heed_stop(self) -> None:
        if self._stop_by is None and self.stop.is_set():
            self._stop_by = time.monotonic() + self.settings.grace_seconds

    def _ending(self) -> bool:
        self._heed_stop()
        if self._in_vain >= PATIENCE:
            self._problem = self._problem or TryLater("The relay breaks off every conversation.")
        ends = self._stop_by is not None or self._problem is not None
        return ends or bool(self.run.pauses) or self._writer.lost

    def _done(self) -> bool:
        """Ending: when no content is unanswered. Else: when no row is left in anybody's hand."""
        if self._stop_by is not None and time.monotonic() > self._stop_by:
            return True
        if self._settled or any(lane.in_flight for lane in self._connections.lanes):
            return False
        return self._ending() or not self._work_left()

    def _work_left(self) -> bool:
        return bool(self._rows or self._contents or not self._exhausted)

    def _check_time_limits(self, now: float) -> None:
        for lane in self._connections.lanes:
            if lane.waits and lane.deadline < now:
                self._hear(lane, lane.fail("the relay was silent for too long"))

    # --- rows -----------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give each connection that carries nothing the next row."""
        if self._work_left():
            self._connections.dial()
        if not self._rows:
            return
        for lane in self._connections.lanes:
            if lane.idle and (following := self._next(lane)):
                self._hear(lane, lane.begin(*following))
                self._connections.watch(lane)

    def _next(self, lane: Lane) -> tuple[int, str, str] | None:
        """The next row that can be made into a message, as an envelope."""
        while self._rows and not self._ending():
            row = self._rows.popleft()
            try:
                content = self._copies.content(row, lane.smtputf8)
            except FixContent as error:
                self._problem = self._problem or error
                self.run.pauses.setdefault(row.issue_number, Pause(str(error), by_itself=False))
                return None
            except (ValueError, KeyError) as error:
                self._parked.append((row.id, f"This message could not be made: {error}"))
                self.run.parked += 1
                continue
            self._contents[row.id] = (row, content)
            return row.id, self._copies.return_path(row), row.email
        return None

    def _hear(self, lane: Lane, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Answered):
                self._note(lane, event)
            elif isinstance(event, Ready):
                self._opening[event.id] = lane

    def _note(self, lane: Lane, event: Answered) -> None:
        row, _content = self._contents.pop(event.id)
        self._opening.pop(event.id, None)
        verdict, reply = judge(event.reply), event.reply
        outcome = verdict.outcome
        self.run.outcomes[outcome] = self.run.outcomes.get(outcome, 0) + 1
        self.run.issues.add(row.issue_number)
        self._settled.append(Settled(row.id, outcome, reply, row.domain))
        if pause := self._breaker.note(row.issue_number, verdict, reply):
            self.run.pauses.setdefault(row.issue_number, pause)
        if outcome is Outcome.SLOW_DOWN:
            self._give_back(lambda other: other.domain == row.domain)
        if verdict.tell:
            self.run.warnings.setdefault(row.issue_number, reply)
        self._weigh(lane, verdict, reply)

    def _give_back(self, concerned: Callable[[Claimed], bool]) -> None:
        """Rows that must not go now: their domain wants no more, or their issue was stopped."""
        self._given_back += [row.id for row in self._rows if concerned(row)]
        self._rows = deque(row for row in self._rows if not concerned(row))

    def _weigh(self, lane: Lane, verdict: Verdict, reply: Reply) -> None:
        """A relay that has no time for anybody must not be asked for each reader."""
        if verdict.outcome not in COMING_BACK:
            lane.fruitful = self._connections.worked = True
            self._in_vain = 0
        elif reply.code is not None:
            self._in_vain += 1
            if self._in_vain >= PATIENCE:
                why = f"The relay takes no mail now: {reply.words}."
                self._problem = self._problem or TryLater(why)

    # --- commits --------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Settle what is known and open what the relay waits for; then send what was opened."""
        if self._ending():
            for lane in list(self._opening.values()):  # without a dot: nothing of them was sent
                self._hear(lane, lane.fail("the run ends"))
        opening, self._opening = self._opening, {}
        settled, self._settled = self._settled, []
        parked, self._parked = self._parked, []
        given_back, self._given_back = self._given_back, []
        wanted = None if given_back else self._rows_wanted()  # else they would come at once
        self._exhausted = self._exhausted and not given_back
        if not (settled or opening or parked or given_back or wanted):
            return
        order = Order(settled, list(opening), parked, given_back, wanted, self.asking)
        try:
            answer = self._writer.commit(order, self._give_up_at(time.monotonic()))
        except UNAVAILABLE:
            self._stop_by = time.monotonic()  # nothing more can be recorded: nothing more goes
            self._settled[:0] = settled  # but what is known may be, at the last try
            raise
        self._problem = self._problem or answer.problem
        if wanted:
            self._rows.extend(answer.batch.rows)
            self._exhausted = self.asking or not answer.batch.more
            self._wait_for(answer.batch.opens_at)
        self._report(settled)
        for id, lane in opening.items():
            self._send(lane, id, id in answer.opened)

    def _give_up_at(self, started: float) -> Callable[[], float]:
        """Until when a commit is tried: as long as the lease lasts, or the grace after a stop."""

        def moment() -> float:
            self._heed_stop()
            longest = started + self.settings.lease_seconds
            return longest if self._stop_by is None else min(longest, self._stop_by)

        return moment

    def _rows_wanted(self) -> Claim | None:
        idle = self._exhausted or self._ending() or not self._connections.lanes
        if idle or len(self._rows) >= BATCH // 2 or time.monotonic() < self._claim_at:
            return None
        return Claim(1 if self.asking else BATCH, self.issue_number, self.asking)

    def _wait_for(self, moment: datetime | None) -> None:
        wait = (moment - self.clock()).total_seconds() if moment else 0.0
        self._claim_at = time.monotonic() + wait if wait > 0 else 0.0

    def _report(self, settled: list[Settled]) -> None:
        if accepted := sum(row.outcome is Outcome.ACCEPTED for row in settled):
            self.on_accepted(accepted)
        if any(row.outcome in COMING_BACK for row in settled):
            self._exhausted = self.asking

    def _send(self, lane: Lane, id: int, opened: bool) -> None:
        if not opened or self._writer.asleep:
            # Left, stopped or taken over meanwhile: now a dot would deliver an empty mail.
            row, _content = self._contents.pop(id)
            self._given_back.append(id)
            self._give_back(lambda other: other.issue_number == row.issue_number)
            if opened:
                self._settled.append(Settled(id, Outcome.UNSENT, NOT_SENT))
            self._hear(lane, lane.abandon())
            return
        _row, content = self._contents[id]
        self._hear(lane, lane.send(content, self._next(lane)))
        self._connections.watch(lane)
