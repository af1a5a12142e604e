"""`newsletter subscribers …`: import, look up, export, leave, erase."""

import json
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.cli.office import as_json, open_office, print_json, progress
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixRequest
from newsletter.models import Subscriber
from newsletter.subscribers import csvfile, preferences, privacy
from newsletter.subscribers.importing import ImportReport, import_csv

email_argument = click.argument("email")


@click.group("subscribers")
def command() -> None:
    """People and what they chose."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, metavar="TEXT", help="Where their consent is kept.")
@click.option("--invite", is_flag=True, help="Ask rows without confirmed_at to confirm by mail.")
@as_json
def import_command(file: Path, source: str, invite: bool, as_json: bool) -> None:
    """Take in subscribers from a CSV file with a header."""
    office = open_office()
    report = ImportReport()
    with (
        progress("Importing", _row_count(file), quiet=as_json) as advance,
        office.database.write() as session,
    ):
        seen = 0

        def show(done: int) -> None:
            nonlocal seen
            advance(done - seen)
            seen = done

        report = import_csv(
            session,
            office.settings,
            csvfile.read_lines(file),
            source=source,
            now=utcnow(),
            invite=invite,
            topics_known=office.library.topics(),
            progress=show,
        )
    _print_report(report, as_json)


def _row_count(file: Path) -> int:
    with file.open("rb") as stream:
        return max(sum(1 for _ in stream) - 1, 0)


def _print_report(report: ImportReport, as_json: bool) -> None:
    refused = [{"line": row.line, "reason": row.reason} for row in report.refused]
    if as_json:
        print_json(
            {
                "added": report.added,
                "activated": report.activated,
                "unchanged": report.unchanged,
                "refused": refused,
            }
        )
        return
    for row in report.refused:
        click.echo(f"line {row.line}: {row.reason}", err=True)
    click.echo(
        f"{report.added} added, {report.activated} confirmed, {report.unchanged} unchanged, "
        f"{len(refused)} refused."
    )


@command.command("show")
@email_argument
@as_json
def show(email: str, as_json: bool) -> None:
    """One subscriber: state, choices, and what happened."""
    office = open_office()
    with office.database.read() as session:
        found = privacy.export(session, _find(session, email))
    if as_json:
        return print_json(found)
    for name in ("email", "state", "locale", "cadence", "topics", "created_at", "confirmed_at"):
        value = found[name]
        click.echo(f"{name:13} {', '.join(value) if isinstance(value, list) else value or '-'}")
    for consent in found["consents"]:
        click.echo(f"consent       {consent['at']} {consent['event']} by {consent['route']}")
    for delivery in found["deliveries"]:
        click.echo(f"issue {delivery['issue']:<7} {delivery['state']}")
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
            return print_json(privacy.export(session, _find(session, email)))
        known = select(Subscriber).where(Subscriber.email.is_not(None)).order_by(Subscriber.id)
        for subscriber in session.scalars(known).yield_per(500):
            click.echo(json.dumps(privacy.export(session, subscriber), ensure_ascii=False))
    return None


@command.command("leave")
@email_argument
def leave(email: str) -> None:
    """Unsubscribe somebody who asked for it another way; planned mail is withdrawn."""
    office = open_office()
    with office.database.write() as session:
        left = preferences.leave(
            session, office.settings, _find(session, email), "command", utcnow()
        )
    click.echo("Unsubscribed." if left.changed else "Had already left.")


@command.command("erase")
@email_argument
def erase(email: str) -> None:
    """Remove every trace of an address but the keyed hash that keeps us from writing again."""
    office = open_office()
    with office.database.write() as session:
        known = privacy.erase_address(session, office.settings, email, utcnow())
    if not known:
        raise FixRequest("No subscriber has this address.")
    office.database.forget()
    click.echo("Erased.")


def _find(session: Session, email: str) -> Subscriber:
    found = preferences.find_by_address(session, email)
    if found is None:
        raise FixRequest("No subscriber has this address.")
    return found
