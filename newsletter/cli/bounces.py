"""`newsletter bounces …`: what comes back."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from newsletter.bounces import dsn
from newsletter.bounces.files import messages
from newsletter.bounces.intake import Counts, Incoming
from newsletter.bounces.report import Report
from newsletter.cli.office import Office, as_json, open_office, print_json
from newsletter.i18n import translate
from newsletter.jobs import reports
from newsletter.jobs.mailboxes import LARGEST, Postbox, hand_over

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
    _tell(office, reports.take_in(office.database, office.settings, found), as_json)


@command.command("fetch")
@as_json
def fetch(as_json: bool) -> None:
    """Take in what lies in BOUNCE_MAILBOX now, as the clock of `serve` does by itself."""
    office = open_office()
    _tell(office, Postbox(office.settings).fetch(office.database), as_json)


@command.command("pipe")
@click.option("--to", help="Whom the message was sent to; Postfix: ${original_recipient}.")
def pipe(to: str | None) -> None:
    """Take in one message from standard input, as a mail server hands it over.

    Ends with 0 once it is kept, and with 75 (EX_TEMPFAIL of sysexits) when it must come again.
    """
    raw = sys.stdin.buffer.read(LARGEST + 1)
    if len(raw) > LARGEST:
        click.echo(f"Messages may have {LARGEST} octets.", err=True)
        raise SystemExit(os.EX_UNAVAILABLE)
    try:
        office = open_office()
        hand_over(office.database, office.settings, Incoming(raw, to or None, "pipe"))
    except Exception as error:  # whatever it is: the mail server keeps the message
        click.echo(f"Not taken yet: {translate('en', str(error))}", err=True)
        raise SystemExit(os.EX_TEMPFAIL) from None


def _tell(office: Office, done: Counts, as_json: bool) -> None:
    """Say what was done; whom it closed leaves no trace in SQLite's log."""
    counts = done.as_dict()
    office.database.forget()
    if as_json:
        print_json(counts)
    else:
        _print(counts)


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
