"""`newsletter deliver`: work the ledger until nothing is due."""

import dataclasses
import signal
import threading

import click

from newsletter.cli.office import as_json, open_office, print_json, progress
from newsletter.delivery import ledger
from newsletter.jobs import tasks


@click.command("deliver")
@click.option("--issue", "number", type=int, metavar="N", help="Only this issue.")
@click.option("--connections", type=click.IntRange(1, 500), help="SMTP connections at once.")
@as_json
def command(number: int | None, connections: int | None, as_json: bool) -> None:
    """Work the ledger until nothing is due; say what is open and when it comes next."""
    office = open_office()
    settings = office.settings
    if connections:
        settings = dataclasses.replace(settings, delivery_connections=connections)
    tasks.advance_issues(office.database, settings)
    with office.database.read() as session:
        due = ledger.open_count(session, number)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with progress("Delivering", due) as advance:
        done = tasks.deliver(
            office.database,
            settings,
            issue_number=number,
            stop=stop,
            on_accepted=(lambda _: None) if as_json else advance,
        )
    if as_json:
        print_json(
            {
                "accepted": done.accepted,
                "paused": done.paused,
                "finished": done.finished,
                "open": done.open,
                "next_due": done.next_due,
            }
        )
        return
    click.echo(f"{done.accepted} messages accepted by the relay; {done.open} deliveries are open.")
    if done.next_due:
        click.echo(f"The next one is due at {done.next_due.isoformat()}.")
    for issue in done.paused:
        click.echo(f"Issue {issue} is paused; `newsletter issues show {issue}` says why.", err=True)
    raise SystemExit(1 if done.paused else 0)
