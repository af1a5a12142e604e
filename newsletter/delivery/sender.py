"""The loop: claims rows, opens them, hands their messages to the relay, settles what it says.

No transaction is open while the network is used. It does not choose readers or items, and it does
not decide what a reply means.
"""

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from newsletter.db import Database
from newsletter.delivery import ledger, message
from newsletter.delivery.ledger import Claimed, Settled
from newsletter.delivery.message import Content, Gap, Template
from newsletter.delivery.outcomes import Outcome, Reply, judge
from newsletter.delivery.relay import Relay
from newsletter.errors import TryLater
from newsletter.models import Edition, Issue
from newsletter.settings import Settings
from newsletter.tokens import Purpose, Tokens

BATCH = 50  # rows a connection claims at once
PATIENCE = 5  # conversations broken off in a row before the relay is left alone
EDITIONS_KEPT = 64  # templates in memory, about 40 kB each


def utcnow() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


@dataclass
class Run:
    """What one run did, and why it ended early if it did."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    ours: dict[int, Reply] = field(default_factory=dict)  # issue number → the reply about us
    parked: int = 0
    unusable: str = ""  # why the relay cannot be used now

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
        self._tokens = Tokens(settings.secret_key)
        self._turn = threading.Lock()
        self._template = lru_cache(maxsize=EDITIONS_KEPT)(self._build_template)
        self._lease_id = 0
        self._broken_off = 0

    def work(self) -> Run:
        """Work until nothing is due or `stop` is set.

        Raises TryLater or FixSettings when the relay cannot be used; nothing is lost then.
        """
        with self._lease():
            while self._reclaim_and_look():
                self._work_connections()
                if self._ending():
                    break
        if self.run.unusable:
            raise TryLater(self.run.unusable)
        return self.run

    @contextlib.contextmanager
    def _lease(self) -> Iterator[None]:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with self.database.write() as session:
            self._lease_id = ledger.take_lease(session, self.settings, owner, self.clock())
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep_lease, args=(ended,), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()
            with self.database.write() as session:
                ledger.release_lease(session, self.settings, self._lease_id, self.clock())

    def _keep_lease(self, ended: threading.Event) -> None:
        while not ended.wait(self.settings.lease_seconds / 3):
            with self.database.write() as session:
                ledger.renew_lease(session, self.settings, self._lease_id, self.clock())

    def _reclaim_and_look(self) -> bool:
        """Is something due? First takes over what processes that fell silent left behind."""
        now = self.clock()
        with self.database.write() as session:
            ledger.reclaim(session, self.settings, now)
            due_at = ledger.next_due(session, self.issue_number)
        return due_at is not None and due_at <= now

    def _work_connections(self) -> None:
        count = self.settings.delivery_connections
        with ThreadPoolExecutor(count, thread_name_prefix="delivery") as pool:
            runs = [pool.submit(self._work_one_connection) for _ in range(count)]
        for run in runs:
            run.result()  # raises what ended a connection

    def _work_one_connection(self) -> None:
        with Relay(self.settings) as relay:
            while not self._ending():
                with self.database.write() as session:
                    batch = ledger.claim(
                        session, self._lease_id, self.clock(), BATCH, self.issue_number
                    )
                if not batch:
                    return
                self._work_batch(relay, batch)

    def _ending(self) -> bool:
        return self.stop.is_set() or bool(self.run.ours or self.run.unusable)

    def _work_batch(self, relay: Relay, batch: list[Claimed]) -> None:
        """Each row in order: settle the one before and open this one in one commit, then send."""
        settled: list[Settled] = []
        try:
            for row in batch:
                if self._ending():
                    break
                content = self._content_or_park(row)
                if content is None:
                    continue
                # Before a row is opened: a relay that cannot be reached puts nothing in doubt.
                relay.connect()
                opened, settled = self._commit(settled, row.id), []
                if opened:
                    settled = [self._hand_over(relay, row, content)]
        finally:
            if settled:
                self._commit(settled, None)

    def _hand_over(self, relay: Relay, row: Claimed, content: bytes) -> Settled:
        reply = relay.deliver(row.email, content)
        return Settled(row.id, self._note(row, reply), reply)

    def _commit(self, settled: list[Settled], opening: int | None) -> bool:
        """The commit that stands before any content; a failed one is tried with the same hand."""
        for attempt in itertools.count(1):
            try:
                with self.database.write() as session:
                    return ledger.settle_and_open(
                        session, self.settings, self._lease_id, settled, opening, self.clock()
                    )
            except OperationalError:
                if attempt >= self.settings.lease_seconds:
                    raise
                time.sleep(1)
        raise AssertionError("unreachable")

    def _note(self, row: Claimed, reply: Reply) -> Outcome:
        outcome = judge(reply)
        with self._turn:
            self.run.outcomes[outcome] = self.run.outcomes.get(outcome, 0) + 1
            if outcome is Outcome.OURS:
                self.run.ours[row.issue_number] = reply
        if outcome is Outcome.ACCEPTED:
            self.on_accepted(1)
        self._broken_off = self._broken_off + 1 if outcome is Outcome.UNSENT else 0
        if self._broken_off >= PATIENCE:
            self.run.unusable = f"The relay breaks off every conversation: {reply.text}."
        return outcome

    # --- messages -------------------------------------------------------------------------------

    def _content_or_park(self, row: Claimed) -> bytes | None:
        """The message of one row; one that cannot be made must not hold up the others."""
        try:
            return self._message(row)
        except (ValueError, KeyError) as error:
            with self._turn, self.database.write() as session:
                reason = f"This message could not be made: {error}"
                ledger.park(session, self._lease_id, row.id, reason, self.clock())
                self.run.parked += 1
            return None

    def _message(self, row: Claimed) -> bytes:
        template, planned_at = self._template(row.edition_id)
        message.header_value(row.email)
        # Tokens carry the time of planning, so that a message sent again has the same bytes.
        values = {
            Gap.TO: row.email,
            Gap.MESSAGE_ID: self._message_id(row, planned_at),
            Gap.DATE: message.date_header(self.clock(), self.settings),
            Gap.UNSUBSCRIBE: self._tokens.issue(Purpose.UNSUBSCRIBE, row.subscriber_id, planned_at),
            Gap.PREFERENCES: self._tokens.issue(Purpose.PREFERENCES, row.subscriber_id, planned_at),
        }
        return template.fill({name: value.encode("ascii") for name, value in values.items()})

    def _message_id(self, row: Claimed, planned_at: datetime) -> str:
        opaque = self._tokens.issue(Purpose.MESSAGE_ID, row.id, planned_at)
        return f"<{row.issue_number}.{opaque}@{self.settings.mail_domain}>"

    def _build_template(self, edition_id: int) -> tuple[Template, datetime]:
        query = (
            select(Edition, Issue)
            .join(Issue, Issue.number == Edition.issue_number)
            .where(Edition.id == edition_id)
        )
        with self.database.read() as session:
            edition, issue = session.execute(query).one()
        content = Content(edition.locale, edition.subject, edition.text, edition.html)
        template = message.issue_template(self.settings, issue.number, content, issue.by_clock)
        return template, issue.planned_at or issue.compiled_at


def wait_for_others(database: Database, stop: threading.Event) -> bool:
    """Wait a moment when other live leases hold rows; False when there is nothing to wait for."""
    with database.read() as session:
        if not ledger.claimed_by_others(session, lease_id=0):
            return False
    return not stop.wait(0.5)
