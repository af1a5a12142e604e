"""The one writer of a sending process: one commit for all its connections.

A commit waits for the disk; meanwhile answers of the relay gather, so that the next commit serves
them together. The promise of the ledger (nothing goes out before its row is committed as opened)
then costs one disk write for many messages.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Claimed, Settled
from newsletter.settings import Settings

RETRY = 0.5  # seconds between tries of a commit that failed


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be committed together."""

    settled: Sequence[Settled]
    opening: Sequence[int]
    parked: Sequence[tuple[int, str]] = ()
    claim: int = 0  # rows wanted


@dataclass(frozen=True, slots=True)
class Answer:
    """What the commit did."""

    opened: set[int]
    claimed: list[Claimed]


class Writer:
    """Commits under one lease, and keeps that lease alive."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        lease_id: int,
        issue_number: int | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._database, self._settings, self._lease_id = database, settings, lease_id
        self._issue_number, self._clock = issue_number, clock
        self._renew_at = time.monotonic() + settings.lease_seconds / 3
        self.lost = False  # the lease was taken away: nothing of this process counts any more

    def commit(self, order: Order) -> Answer:
        """Try until it holds, with the outcomes in hand, as long as a lease lasts."""
        end = time.monotonic() + self._settings.lease_seconds
        while True:
            try:
                return self._commit_once(order)
            except (OperationalError, InternalError):  # locked, read-only, restarted, full
                if time.monotonic() > end:
                    raise
                time.sleep(RETRY)

    def keep_lease(self) -> None:
        """Say that this process lives, when it is time to."""
        if time.monotonic() < self._renew_at:
            return
        try:
            with self._database.write() as session:
                now = self._clock()
                self.lost = not ledger.renew_lease(session, self._settings, self._lease_id, now)
        except (OperationalError, InternalError):
            return  # tried again at the next turn; until then the lease still holds
        self._renew_at = time.monotonic() + self._settings.lease_seconds / 3

    def _commit_once(self, order: Order) -> Answer:
        now = self._clock()
        with self._database.write() as session:
            opened = ledger.settle_and_open(
                session, self._settings, self._lease_id, order.settled, order.opening, now
            )
            for delivery_id, reason in order.parked:
                ledger.park(session, self._lease_id, delivery_id, reason, now)
            return Answer(opened, self._claim(session, order.claim, now))

    def _claim(self, session: Session, count: int, now: datetime) -> list[Claimed]:
        if not count:
            return []
        return ledger.claim(session, self._lease_id, now, count, self._issue_number)


def wait_for_others(database: Database, stop: threading.Event) -> bool:
    """Wait a moment when other live leases hold rows; False when there is nothing to wait for."""
    with database.read() as session:
        if not ledger.is_claimed(session):
            return False
    return not stop.wait(0.5)
