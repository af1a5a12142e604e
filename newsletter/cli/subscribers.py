"""`newsletter subscribers …`: import, look up, export, leave, erase."""

import json

import click
from sqlalchemy.orm import Session

from newsletter.cli import consents, importing
from newsletter.cli.office import as_json, log, open_office, print_json
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixRequest
from newsletter.models import Subscriber
from newsletter.subscribers import exporting, leaving, preferences, privacy

email_argument = click.argument("email")
SHOWN = (
    *("email", "state", "locale", "cadence", "topics"),
    *("created_at", "confirmed_at", "left_at", "paused_until"),
)


@click.group("subscribers")
def command() -> None:
    """People and what they chose."""


command.add_command(consents.command)
command.add_command(importing.command)


@command.command("show")
@email_argument
@as_json
def show(email: str, as_json: bool) -> None:
    """One subscriber: state, choices, and what happened."""
    office = open_office()
    with office.database.read() as session:
        found = privacy.export(session, office.settings, _find(session, email))
    if as_json:
        return print_json(found)
    for name in SHOWN:
        value = found[name]
        click.echo(f"{name:13} {', '.join(value) if isinstance(value, list) else value or '-'}")
    if blocked := found["suppression"]:
        lifted = f", lifted {blocked['lifted_at']}" if blocked["lifted_at"] else ""
        click.echo(f"suppression   {blocked['reason']} since {blocked['since']}{lifted}")
    for consent in found["consents"]:
        click.echo(f"consent       {consent['at']} {consent['event']} by {consent['route']}")
    for delivery in found["deliveries"]:
        click.echo(f"issue {delivery['issue_number']:<7} {delivery['state']}")
    return None


@command.command("export")
@click.argument("email", required=False)
@click.option("--all", "everyone", is_flag=True, help="One JSON object a line, for everybody.")
def export(email: str | None, everyone: bool) -> None:
    """All we hold about one person, or about everybody, as JSON."""
    if (email is None) is not everyone:
        raise click.UsageError("Name one address, or say --all.")
    office = open_office()
    with office.database.read() as session:
        if email is not None:
            return print_json(privacy.export(session, office.settings, _find(session, email)))
        for copy in exporting.everybody(session, office.settings):
            print(json.dumps(copy, ensure_ascii=False))
    return None


@command.command("leave")
@email_argument
def leave(email: str) -> None:
    """Unsubscribe somebody who asked for it another way; planned mail is withdrawn."""
    office = open_office()
    with office.database.write() as session:
        found = _find(session, email)
        left = leaving.leave(session, office.settings, found, "command", utcnow())
        if left.changed:
            log(session, "subscriber.leave", f"subscriber {found.id}")
    click.echo("Unsubscribed." if left.changed else "Had already left.")


@command.command("erase")
@email_argument
@click.option("--why", metavar="TEXT", help="Kept with the nameless proof.")
@click.option("--tell", is_flag=True, help="By one last letter, which is then forgotten too.")
def erase(email: str, why: str | None, tell: bool) -> None:
    """Remove every trace of an address but the keyed hash that keeps us from writing again."""
    office = open_office()
    with office.database.write() as session:
        found = preferences.find_by_address(session, email)
        known = privacy.erase_address(session, office.settings, email, utcnow(), why=why, tell=tell)
        if known:
            subject = f"subscriber {found.id}" if found else "an address"
            log(session, "subscriber.erase", subject)
    if not known:
        raise FixRequest("No subscriber has this address.")
    office.database.forget()
    click.echo("Erased.")


def _find(session: Session, email: str) -> Subscriber:
    found = preferences.find_by_address(session, email)
    if found is None:
        raise FixRequest("No subscriber has this address.")
    return found
