"""`newsletter suppressions …`: who must not be mailed."""

import json
from datetime import datetime
from typing import Any, TextIO

import click

from newsletter import journal, suppression
from newsletter.addresses import parse
from newsletter.cli.office import Office, as_json, log, open_office, print_json
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixRequest
from newsletter.models import SuppressionReason
from newsletter.subscribers import consent, privacy
from newsletter.tokens import tokens_of

UNTIL = {"confirmed": "the person confirms again", "staff": "staff lifts it"}


@click.group("suppressions")
def command() -> None:
    """Addresses that must not be mailed, kept as keyed hashes."""


@command.command("list")
@as_json
def list_suppressions(as_json: bool) -> None:
    """All of them, by keyed hash."""
    office = open_office()
    with office.database.read() as session:
        rows: list[dict[str, Any]] = [
            {
                "address_key": row.address_key,
                "reason": row.reason.value,
                "since": row.since.isoformat(),
                "until": suppression.until(row).value,
                "why": row.why,
                "erased_at": row.erased_at.isoformat() if row.erased_at else None,
                "lifted_at": row.lifted_at.isoformat() if row.lifted_at else None,
                "lifted_why": row.lifted_why,
            }
            for row in suppression.listed(session)
        ]
    if as_json:
        return print_json(rows)
    for row in rows:
        end = f"until {UNTIL[row['until']]}"
        if row["lifted_at"]:
            end = f"lifted {row['lifted_at']}: {row['lifted_why']}"
        why = f" ({row['why']})" if row["why"] else ""
        key, since = row["address_key"][:16], row["since"]
        click.echo(f"{key}…  {row['reason']}{why} since {since}, {end}")
    return None


@command.command("add")
@click.argument("email")
@click.option("--why", help="For those who ask later.")
def add(email: str, why: str | None) -> None:
    """Never mail this address again, whatever is planned."""
    office = open_office()
    with office.database.write() as session:
        privacy.suppress(session, office.settings, email, SuppressionReason.STAFF, utcnow(), why)
        log(session, "suppression.add", _named(office, email))
    office.database.forget()
    click.echo("The address is suppressed.")


@command.command("lift")
@click.argument("email")
@click.option("--why", required=True, help="Kept with the suppression.")
def lift(email: str, why: str) -> None:
    """Allow this address again; its reader still has to sign up and confirm."""
    office = open_office()
    tokens = tokens_of(office.settings)
    with office.database.write() as session:
        canonical = parse(email, allow_utf8=True).canonical
        nameless = consent.nameless(why, canonical)
        if not suppression.lift(session, tokens, canonical, utcnow(), nameless):
            raise FixRequest("This address is not suppressed.")
        log(session, "suppression.lift", _named(office, email))
    click.echo("The suppression is lifted.")


@command.command("apply")
@click.argument("file", type=click.File(encoding="utf-8"))
def apply(file: TextIO) -> None:
    """Block and erase again what a newer list says (FILE of `suppressions list --json`).

    For a database that was restored from a backup: who was erased since is erased again.
    """
    office = open_office()
    entries = _entries(file)
    with office.database.write() as session:
        count = privacy.reapply(session, office.settings, entries, utcnow())
        log(session, "suppression.apply", "suppressions", entries=len(entries), again=count)
    office.database.forget()
    click.echo(f"Entries in force: {len(entries)}; subscribers blocked or erased again: {count}.")


def _named(office: Office, email: str) -> str:
    """A suppression, by the beginning of its keyed hash, as `list` shows it."""
    canonical = parse(email, allow_utf8=True).canonical
    return f"suppression {tokens_of(office.settings).address_key(canonical)[:16]}"


def _entries(file: TextIO) -> list[suppression.Entry]:
    try:
        return [
            suppression.Entry(
                address_key=row["address_key"],
                reason=SuppressionReason(row["reason"]),
                since=datetime.fromisoformat(row["since"]),
                why=row["why"],
                erased_at=_moment(row.get("erased_at")),
            )
            for row in json.load(file)
            if row["lifted_at"] is None
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise FixRequest(
            f"{file.name} is not a list of `newsletter suppressions list --json`: {error!r}."
        ) from None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@command.command("forget")
@click.argument("email")
@click.option("--sure", is_flag=True, help="Yes: an import may then bring the address back.")
def forget(email: str, sure: bool) -> None:
    """Delete even the keyed hash, for who insists on it; nothing keeps us from writing then."""
    if not sure:
        raise click.UsageError("Say --sure: an import may then bring the address back.")
    office = open_office()
    canonical = parse(email, allow_utf8=True).canonical
    with office.database.write() as session:
        if not suppression.forget(session, tokens_of(office.settings), canonical):
            raise FixRequest("There is no suppression of this address.")
        forgotten = journal.Purpose.FORGOTTEN  # else the journal would block it again
        journal.write(session, office.settings, forgotten, [canonical], utcnow())
        log(session, "suppression.forget", "a suppression")
    office.database.forget()
    click.echo("The suppression is forgotten; the journal, which keeps the hash, makes it no more.")
