"""The embedded clock: APScheduler in the web process, one leader by file lock.

The schedule itself is rows of ours (`slots`): APScheduler only wakes us often enough, so that its
misfires and its DST do not matter.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from newsletter import metrics
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.delivery.breaker import Breaker
from newsletter.errors import NewsletterError
from newsletter.jobs import counting, nightly, reports, seeds, tasks
from newsletter.jobs.mailboxes import Postbox
from newsletter.settings import Settings
from newsletter.tracing import bound, reference

log = logging.getLogger(__name__)

NOTICE_SECONDS = 1
DELIVERY_SECONDS = 2
ISSUE_SECONDS = 5
REMIND_SECONDS = 60
SEAL_SECONDS = 60
WEIGH_SECONDS = 60
LOG_SECONDS = 60
TICK_SECONDS = 60
SEED_SECONDS = 60
COUNT_SECONDS = 45  # totals on the desk are never older than a minute
PURGE_SECONDS = 3600
NIGHT_SECONDS = 600  # how often it is asked whether tonight's run is still to come
REST_SECONDS = 30  # after a problem, so that a dead relay is not asked all the time


class Clock:
    """Runs the tasks by time, in one process of all that share INSTANCE_DIR."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.library = Library(settings.content_dir, settings.timezone, settings.cadences)
        self.stopping = threading.Event()
        self.breaker = Breaker(settings)
        self.postbox = Postbox(settings)
        self._lock_file: Any = None
        self._last_problem: dict[str, str] = {}
        self._rest_until: dict[str, float] = {}
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(6)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=settings.timezone,
        )

    def start(self) -> None:
        """Begin to tick; the work starts once this process is the leader."""
        for seconds, task in (
            (NOTICE_SECONDS, self.settle_signups),
            (NOTICE_SECONDS, self.carry_notices),
            (DELIVERY_SECONDS, self.deliver),
            (ISSUE_SECONDS, self.advance_issues),
            (ISSUE_SECONDS, self.compile_due),
            (REMIND_SECONDS, self.remind),
            (SEAL_SECONDS, self.seal),
            (LOG_SECONDS, self.note_log),
            (TICK_SECONDS, self.tick),
            (COUNT_SECONDS, self.count),
            (WEIGH_SECONDS, self.weigh),
            (self.settings.bounce_poll_seconds, self.fetch),
            (SEED_SECONDS, self.look_at_seeds),
            (PURGE_SECONDS, self.seal_missed),
            (PURGE_SECONDS, self.purge),
            (NIGHT_SECONDS, self.forget_old),
        ):
            self._scheduler.add_job(
                self.guarded, "interval", args=[task], seconds=seconds, id=task.__name__
            )
        self._scheduler.start()

    def stop(self) -> None:
        """Stop claiming, finish what is in flight, and let another process lead."""
        self.stopping.set()
        with contextlib.suppress(Exception):
            self._scheduler.shutdown(wait=True)
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def settle_signups(self) -> None:
        """Requests of the forms become notices."""
        tasks.settle_signups(self.database, self.settings, self.stopping)

    def carry_notices(self) -> None:
        """Notices become mail."""
        tasks.drain_notices(self.database, self.settings, self.stopping)

    def deliver(self) -> None:
        """Work the ledger."""
        tasks.deliver(
            self.database,
            self.settings,
            stop=self.stopping,
            by_hand=False,
            breaker=self.breaker,
        )

    def compile_due(self) -> None:
        """Compile for the cadences whose slot has come; an error on the shelf stops only this."""
        try:
            tasks.run_due_slots(self.database, self.settings, self.library)
        finally:  # what holds it up is for the editors to know
            tasks.tell_of_missed_slots(self.database, self.settings)

    def advance_issues(self) -> None:
        """Send what is approved: it is frozen, and needs no shelf."""
        tasks.advance_issues(self.database, self.settings)

    def seal(self) -> None:
        """Chain the newest proofs of consent."""
        tasks.seal_consents(self.database, stop=self.stopping)

    def seal_missed(self) -> None:
        """Look through all proofs for one that was never chained."""
        tasks.seal_consents(self.database, everything=True, stop=self.stopping)

    def note_log(self) -> None:
        """Note how far the log of changes goes."""
        tasks.note_log(self.database, self.settings)

    def tick(self) -> None:
        """Mark the leader's lock, so that `newsletter doctor` sees the clock run."""
        os.utime(self._lock_file.fileno())

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
        resting = time.monotonic() < self._rest_until.get(task.__name__, 0)
        if self.stopping.is_set() or resting or not self.leads():
            return
        with self._seen(task.__name__):
            self._try(task)

    def _try(self, task: Callable[[], None]) -> None:
        try:
            task()
            self._last_problem.pop(task.__name__, None)
        except NewsletterError as error:
            metrics.TASK_PROBLEMS.add(task.__name__, "problem")
            self._say_once(task.__name__, str(error))
            rest = min(REST_SECONDS, self.settings.relay_rest_seconds)
            self._rest_until[task.__name__] = time.monotonic() + rest
        except Exception:
            metrics.TASK_PROBLEMS.add(task.__name__, "failure")
            log.exception("The clock's task %s failed; it is tried again.", task.__name__)

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

    def leads(self) -> bool:
        """Is this process the leader? The lock goes with the process, however it ends."""
        if self._lock_file is not None:
            return True
        file = (self.settings.instance_dir / "clock.lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._lock_file = file
        return True
