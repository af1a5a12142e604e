"""`newsletter worker`: one process of the cluster."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import click

from newsletter.cli import logs
from newsletter.cli.office import Office, open_office
from newsletter.errors import FixSettings
from newsletter.seeing.glance import Watch
from newsletter.seeing.listening import Listener, listen


@click.command("worker")
def command() -> None:
    """Mail and do all that is done by time, beside other workers (PostgreSQL)."""
    office = open_office()
    if office.database.engine.name != "postgresql":
        raise FixSettings(
            "`newsletter worker` needs PostgreSQL in DATABASE_URL; with SQLite `newsletter serve` "
            "does it all."
        )
    logs.set_up(office.settings)
    with _watched(office):
        asyncio.run(_work(office))


@contextmanager
def _watched(office: Office) -> Iterator[None]:
    """What METRICS_PORT shows, while the worker works."""
    if not office.settings.metrics_port:
        yield
        return
    watch = Watch(office.settings, office.database)
    with listen(office.settings.metrics_port) as figures:
        listener = Listener(watch, figures)
        listener.start()
        yield
        listener.stop()


async def _work(office: Office) -> None:
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
    if not await worker.work():
        click.echo("What was going on did not end in time; its leases run out.", err=True)
        os._exit(1)  # threads that wait for the network would hold up the end
