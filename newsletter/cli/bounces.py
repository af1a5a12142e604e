"""`newsletter bounces …`: what comes back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from newsletter.bounces import dsn
from newsletter.bounces.files import messages
from newsletter.bounces.intake import Incoming
from newsletter.bounces.report import Report
from newsletter.cli.office import as_json, open_office, print_json
from newsletter.jobs import reports

PATHS = click.Path(path_type=Path)
DONE = {
    "suppressed": "readers who are mailed no more",
    "left": "readers who left by mail",
    "forwarded": "messages of people, passed on to REPLY_TO",
    "kept": "messages of people, left where they are read",
    "again": "counted before",
    "unproven": "that prove nothing, and moved nothing",
}


@click.group("bounces")
def command() -> None:
    """Bounces, complaints and replies."""


@command.command("classify")
@click.argument("paths", nargs=-1, required=True, type=PATHS)
@as_json
def classify(paths: tuple[Path, ...], as_json: bool) -> None:
    """Say what messages are: files, folders, Maildirs or mbox files. Nothing is kept or changed.

    One line for each recipient that a message speaks of; with --json one object a line.
    """
    for place, report in _reports(paths):
        click.echo(_object(place, report) if as_json else _line(place, report))


@command.command("read")
@click.argument("paths", nargs=-1, required=True, type=PATHS)
@as_json
def read(paths: tuple[Path, ...], as_json: bool) -> None:
    """Take in messages: files, folders, Maildirs or mbox files.

    Each report counts once, however often it is read; the files stay as they are.
    """
    office = open_office()
    found = (
        Incoming(raw, source=place) for path in paths for place, raw in messages(path, whole=True)
    )
    counts = reports.take_in(office.database, office.settings, found).as_dict()
    office.database.forget()
    if as_json:
        return print_json(counts)
    _print(counts)
    return None


def _print(counts: dict[str, Any]) -> None:
    click.echo(f"Reports: {counts['reports']}")
    for kind, times in counts["kinds"].items():
        if times:
            click.echo(f"  {kind.replace('_', ' ')}: {times}")
    for name, what in DONE.items():
        if counts[name]:
            click.echo(f"{counts[name]} {what}")


def _reports(paths: tuple[Path, ...]) -> Iterator[tuple[str, Report]]:
    return (
        (place, report)
        for path in paths
        for place, raw in messages(path)
        for report in dsn.read(raw)
    )


def _object(place: str, report: Report) -> str:
    row = {
        "path": place,
        "kind": report.kind.value,
        "status": report.status,
        "reason": report.reason,
        "recipient": report.recipient,
    }
    return json.dumps(row, ensure_ascii=False)


def _line(place: str, report: Report) -> str:
    reason = f"  {report.reason[:80]}" if report.reason else ""
    columns = f"{report.kind:11}  {report.status or '-':7}  {report.recipient or '-':32}"
    return f"{columns}  {place}{reason}"
