"""Duties: what is done again and again by time, how often, and where among many hosts.

One table, for both clocks: the embedded one (`timetable`) and that of many hosts (`cluster`).
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from newsletter import metrics
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.delivery.breaker import Breaker
from newsletter.errors import NewsletterError
from newsletter.jobs import counting, nightly, reclaiming, reports, seeds, sharing, tasks, telling
from newsletter.jobs.mailboxes import Postbox
from newsletter.jobs.raising import Raiser
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Maildir
from newsletter.tracing import bound, reference

log = logging.getLogger(__name__)

NOTICE_SECONDS = 1
TELL_SECONDS = 2
DELIVERY_SECONDS = 2
ISSUE_SECONDS = 5
SHARE_SECONDS = 5
REMIND_SECONDS = 60
SEAL_SECONDS = 60
WEIGH_SECONDS = 60
LOG_SECONDS = 60
FENCE_SECONDS = 5
SEED_SECONDS = 60
COUNT_SECONDS = 45  # totals on the desk are never older than a minute
PURGE_SECONDS = 3600
NIGHT_SECONDS = 600  # how often it is asked whether tonight's run is still to come
REST_SECONDS = 30  # after a problem, so that a dead relay is not asked all the time


class Where(StrEnum):
    """Where a duty is done: on each host by itself, or on one at a time, from a queue.

    Rows of the database name the queues: other releases know them by these words.
    """

    HOST = "host"
    NOTICES = "notices"  # who waits for a letter does not wait for an issue
    DELIVERY = "delivery"  # any number of hosts at once: the ledger's leases share it out
    CHORES = "chores"
    CONTENT = "content"  # needs folders that only the host with CONTENT_HOST has


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that is done every so many seconds."""

    seconds: float
    where: Where
    task: Callable[["Duties"], None]

    @property
    def name(self) -> str:
        """The name by which every process, of this release and others, knows it."""
        return self.task.__name__


class Duties:
    """The duties of one process: what they need, and what each remembers from turn to turn."""

    def __init__(
        self, settings: Settings, database: Database, on_share: Callable[[], None] = lambda: None
    ) -> None:
        """`on_share` is told when a turn of `deliver` got its first message accepted."""
        self.settings, self.database, self.on_share = settings, database, on_share
        self.stopping = threading.Event()
        self.breaker = Breaker(settings)
        self.postbox = Postbox(settings)
        self.raiser = Raiser(settings, database)
        self._last_problem: dict[str, str] = {}
        self._rest_until: dict[str, float] = {}

    @cached_property
    def library(self) -> Library:
        """The shelf, on the host that has it."""
        settings = self.settings
        return Library(settings.content_dir, settings.timezone, settings.cadences)

    def settle_signups(self) -> None:
        """Requests of the forms become notices."""
        tasks.settle_signups(self.database, self.settings, self.stopping)

    def carry_notices(self) -> None:
        """Notices become mail."""
        tasks.drain_notices(self.database, self.settings, self.stopping)

    def tell(self) -> None:
        """Events are told to the endpoints that want to know."""
        telling.tell(self.database, self.settings, self.stopping)

    def deliver(self) -> None:
        """Work the ledger."""
        accepted = 0

        def note(count: int) -> None:
            nonlocal accepted
            if not accepted:
                self.on_share()
            accepted += count

        tasks.deliver(
            self.database,
            self.settings,
            stop=self.stopping,
            on_accepted=note,
            by_hand=False,
            breaker=self.breaker,
        )

    def take_over(self) -> None:
        """What senders that fell silent had claimed is free again."""
        reclaiming.take_over(self.database, self.settings)

    def compile_due(self) -> None:
        """Compile for the cadences whose slot has come; an error on the shelf stops only this."""
        tasks.run_due_slots(self.database, self.settings, self.library)

    def tell_of_slots(self) -> None:
        """What holds a slot up is for the editors to know: an error, or no host with the shelf."""
        tasks.tell_of_missed_slots(self.database, self.settings)

    def advance_issues(self) -> None:
        """Send what is approved: it is frozen, and needs no shelf."""
        tasks.advance_issues(self.database, self.settings)

    def share(self) -> None:
        """Show on every host what changed in topics and pages."""
        sharing.share(self.database, self.settings)

    def seal(self) -> None:
        """Chain the newest proofs of consent."""
        tasks.seal_consents(self.database, stop=self.stopping)

    def seal_missed(self) -> None:
        """Look through all proofs for one that was never chained."""
        tasks.seal_consents(self.database, everything=True, stop=self.stopping)

    def note_log(self) -> None:
        """Note how far the log of changes goes, on this host."""
        nightly.note_log(self.database, self.settings)

    def raise_fence(self) -> None:
        """Raise the fence, on this host: every minute, and soon after somebody left."""
        self.raiser.turn()

    def count(self) -> None:
        """Make the desk's figures anew."""
        counting.count(self.database, self.settings, self.stopping)

    def fetch(self) -> None:
        """What lies in BOUNCE_MAILBOX is taken in."""
        self.postbox.poll(self.database, self.stopping)

    def look_at_seeds(self) -> None:
        """Where issues arrived at our own readers is looked at."""
        seeds.look(self.database, self.settings, self.stopping)

    def weigh(self) -> None:
        """What was refused is laid to its readers; bad shares are acted upon."""
        reports.weigh(self.database, self.settings, self.stopping)

    def remind(self) -> None:
        """Remind, once, who asked and did not confirm."""
        tasks.remind_unconfirmed(self.database, self.settings)

    def purge(self) -> None:
        """Forget sign-ups that nobody confirmed."""
        tasks.purge_unconfirmed(self.database, self.settings)

    def forget_old(self) -> None:
        """Once a night: remove personal data that was kept long enough, and say what."""
        for what, count in nightly.forget_tonight(self.database, self.settings).items():
            log.warning("retention: %d %s", count, what)

    def guarded(self, task: Callable[[], None]) -> None:
        """One task's trouble must stop neither the clock nor the other tasks; it is said once."""
        name = task.__name__
        if self.stopping.is_set() or time.monotonic() < self._rest_until.get(name, 0):
            return
        with self._seen(name):
            self._try(task, name)

    def _try(self, task: Callable[[], None], name: str) -> None:
        try:
            task()
            self._last_problem.pop(name, None)
        except NewsletterError as error:
            metrics.TASK_PROBLEMS.add(name, "problem")
            self._say_once(name, str(error))
            rest = min(REST_SECONDS, self.settings.relay_rest_seconds)
            self._rest_until[name] = time.monotonic() + rest
        except Exception:
            metrics.TASK_PROBLEMS.add(name, "failure")
            log.exception("The clock's task %s failed; it is tried again.", name)

    @contextlib.contextmanager
    def _seen(self, name: str) -> Iterator[None]:
        """One run: timed, and its lines in the log carry a reference."""
        started = time.monotonic()
        with bound(task=name, run=reference()):
            yield
        metrics.TASK_SECONDS.observe(time.monotonic() - started, name)

    def _say_once(self, name: str, problem: str) -> None:
        if self._last_problem.get(name) != problem:
            self._last_problem[name] = problem
            log.warning("%s", problem)


