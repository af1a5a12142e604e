"""One process of the cluster: a Procrastinate worker for each queue, and what each host does.

A worker of Procrastinate ends when the database goes away; then another is started, under an id of
its own. What had begun goes on meanwhile: the ledger's leases decide whether it still counts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import procrastinate
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition

from newsletter.db import Database, connection_options
from newsletter.jobs.cluster.queues import SHARED, SLOTS, app_of, caller
from newsletter.jobs.cluster.rescue import rescue
from newsletter.jobs.duties import Duties, Where, duties
from newsletter.jobs.leading import Leadership
from newsletter.settings import Settings

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0  # before a queue is taken up again after the database went away
POLL_SECONDS = 2.0  # between looks at a queue that nobody rings for
POOL_SECONDS = 10.0  # how long a connection to the database is waited for
POOL = 4  # such connections, beside those of the duties themselves
THREADS = 12  # for jobs, and for what this host does by itself
BEATS = 6  # heartbeats in LEASE_SECONDS; three that are missing, and a worker has fallen silent
EXTRA = 4  # seconds a stopping process gets beside GRACE_SECONDS


class Worker:
    """Works the queues of this host until `stop`."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.duties = Duties(settings, database)
        self.leadership = Leadership(settings, database)
        self._beat = settings.lease_seconds / BEATS
        self._stopped = asyncio.Event()

    @property
    def queues(self) -> list[Where]:
        """Those that this host works."""
        return [queue for queue in SLOTS if self.settings.content_host or queue != Where.CONTENT]

    def stop(self) -> None:
        """Begin nothing more, and let what has begun come to its end; called in the loop."""
        self.duties.stopping.set()
        self._stopped.set()

    def on_host(self, task: Callable[[], None]) -> None:
        """A turn of what a host does by itself: of several workers on it one does, and marks so."""
        if self.leadership.of_host():
            self.leadership.mark()
            self.duties.guarded(task)

    async def work(self) -> bool:
        """Work; returns whether all of it ended within GRACE_SECONDS after `stop`."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS))
        loop.set_exception_handler(_heed)
        connector = self._connector()
        await connector.open_async()
        working = [asyncio.create_task(part) for part in self._parts(connector)]
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([stopped, *working], return_when=asyncio.FIRST_COMPLETED)
        self.stop()  # a part that broke ends the others, too
        for task in working:
            task.cancel()  # which a worker of Procrastinate takes for the wish to end well
        grace = EXTRA + self.settings.grace_seconds
        done, late = await asyncio.wait(working, timeout=grace)
        if not late:
            await connector.close_async()
            await asyncio.to_thread(self.duties.raiser.end)
            self.leadership.end()
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                raise error
        return not late

    def _parts(self, connector: procrastinate.PsycopgConnector) -> list[Any]:
        parts: list[Any] = [self._regularly(self._beat, partial(self._rescue, connector))]
        for duty in duties(self.settings):
            if duty.where is Where.HOST:
                task = getattr(self.duties, duty.name)
                act = partial(asyncio.to_thread, self.on_host, task)
                parts.append(self._regularly(duty.seconds, act))
        for queue in self.queues:
            mine = [duty for duty in duties(self.settings) if duty.where is queue]
            app = app_of(queue, mine, self.duties, connector)
            if queue is Where.DELIVERY:
                self.duties.on_share = caller(app, mine[0].name, asyncio.get_running_loop())
            parts.append(self._man(queue, app))
        return parts

    def _connector(self) -> procrastinate.PsycopgConnector:
        engine = self.database.engine
        address = engine.dialect.create_connect_args(engine.url)[1]
        options = connection_options(self.settings.database_url)
        kwargs = {**address, **options}
        return procrastinate.PsycopgConnector(
            kwargs=kwargs,
            min_size=0,
            max_size=POOL,
            timeout=POOL_SECONDS,
            reconnect_timeout=POOL_SECONDS,  # else it waits longer after each failure
        )

    async def _man(self, queue: Where, app: procrastinate.App) -> None:
        """Keep one worker of Procrastinate at this queue."""
        while not self._stopped.is_set():
            try:
                await app.run_worker_async(
                    queues=[queue.value],
                    name=queue.value,
                    concurrency=SLOTS[queue],
                    fetch_job_polling_interval=POLL_SECONDS,
                    listen_notify=queue in SHARED,
                    delete_jobs=DeleteJobCondition.ALWAYS.value,
                    install_signal_handlers=False,
                    update_heartbeat_interval=self._beat,
                    stalled_worker_timeout=3 * self._beat,
                )
                why = "it stopped"
            except ConnectorException as error:
                why = _first_line(error)
            if not self._stopped.is_set():
                log.warning("The queue %s is taken up again: %s", queue.value, why)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _rescue(self, connector: procrastinate.PsycopgConnector) -> None:
        manager = procrastinate.manager.JobManager(connector)
        try:
            await rescue(manager, 3 * self._beat)
        except ConnectorException as error:
            log.warning("Nobody can be rescued now: %s", _first_line(error))

    async def _regularly(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while not self._stopped.is_set():
            await act()
            await asyncio.sleep(seconds)


def _first_line(error: ConnectorException) -> str:
    return str(error.__cause__ or error).strip().partition("\n")[0]


def _heed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """That a job's end could not be written down is told by whoever rescues it."""
    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)
