"""`newsletter subscribers import`: a file of people, committed batch by batch."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
from sqlalchemy.orm import Session

from newsletter.cli.office import as_json, log, open_office, progress
from newsletter.delivery.sender import utcnow
from newsletter.subscribers import importing
from newsletter.subscribers.importing import ImportReport, Order, Refusal
from newsletter.subscribers.importing.formats import CONFIRMED_AT, PLAIN

AT_ONCE = 1000  # refusals written together
BLOCK = 1 << 20


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, metavar="TEXT", help="Where their consent is kept.")
@click.option("--invite", is_flag=True, help="Ask rows without a time of consent to confirm.")
@click.option(
    "--confirmed-at",
    metavar="COLUMN",
    help="The column with the time of consent, in a file that does not say it by itself.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and write nothing.")
@as_json
def command(
    file: Path, source: str, invite: bool, confirmed_at: str | None, dry_run: bool, as_json: bool
) -> None:
    """Take in subscribers from a CSV file with a header: ours, Mailchimp's, listmonk's, Brevo's.

    Rows that are refused are listed with line and reason, the others go in. Broken off, the same
    command goes on where it was.
    """
    office = open_office()
    order = Order(source, utcnow(), office.library.topics(), invite, dry_run)
    sheet = importing.read(importing.read_lines(file), confirmed_at)
    opened = office.database.read() if dry_run else office.database.write()
    with progress("Importing", _row_count(file), quiet=as_json) as advance, opened as session:
        step = _by_batch(session, advance)
        report = importing.take_in(session, office.settings, sheet, order, step)
        if not dry_run:
            counts = {"added": report.added, "confirmed": report.activated}
            log(session, "subscribers.import", "subscribers", **counts)
    if as_json:
        return _print_json(report)
    if report.format != PLAIN.name:
        click.echo(f"This is a file of {report.format}.")
    if CONFIRMED_AT not in sheet.layout.places:
        click.echo("It has no time of consent that we know: --confirmed-at COLUMN names one.")
    return _print(report)


def _row_count(file: Path) -> int:
    """Lines below the header, which are rows nearly always: it is for the bar."""
    with file.open("rb") as stream:
        lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(BLOCK), b""))
    return max(lines - 1, 0)


def _by_batch(session: Session, advance: Callable[[int], None]) -> Callable[[int], None]:
    seen = 0

    def step(done: int) -> None:
        nonlocal seen
        session.commit()  # the site and the sender write between batches
        advance(done - seen)
        seen = done

    return step


def _print(report: ImportReport) -> None:
    if report.ignored:
        click.echo(f"Columns left out: {', '.join(report.ignored)}.")
    for some in _parts(report.refused):
        click.echo("\n".join(f"line {row.line}: {row.reason}" for row in some), err=True)
    would = "Would be: " if report.dry_run else ""
    click.echo(
        f"{would}{report.added} added, {report.activated} confirmed, {report.unchanged} unchanged, "
        f"{len(report.refused)} refused."
    )


def _print_json(report: ImportReport) -> None:
    """One document, written piece by piece: there may be a million refusals."""
    counts = {
        "format": report.format,
        "ignored": report.ignored,
        "dry_run": report.dry_run,
        "added": report.added,
        "activated": report.activated,
        "unchanged": report.unchanged,
    }
    click.echo(
        json.dumps(counts, ensure_ascii=False, indent=2)[:-2] + ',\n  "refused": [', nl=False
    )
    before = "\n"
    for some in _parts(report.refused):
        rows = (json.dumps(row._asdict(), ensure_ascii=False) for row in some)
        click.echo(before + ",\n".join(f"    {row}" for row in rows), nl=False)
        before = ",\n"
    click.echo("\n  ]\n}")


def _parts(refusals: Iterable[Refusal]) -> Iterator[list[Refusal]]:
    rest = iter(refusals)
    while some := list(islice(rest, AT_ONCE)):
        yield some
