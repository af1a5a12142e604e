"""The one writer of a sending process: one commit for all its connections.

A commit waits for the disk; meanwhile answers of the relay gather, so that the next commit serves
them together. The promise of the ledger (nothing goes out before its row is committed as opened)
then costs one disk write for many messages.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from newsletter import fence, metrics
from newsletter.db import UNAVAILABLE, Database
from newsletter.delivery import ledger, throttle
from newsletter.delivery.ledger import Batch, Claim, Settled
from newsletter.delivery.outcomes import Outcome
from newsletter.errors import TryLater
from newsletter.fence import Mark
from newsletter.settings import Settings

NOTHING = Batch()
RETRY = 0.5  # seconds between tries of a commit that failed


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be committed together."""

    settled: Sequence[Settled]
    opening: Sequence[int]
    parked: Sequence[tuple[int, str]] = ()
    given_back: Sequence[int] = ()
    claim: Claim | None = None
    asking: bool = False  # the issue is paused, and may open a row all the same

    @property
    def is_plain(self) -> bool:
        """Nothing but acceptances and openings, as nearly always: one statement does it."""
        rare = self.parked or self.given_back or self.claim
        return not rare and all(row.outcome is Outcome.ACCEPTED for row in self.settled)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the commit did."""

    opened: set[int]
    batch: Batch = NOTHING
    problem: TryLater | None = None  # why the batch is not given out; it goes back with the lease


class Writer:
    """Commits under one lease, over one connection, and keeps that lease alive."""

    def __init__(
        self, database: Database, settings: Settings, lease_id: int, clock: Callable[[], datetime]
    ) -> None:
        self._database, self._settings, self._lease_id = database, settings, lease_id
        self._clock = clock
        self._own = metrics.own_domains(settings)
        self._connection: Connection | None = None
        self._renewed_at = time.monotonic()
        self.lost = False  # the lease was taken away: nothing of this process counts any more

    @property
    def asleep(self) -> bool:
        """Has this process been silent for so long that others may have taken its rows over?"""
        return time.monotonic() > self._renewed_at + self._settings.lease_seconds

    def commit(self, order: Order, give_up_at: Callable[[], float]) -> Answer:
        """Try until it holds, with the outcomes in hand, until that moment (monotonic)."""
        while True:
            started = time.monotonic()
            try:
                answer = self._commit_once(order)
                self._count(order, time.monotonic() - started)
                return answer
            except UNAVAILABLE:  # locked, read-only, restarted, full
                self.close()
                if time.monotonic() > give_up_at():
                    raise
                time.sleep(RETRY)
            except BaseException:
                self.close()  # whatever state it was left in
                raise

    def _count(self, order: Order, seconds: float) -> None:
        metrics.COMMITS.observe(seconds, "claim" if order.claim else "settle")
        found = Counter((row.outcome, row.domain) for row in order.settled)
        for (outcome, domain), times in found.items():
            metrics.MESSAGES.add(outcome, metrics.domain_class(domain, self._own), times=times)

    def keep_lease(self) -> None:
        """Say that this process lives, when it is time to."""
        started = time.monotonic()
        if started < self._renewed_at + self._settings.lease_seconds / 3:
            return
        try:
            with self._database.write() as session:
                now = self._clock()
                self.lost = not ledger.renew_lease(session, self._settings, self._lease_id, now)
        except UNAVAILABLE:
            return  # tried again at the next turn; until then the lease still holds
        self._renewed_at = started

    def close(self) -> None:
        """Give up the connection; the next commit opens another."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
        self._connection = None

    def _commit_once(self, order: Order) -> Answer:
        now, mark = self._clock(), None
        if self._connection is None:
            self._connection = self._database.engine.connect()
        with self._database.transaction(self._connection, single=order.is_plain) as connection:
            opened = ledger.settle_and_open(
                connection,
                self._settings,
                self._lease_id,
                order.settled,
                order.opening,
                now,
                asking=order.asking,
            )
            for delivery_id, reason in order.parked:
                ledger.park(connection, self._lease_id, delivery_id, reason, now)
            if order.given_back:
                ledger.give_back(connection, self._lease_id, order.given_back)
            batch = self._claim_and_slow(connection, order, now)
            if batch.rows:
                mark = fence.advance(connection, self._settings)
        return self._noted(Answer(opened, batch), mark)

    def _claim_and_slow(self, connection: Connection, order: Order, now: datetime) -> Batch:
        slower = {row.domain for row in order.settled if row.outcome is Outcome.SLOW_DOWN}
        if not (order.claim or slower):
            return NOTHING
        with Session(connection, expire_on_commit=False) as session:
            batch = self._claim(session, order.claim, now) if order.claim else NOTHING
            for domain in sorted(slower):  # after the claim: rates are locked in one order
                throttle.slow(session, self._settings, domain, now)
            session.flush()
        return batch

    def _noted(self, answer: Answer, mark: Mark | None) -> Answer:
        """What was claimed may be used once the file outside knows it, too."""
        try:
            if mark:
                fence.note(self._settings, mark)
        except OSError as error:
            why = (
                f"The fence (OUTSIDE_DIR) cannot be written now: {error.strerror}; nothing is lost."
            )
            return Answer(answer.opened, NOTHING, TryLater(why))
        return answer

    def _claim(self, session: Session, wanted: Claim, now: datetime) -> Batch:
        return ledger.claim(session, self._settings, self._lease_id, wanted, now)


def wait_for_others(database: Database, stop: threading.Event) -> bool:
    """Wait a moment when other live leases hold rows; False when there is nothing to wait for."""
    with database.read() as session:
        if not ledger.is_claimed(session):
            return False
    return not stop.wait(0.5)