def duties(settings: Settings) -> list[Duty]:
    """All there are, for every clock. A Maildir is a folder: it is read by the host with content.

    Any of them may run twice at once, after a host fell silent: each decides by rows of the
    database what is still to do.
    """
    local_mail = isinstance(settings.bounce_mailbox, Maildir)
    return [
        Duty(NOTICE_SECONDS, Where.NOTICES, Duties.settle_signups),
        Duty(NOTICE_SECONDS, Where.NOTICES, Duties.carry_notices),
        Duty(TELL_SECONDS, Where.CHORES, Duties.tell),
        Duty(DELIVERY_SECONDS, Where.DELIVERY, Duties.deliver),
        Duty(ISSUE_SECONDS, Where.CHORES, Duties.advance_issues),
        Duty(ISSUE_SECONDS, Where.CHORES, Duties.take_over),
        Duty(ISSUE_SECONDS, Where.CONTENT, Duties.compile_due),
        Duty(ISSUE_SECONDS, Where.CHORES, Duties.tell_of_slots),
        Duty(SHARE_SECONDS, Where.CONTENT, Duties.share),
        Duty(REMIND_SECONDS, Where.CHORES, Duties.remind),
        Duty(SEAL_SECONDS, Where.CHORES, Duties.seal),
        Duty(LOG_SECONDS, Where.HOST, Duties.note_log),
        Duty(FENCE_SECONDS, Where.HOST, Duties.raise_fence),
        Duty(COUNT_SECONDS, Where.CHORES, Duties.count),
        Duty(WEIGH_SECONDS, Where.CHORES, Duties.weigh),
        Duty(
            settings.bounce_poll_seconds,
            Where.CONTENT if local_mail else Where.CHORES,
            Duties.fetch,
        ),
        Duty(SEED_SECONDS, Where.CHORES, Duties.look_at_seeds),
        Duty(PURGE_SECONDS, Where.CHORES, Duties.seal_missed),
        Duty(PURGE_SECONDS, Where.CHORES, Duties.purge),
        Duty(NIGHT_SECONDS, Where.CHORES, Duties.forget_old),
    ]
