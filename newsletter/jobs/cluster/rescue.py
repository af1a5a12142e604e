"""Jobs of workers that fell silent: their locks are freed, and each is done anew.

The job itself is deleted and another put in its place: should the silent worker wake, it finishes
a job that is not there, and never one that another worker runs.
"""

import logging
from contextlib import suppress

from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

log = logging.getLogger(__name__)


async def rescue(manager: JobManager, silent_seconds: float) -> int:
    """Look once; returns how many jobs were put in the queue again. Every host does this by itself,
    not by a job: a job could be the one that hangs."""
    rescued = 0
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=silent_seconds):
        rescued += await _replace(manager, job)
    await manager.prune_stalled_workers(silent_seconds)  # their ids never come again
    return rescued


async def _replace(manager: JobManager, job: Job) -> bool:
    try:
        await manager.finish_job(job, Status.FAILED, delete_job=True)
    except ConnectorException:  # another host was faster, or its worker lives and ended it
        return False
    log.warning("A worker fell silent over the job %s; it is done anew.", job.task_name)
    fresh = job.evolve(id=None, status=None, worker_id=None, attempts=0)
    with suppress(AlreadyEnqueued):
        await manager.defer_job_async(fresh)
    return True
