"""The embedded clock: APScheduler in the web process, one leader of all (`leading`).

The schedule itself is rows of ours (`slots`): APScheduler only wakes us often enough, so that its
misfires and its DST do not matter.
"""

import contextlib
from collections.abc import Callable

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.db import Database
from newsletter.jobs.duties import Duties, Duty, Where, duties
from newsletter.jobs.leading import Leadership
from newsletter.settings import Settings

TICK_SECONDS = 60


class Clock(Duties):
    """Runs the duties by time, in one process of all that share a database.

    What belongs to a host is done on each; what needs the content folder, on the host that has it.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(settings, database)
        self.leadership = Leadership(settings, database)
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(6)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=settings.timezone,
        )

    def start(self) -> None:
        """Begin to tick; the work starts once this process is the leader."""
        self._add(TICK_SECONDS, self.tick, self.leadership.of_host)
        for duty in duties(self.settings):
            if self.settings.content_host or duty.where is not Where.CONTENT:
                self._add(duty.seconds, getattr(self, duty.name), self._leads(duty))
        self._scheduler.start()

    def stop(self) -> None:
        """Stop claiming, finish what is in flight, and let another process lead."""
        self.stopping.set()
        with contextlib.suppress(Exception):
            self._scheduler.shutdown(wait=True)
        self.raiser.end()
        self.leadership.end()

    def tick(self) -> None:
        """Mark the leader's lock, so that `newsletter doctor` sees the clock run."""
        self.leadership.mark()

    @property
    def tasks(self) -> set[str]:
        """The names of what ticks."""
        return {job.id for job in self._scheduler.get_jobs()}

    def _leads(self, duty: Duty) -> Callable[[], bool]:
        local = duty.where in (Where.HOST, Where.CONTENT)
        return self.leadership.of_host if local else self.leadership.of_all

    def _add(self, seconds: float, task: Callable[[], None], leads: Callable[[], bool]) -> None:
        def turn() -> None:
            if not self.stopping.is_set() and leads():
                self.guarded(task)

        self._scheduler.add_job(turn, "interval", seconds=seconds, id=task.__name__)
