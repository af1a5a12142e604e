"""`newsletter doctor`: is this server fit to send?"""

import dataclasses
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence

import click

from newsletter import doctor
from newsletter import settings as settings_module
from newsletter.cli.office import as_json, open_database, print_json, progress
from newsletter.delivery.sender import utcnow
from newsletter.doctor import Line
from newsletter.errors import FixSettings

WIDTH = 100
INDENT = " " * 25  # below what is said


@click.command("doctor")
@click.option("--selector", default="", help="Of the DKIM key the relay signs with, if not we do.")
@as_json
def command(selector: str, as_json: bool) -> None:
    """Look at settings, database, disk, clock, relay and DNS; say how to mend what is wrong.

    Exit 1 when a line says fail. Nothing is written and no mail is sent.
    """
    lines = _examined(selector, as_json)
    if as_json:
        print_json([dataclasses.asdict(line) for line in lines])
    else:
        _print(lines)
    raise SystemExit(1 if any(line.grade == "fail" for line in lines) else 0)


def _examined(selector: str, quiet: bool) -> list[Line]:
    try:
        settings = settings_module.load()
    except FixSettings as error:
        return doctor.unset(error)
    database = open_database(settings)
    wanted = doctor.checks(settings, database, utcnow(), doctor.system_resolver, selector)
    with progress("Looking", len(wanted), quiet or not sys.stdout.isatty()) as advance:
        return doctor.examine(wanted, advance)


def _print(lines: Sequence[Line]) -> None:
    for line in lines:
        click.echo(_wrapped(f"{line.grade.upper():4}  {line.name:18} ", line.said))
        for part in line.mend.splitlines():
            # A record to paste begins its line: a blank there means something in a zone file.
            click.echo(part if " IN " in part else _wrapped(INDENT, part))
    counts = Counter(line.grade for line in lines)
    said = ", ".join(f"{counts[grade]} {grade}" for grade in ("ok", "warn", "fail"))
    click.echo(f"{said}.")


def _wrapped(start: str, words: str) -> str:
    """Broken at blanks only."""
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=start,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
