"""`newsletter adopt`: take over a copy of the server, or a restored backup."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click

from newsletter import journal
from newsletter.cli.office import Office, as_json, log, open_office, print_json, progress
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixRequest
from newsletter.recovery import adopting, replaying
from newsletter.recovery.adopting import Adopted, Found
from newsletter.recovery.replaying import Replayed

FILES = click.Path(exists=True, dir_okay=False, path_type=Path)
WARNING = """\
Rows that were mailed after the backup was made are open again in it: `send` mails those readers a
second time. `withdraw` mails nobody again: who did not get the issue finds its items in the next
one, and who did sees them there once more."""


@click.command("adopt")
@click.argument("journals", nargs=-1, type=FILES)
@click.option("--send", "choice", flag_value="send", help="All goes on as the database says.")
@click.option("--withdraw", "choice", flag_value="withdraw", help="Nothing goes by itself.")
@as_json
def command(journals: tuple[Path, ...], choice: str | None, as_json: bool) -> None:
    """Make this machine and place the home of the database, which is a copy or was restored.

    The journal of who left, of this host, is replayed first; JOURNALS are those of other hosts.
    """
    office = open_office()
    _check(journals)
    with office.database.read() as session:
        found = adopting.look(session, office.settings, utcnow())
    if found is None and not journals:
        return print_json({"held": None}) if as_json else click.echo(NOTHING)
    if found and not as_json:
        _tell(found)
    send = _choose(found, choice) == "send" if found else True
    paths = [*journal.files(office.settings), *journals]
    replayed = _replay(office, paths, quiet=as_json)
    done = _adopt(office, replayed, send=send) if found else Adopted()
    if as_json:
        return print_json(_as_data(found, replayed, done, send=send))
    return _say(found, replayed, done, paths)


NOTHING = "Nothing is held: this database is at home here."


def _choose(found: Found, choice: str | None) -> str:
    if choice or not found.asks:
        return choice or "withdraw"
    if not sys.stdin.isatty():
        raise click.UsageError("Say --send or --withdraw: what becomes of what is open?")
    click.echo(WARNING)
    choices = click.Choice(["send", "withdraw"])
    return str(click.prompt("Send or withdraw what is open?", "withdraw", type=choices))


def _check(journals: tuple[Path, ...]) -> None:
    """A file that is no journal would look as if nobody left."""
    for path in journals:
        if next(iter(journal.read([path])), None) is None:
            raise FixRequest(f"{path} is no journal: it has no line of who left.")


def _replay(office: Office, paths: list[Path], quiet: bool) -> Replayed:
    with office.database.read() as session:
        total = replaying.subscribers(session)
    with progress("Replaying the journal", total, quiet) as advance:
        lines = journal.read(paths)
        return replaying.replay(office.database, office.settings, lines, utcnow(), advance)


def _adopt(office: Office, replayed: Replayed, *, send: bool) -> Adopted:
    with office.database.write() as session:
        done = adopting.adopt(session, office.settings, utcnow(), send=send)
        again = replayed.left + replayed.blocked + replayed.erased
        facts = {"choice": "send" if send else "withdraw", "deliveries": done.withdrawn}
        log(session, "fence.adopt", "database", **facts, again=again)
    return done


def _tell(found: Found) -> None:
    click.echo(f"Nothing is sent: {found.why}.")
    if found.ahead:
        click.echo(f"The fence outside is {found.ahead} batches further than the database.")
    if found.raised_at:
        click.echo(f"It was last used on {found.host} at {found.raised_at.isoformat()}.")
    for issue in found.issues:
        click.echo(f"Issue {issue.number} is {issue.state}; {issue.open} deliveries are open.")
    if found.letters or found.events:
        click.echo(f"{found.letters} letters and {found.events} events for programs wait.")
    for cadence in found.slots:
        click.echo(f"A slot of {cadence} has come, and was not compiled.")


def _say(found: Found | None, replayed: Replayed, done: Adopted, paths: list[Path]) -> None:
    again = f"{replayed.left} left, {replayed.blocked} blocked, {replayed.erased} erased"
    click.echo(f"The journal of this host and those named ({len(paths)} files): {again} again.")
    click.echo("Who left by way of another host is known only when its journal was named, too.")
    if found is None:
        return
    if done.withdrawn or done.letters or done.events:
        click.echo(
            f"Withdrawn: {done.withdrawn} deliveries, {done.letters} letters and {done.events} "
            "events for programs."
        )
    for number in done.stopped:
        click.echo(f"Issue {number} is stopped; `newsletter issues resume {number}` goes on.")
    for cadence in done.passed_over:
        click.echo(f"The slot of {cadence} that came meanwhile is passed over.")
    click.echo("The database is at home here now. Items sent since the backup count as new: look")
    click.echo("at the next issue before it goes.")


def _as_data(
    found: Found | None, replayed: Replayed, done: Adopted, *, send: bool
) -> dict[str, Any]:
    return {
        "held": dataclasses.asdict(found) if found else None,
        "choice": ("send" if send else "withdraw") if found else None,
        "replayed": dataclasses.asdict(replayed),
        "adopted": dataclasses.asdict(done),
    }
