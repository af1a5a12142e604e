"""`newsletter worker`: one process of the cluster."""

import asyncio
import logging.config
import os
import signal
import socket

import click

from newsletter.cli.office import Office, open_office
from newsletter.cli.serve.logs import LOGGING
from newsletter.errors import FixSettings


@click.command("worker")
def command() -> None:
    """Mail and do all that is done by time, beside other workers (PostgreSQL)."""
    office = open_office()
    if office.database.engine.name != "postgresql":
        raise FixSettings(
            "`newsletter worker` needs PostgreSQL in DATABASE_URL; with SQLite `newsletter serve` "
            "does it all."
        )
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **_logging()})
    if not asyncio.run(_work(office)):
        click.echo("What was going on did not end in time; its leases run out.", err=True)
        os._exit(1)  # threads that wait for the network would hold up the end


async def _work(office: Office) -> bool:
    from newsletter.jobs.cluster import Worker  # Procrastinate, which nobody else needs

    worker, loop = Worker(office.settings, office.database), asyncio.get_running_loop()

    def end(number: int) -> None:
        if worker.duties.stopping.is_set():
            os._exit(128 + number)  # asked for twice: at once
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    queues = ", ".join(worker.queues)
    click.echo(f"Worker {os.getpid()} on {socket.gethostname()}: {queues}. Stop with Ctrl-C.")
    return await worker.work()


def _logging() -> dict[str, object]:
    """Ours says what went wrong; the engine would say it once more for each of its parts."""
    quiet = {"procrastinate": {"level": "CRITICAL"}, "psycopg.pool": {"level": "ERROR"}}
    console = {"class": "logging.StreamHandler", "formatter": "generic"}
    loggers = {**LOGGING["loggers"], **quiet}  # type: ignore[dict-item]
    return {**LOGGING, "loggers": loggers, "handlers": {"error_console": console}}
