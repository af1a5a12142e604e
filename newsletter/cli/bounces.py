"""`newsletter bounces …`: what comes back."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from newsletter.bounces.dsn import read
from newsletter.bounces.files import messages
from newsletter.bounces.report import Report
from newsletter.cli.office import as_json


@click.group("bounces")
def command() -> None:
    """Bounces, complaints and replies."""


@command.command("classify")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def classify(paths: tuple[Path, ...], as_json: bool) -> None:
    """Say what messages are: files, folders, Maildirs or mbox files. Nothing is kept or changed.

    One line for each recipient that a message speaks of; with --json one object a line.
    """
    for place, report in _reports(paths):
        click.echo(_object(place, report) if as_json else _line(place, report))


def _reports(paths: tuple[Path, ...]) -> Iterator[tuple[str, Report]]:
    return (
        (place, report) for path in paths for place, raw in messages(path) for report in read(raw)
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
