"""`newsletter audit …`: the log of changes, and whether anybody tampered with it."""

import click

from newsletter import audit
from newsletter.cli.office import as_json, open_office, print_json


@click.group("audit")
def command() -> None:
    """The log of every change by a person or by the clock, chained by hash."""


@command.command("verify")
@click.option("--lines", type=click.IntRange(1), help="With --head: so many lines there were …")
@click.option("--head", metavar="HASH", help="… of which the last was this one, when you noted it.")
@as_json
def verify(lines: int | None, head: str | None, as_json: bool) -> None:
    """Walk the whole chain; exit 1 when a line was altered, taken out, slipped in or cut off.

    It is compared with what the clock noted in INSTANCE_DIR/audit.head, and with what you noted.
    """
    if (lines is None) is not (head is None):
        raise click.UsageError("--lines and --head go together.")
    mine = [audit.Head(lines, head.lower())] if lines is not None and head is not None else []
    office = open_office()
    with office.database.read() as session:
        verdict = audit.verify(session, office.settings, mine)
    broken = str(verdict.broken) if verdict.broken else None
    if as_json:
        print_json(
            {name: getattr(verdict, name) for name in ("lines", "head", "noted")}
            | {"broken": broken}
        )
    elif broken is None:
        words = f"{verdict.lines} lines, none altered; the last is {verdict.head}."
        click.echo(f"{words} Compared with {verdict.noted} noted before.")
    else:
        click.echo(f"The log is broken: {broken}.", err=True)
    raise SystemExit(1 if broken else 0)


@command.command("list")
@click.option("--search", default="", metavar="WORDS", help="In what was done, and with what.")
@click.option("--actor", default="", help='"editor 3", "clock" or "command line".')
@click.option("--before", type=int, metavar="NUMBER", help="Older than this line.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json
def list_lines(search: str, actor: str, before: int | None, limit: int, as_json: bool) -> None:
    """Lines of the log, newest first."""
    office = open_office()
    with office.database.read() as session:
        lines = audit.found(session, search, actor, before, limit)
    if as_json:
        fields = ("number", "at", "actor", "action", "subject", "facts", "hash")
        return print_json([{name: getattr(line, name) for name in fields} for line in lines])
    for line in lines:
        facts = "".join(f" {name}={value}" for name, value in line.facts.items())
        when = line.at.strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"{line.number:6}  {when}  {line.actor}: {line.action} {line.subject}{facts}")
    return None
