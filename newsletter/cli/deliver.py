"""`newsletter deliver`: work the ledger until nothing is due."""

import dataclasses
import signal
import threading

import click

from newsletter.cli.office import Office, as_json, open_office, print_json, progress
from newsletter.delivery import ledger
from newsletter.issues import publishing
from newsletter.jobs import tasks
from newsletter.models import Issue


@click.command("deliver")
@click.option(
    "--issue", "number", type=click.IntRange(1, 2**31 - 1), metavar="N", help="Only this issue."
)
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
        if number is not None:
            publishing.get(session, number)
        due, _held = ledger.open_count(session, number)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with progress("Delivering", due, quiet=as_json) as advance:
        done = tasks.deliver(
            office.database,
            settings,
            issue_number=number,
            stop=stop,
            on_accepted=advance,
        )
    _say(done, as_json)
    _say_why(office, done.paused)
    raise SystemExit(1 if done.paused or done.held else 0)


def _say(done: tasks.Delivered, as_json: bool) -> None:
    if as_json:
        return print_json(dataclasses.asdict(done))
    click.echo(f"{done.accepted} messages accepted by the relay; {done.open} deliveries are open.")
    if done.next_due:
        click.echo(f"The next one is due at {done.next_due.isoformat()}.")
    if done.held:
        click.echo(
            f"{done.held} are in doubt and wait for you: `newsletter issues resume N` sends them "
            "once more, `newsletter issues stop N` withdraws them.",
            err=True,
        )
    return None


def _say_why(office: Office, paused: list[int]) -> None:
    """What each paused issue waits for: a person, or a relay that takes mail again."""
    with office.database.read() as session:
        for issue in (session.get_one(Issue, number) for number in paused):
            then = f"`newsletter issues resume {issue.number}` goes on."
            if issue.ask_at:
                then = f"The relay is asked again at {issue.ask_at.isoformat()}."
            click.echo(f"Issue {issue.number} is paused: {issue.why}. {then}", err=True)
