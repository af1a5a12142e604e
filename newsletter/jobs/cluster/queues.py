"""Each queue of duties as an app of Procrastinate: what runs when, and how much of it at once.

A job is a tick: what there is to do stands in our own tables, so a job holds nothing, is deleted
when it ends however it ends, and of each duty at most one waits. Of all hosts whose clocks strike
the same second one gets to write the tick.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from newsletter.jobs.duties import Duties, Duty, Where

log = logging.getLogger(__name__)

# How many jobs of a queue one process runs at once. Of chores each runs alone among all hosts.
SLOTS = {Where.NOTICES: 2, Where.DELIVERY: 1, Where.CHORES: 2, Where.CONTENT: 1}
SHARED = (Where.NOTICES, Where.DELIVERY)  # any number of hosts at once: rows are shared out


def app_of(
    queue: Where,
    mine: Iterable[Duty],
    duties: Duties,
    connector: procrastinate.PsycopgConnector,
) -> procrastinate.App:
    """An app that knows the duties of one queue, and defers each when its time comes."""
    app = procrastinate.App(connector=connector)
    for duty in mine:
        task = app.task(
            name=duty.name,
            queue=queue.value,
            queueing_lock=duty.name,
            lock=None if queue in SHARED else duty.name,
        )(_job(duties, duty))
        app.periodic(cron=cron(duty.seconds))(task)
    return app


def _job(duties: Duties, duty: Duty) -> Callable[..., None]:
    def job(timestamp: int) -> None:  # Procrastinate's, of the tick
        duties.guarded(getattr(duties, duty.name))

    return job


def cron(seconds: float) -> str:
    """A rule for about every so many seconds: a sixth field counts them, as croniter has it."""
    if seconds < 60:
        return f"* * * * * */{max(1, int(seconds))}"
    if seconds < 3600:
        return f"*/{int(seconds // 60)} * * * *"
    return f"0 */{min(23, int(seconds // 3600))} * * *"


async def call(app: procrastinate.App, name: str) -> None:
    """A tick out of turn, for another pair of hands, unless one waits already."""
    job = app.configure_task(name, allow_unknown=False)
    try:
        await job.defer_async(timestamp=int(time.time()))
    except AlreadyEnqueued:
        pass
    except ConnectorException as error:  # the next tick calls them
        log.warning("Another worker could not be called: %s", error.__cause__)


def caller(
    app: procrastinate.App, name: str, loop: asyncio.AbstractEventLoop
) -> Callable[[], None]:
    """`call`, from any thread, without waiting."""

    def ring() -> None:
        asyncio.run_coroutine_threadsafe(call(app, name), loop)

    return ring
