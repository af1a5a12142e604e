"""The loop: claims rows, opens them, hands their messages to the relay, settles what it says.

One thread talks over all connections and never waits for one of them; connections are opened in
threads of their own, since a silent relay must not hold up the others. What the connections want
committed is gathered and committed together, and only then does any content go. The loop does not
choose readers or items, and it does not decide what a reply means.
"""

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.copies import Copies
from newsletter.delivery.ledger import Claimed, Settled
from newsletter.delivery.outcomes import Outcome, Reply, judge
from newsletter.delivery.relay import Answered, Event, Lane, Ready, open_connection
from newsletter.delivery.writer import Order, Writer
from newsletter.errors import FixContent, NewsletterError, TryLater
from newsletter.settings import Settings

BATCH = 200  # rows claimed at once
PATIENCE = 5  # conversations broken off in a row before the relay is left alone
TICK = 0.5  # seconds between looks at the stop sign and at time limits
COMING_BACK = (Outcome.UNSENT, Outcome.IN_DOUBT)  # rows that are due again at once


def utcnow() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


@dataclass
class Run:
    """What one run did, and the replies about us that ended it."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    ours: dict[int, Reply] = field(default_factory=dict)  # by issue number
    parked: int = 0

    @property
    def accepted(self) -> int:
        """Messages the relay took."""
        return self.outcomes.get(Outcome.ACCEPTED, 0)


class Sender:
    """Works the ledger under one lease, over several connections, until nothing is due."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        issue_number: int | None = None,
        stop: threading.Event | None = None,
        on_accepted: Callable[[int], None] = lambda count: None,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.database, self.settings, self.issue_number = database, settings, issue_number
        self.stop = stop or threading.Event()
        self.on_accepted, self.clock = on_accepted, clock
        self.run = Run()
        self._copies = Copies(database, settings, clock)
        self._rows: deque[Claimed] = deque()  # claimed, given to no connection yet
        self._contents: dict[int, tuple[Claimed, bytes]] = {}  # given to one, by delivery id
        self._carried: dict[Lane, set[int]] = {}  # which deliveries each connection has
        self._opening: dict[int, Lane] = {}  # the relay waits for these contents
        self._settled: list[Settled] = []
        self._parked: list[tuple[int, str]] = []
        self._dialling: list[Future[Lane]] = []
        self._exhausted = False  # the last claim found nothing
        self._broken_off = 0
        self._problem: NewsletterError | None = None

    def work(self) -> Run:
        """Work until nothing is due or `stop` is set.

        Raises TryLater or FixSettings when the relay cannot be used; nothing is lost then.
        """
        if not self._something_due():
            return self.run
        with self._lease() as lease_id:
            self._writer = Writer(
                self.database, self.settings, lease_id, self.issue_number, self.clock
            )
            self._work()
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
        if abandoned:
            with self.database.write() as session:
                ledger.reclaim(session, self.settings, now)
        with self.database.read() as session:
            due_at = ledger.next_due(session, self.issue_number)
        return due_at is not None and due_at <= now

    def _work(self) -> None:
        count = self.settings.delivery_connections
        self._bell, self._ringer = socket.socketpair()  # rung when a connection was opened
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._pool = ThreadPoolExecutor(count, "open-connection")
        try:
            for _ in range(count):
                self._dial()
            self._loop()
        finally:
            self._hang_up()
            self._selector.close()
            self._bell.close()
            self._ringer.close()

    def _hang_up(self) -> None:
        """Close every connection; what they know is committed, whatever ended the loop."""
        for future in self._dialling:
            if not future.cancel():
                future.add_done_callback(_close_unused)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for lane, carried in list(self._carried.items()):
            if carried:
                self._hear(lane, lane.fail("the run ended"))
            lane.quit()
        self._opening.clear()
        self._commit()

    # --- the loop -------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            self._take_dialled()
            if not self._ending():
                self._hand_out()
            self._commit()
            self._drop_dead_lanes()
            if self._done():
                return
            self._listen()
            self._check_time_limits()
            self._writer.keep_lease()

    def _listen(self) -> None:
        for key, mask in self._selector.select(TICK):
            if key.fileobj is self._bell:
                self._bell.recv(64)
                continue
            lane: Lane = key.fileobj  # type: ignore[assignment]
            if mask & selectors.EVENT_READ:
                self._hear(lane, lane.receive())
            if mask & selectors.EVENT_WRITE and lane.alive:
                self._hear(lane, lane.flush())

    def _ending(self) -> bool:
        stopped = self.stop.is_set() or self._writer.lost
        return stopped or self._problem is not None or bool(self.run.ours)

    def _done(self) -> bool:
        """Ending: when no content is unanswered. Else: when no row is left in anybody's hand."""
        if any(lane.in_flight for lane in self._carried) or self._settled:
            return False
        return self._ending() or (self._exhausted and not self._rows and not self._contents)

    def _check_time_limits(self) -> None:
        now = time.monotonic()
        for lane, carried in list(self._carried.items()):
            if carried and lane.alive and lane.deadline < now:
                limit = self.settings.mail_timeout
                self._hear(lane, lane.fail(f"the relay was silent for {limit} seconds"))

    # --- connections ----------------------------------------------------------------------------

    def _dial(self) -> None:
        future = self._pool.submit(self._open_lane)
        future.add_done_callback(self._ring)
        self._dialling.append(future)

    def _open_lane(self) -> Lane:
        return Lane(open_connection(self.settings), self.settings.mail_timeout)

    def _ring(self, _future: "Future[Lane]") -> None:
        with contextlib.suppress(OSError):
            self._ringer.send(b"!")

    def _take_dialled(self) -> None:
        for future in [future for future in self._dialling if future.done()]:
            self._dialling.remove(future)
            try:
                lane = future.result()
            except NewsletterError as error:
                # Fewer connections than wanted are no problem; none at all is.
                if not self._carried and not self._dialling:
                    self._problem = error
                continue
            self._carried[lane] = set()
            self._selector.register(lane, selectors.EVENT_READ)

    def _drop_dead_lanes(self) -> None:
        for lane in list(self._carried):
            if lane.alive:
                self._watch(lane)
                continue
            del self._carried[lane]
            with contextlib.suppress(KeyError):
                self._selector.unregister(lane)
            if not self._ending() and (self._rows or not self._exhausted):
                self._dial()

    def _watch(self, lane: Lane) -> None:
        if lane.wants_to_write != lane.watched:
            lane.watched = lane.wants_to_write
            more = selectors.EVENT_WRITE if lane.watched else 0
            self._selector.modify(lane, selectors.EVENT_READ | more)

    # --- rows -----------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give each connection that carries nothing the next row."""
        for lane, carried in self._carried.items():
            if not carried and lane.alive and (following := self._next(lane)):
                self._hear(lane, lane.begin(*following))

    def _next(self, lane: Lane) -> tuple[int, str, str] | None:
        """The next row that can be made into a message, as an envelope."""
        while self._rows and not self._ending():
            row = self._rows.popleft()
            try:
                content = self._copies.content(row)
            except FixContent as error:
                self._problem = self._problem or error
                return None
            except (ValueError, KeyError) as error:
                self._parked.append((row.id, f"This message could not be made: {error}"))
                self.run.parked += 1
                continue
            self._contents[row.id] = (row, content)
            self._carried[lane].add(row.id)
            return row.id, self._copies.sender, row.email
        return None

    def _hear(self, lane: Lane, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Answered):
                self._note(lane, event)
            elif isinstance(event, Ready):
                self._opening[event.id] = lane

    def _note(self, lane: Lane, event: Answered) -> None:
        row, _content = self._contents.pop(event.id)
        self._carried[lane].discard(event.id)
        self._opening.pop(event.id, None)
        outcome = judge(event.reply)
        self.run.outcomes[outcome] = self.run.outcomes.get(outcome, 0) + 1
        self._settled.append(Settled(row.id, outcome, event.reply))
        if outcome is Outcome.OURS:
            self.run.ours[row.issue_number] = event.reply
        self._broken_off = self._broken_off + 1 if outcome in COMING_BACK else 0
        if self._broken_off >= PATIENCE:
            why = f"The relay breaks off every conversation: {event.reply.text}."
            self._problem = self._problem or TryLater(why)

    # --- commits --------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Settle what is known and open what the relay waits for; then send what was opened."""
        opening, self._opening = self._opening, {}
        if self._ending():
            for lane in opening.values():  # without a dot: nothing of them was sent
                self._hear(lane, lane.fail("the run ends"))
            opening = {}
        settled, self._settled = self._settled, []
        parked, self._parked = self._parked, []
        wanted = self._rows_wanted()
        if not (settled or opening or parked or wanted):
            return
        try:
            answer = self._writer.commit(Order(settled, list(opening), parked, wanted))
        except Exception:
            self._contents.clear()  # nothing was opened; what was settled is in doubt
            raise
        self._rows.extend(answer.claimed)
        if wanted:
            self._exhausted = not answer.claimed
        self._report(settled)
        for id, lane in opening.items():
            self._send(lane, id, id in answer.opened)

    def _rows_wanted(self) -> int:
        wanted = not self._exhausted and not self._ending() and bool(self._carried)
        return BATCH if wanted and len(self._rows) < BATCH // 2 else 0

    def _report(self, settled: list[Settled]) -> None:
        if accepted := sum(row.outcome is Outcome.ACCEPTED for row in settled):
            self.on_accepted(accepted)
        if any(row.outcome in COMING_BACK for row in settled):
            self._exhausted = False

    def _send(self, lane: Lane, id: int, opened: bool) -> None:
        if not opened:
            # The row was lost or left while DATA was under way: a dot would deliver an empty mail.
            del self._contents[id]
            self._carried[lane].discard(id)
            self._hear(lane, lane.abandon())
            return
        _row, content = self._contents[id]
        self._hear(lane, lane.send(content, self._next(lane)))


def _close_unused(dialled: "Future[Lane]") -> None:
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().quit()
