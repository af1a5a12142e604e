"""`newsletter issues …`: compile, look, send, stop."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from newsletter.cli.office import (
    Office,
    as_json,
    log,
    needs_content,
    open_office,
    print_json,
    progress,
)
from newsletter.delivery import ledger
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES
from newsletter.issues import foreseeing, publishing, slots
from newsletter.issues.compiler import compile_issue, read_ahead
from newsletter.issues.planning import base_editions
from newsletter.issues.preflight import PreflightFinding, external
from newsletter.issues.preflight.finding import told_once
from newsletter.models import Edition, Issue

FINDING = ("grade", "rule", "message", "where")
number = click.argument("number", type=click.IntRange(1, 2**31 - 1), metavar="N")


@click.group("issues")
def command() -> None:
    """Appearances of the newsletter."""


@command.command("compile")
@click.option("--cadence", help="Whose readers the issue is for (default: DEFAULT_CADENCE).")
@click.option("--items", "slugs", multiple=True, help="Only these, for all cadences.")
@click.argument("more", nargs=-1, metavar="[SLUG]…")
@as_json
def compile_command(
    cadence: str | None, slugs: tuple[str, ...], more: tuple[str, ...], as_json: bool
) -> None:
    """Compile what readers have not had into an issue; prints its number."""
    office, slugs = open_office(), slugs + more
    needs_content(office.settings)
    if slugs and cadence:
        raise click.UsageError("--cadence and --items exclude each other.")
    if cadence and cadence not in office.settings.cadences:
        known = ", ".join(office.settings.cadences)
        raise FixRequest(f"There is no cadence {cadence!r}; CADENCES names: {known}.")
    wanted = None if slugs else cadence or office.settings.default_cadence
    chosen = (office.settings, office.library, utcnow(), wanted, slugs)
    with office.database.read() as session:
        read_ahead(session, *chosen)
    with office.database.write() as session:
        issue = compile_issue(session, *chosen)
        found = issue.number if issue else None
        if issue:
            log(session, "issue.compile", f"issue {found}", cadence=issue.cadence)
    if as_json:
        print_json({"number": found})
    elif found is None:
        click.echo("Nothing new: readers have had every item that is ready.")
    else:
        click.echo(str(found))


@command.command("list")
@as_json
def list_issues(as_json: bool) -> None:
    """All issues, newest first."""
    office = open_office()
    with office.database.read() as session:
        rows = [_row(session, issue) for issue in publishing.listed(session)]
        missed = slots.never_ran(session, office.settings, utcnow())
    if as_json:
        return print_json(rows)
    for row in rows:
        click.echo(_line(row))
    for one in missed:
        click.echo(f"{one.cadence} of {one.slot:%Y-%m-%d %H:%M} UTC: {one.outcome}", err=True)
    return None


@command.command("show")
@number
@as_json
def show(number: int, as_json: bool) -> None:
    """State and deliveries of one issue."""
    office = open_office()
    with office.database.read() as session:
        row = _row(session, publishing.get(session, number))
    if as_json:
        return print_json(row)
    click.echo(_line(row))
    _say_warm_up(office, number)
    for name, count in row["deliveries"].items():
        click.echo(f"  {name:10} {count}")
    return None


@command.command("preflight")
@number
@click.option("--links", is_flag=True, help="Ask other sites whether the links to them work.")
@as_json
def preflight(number: int, links: bool, as_json: bool) -> None:
    """Check the issue as it would be mailed; exit 1 when a finding stops it."""
    office = open_office()
    with office.database.read() as session:
        issue = publishing.get(session, number)
        found = publishing.check(session, office.settings, issue, utcnow())
        outside = _outside_links(session, office, issue) if links else {}
    found += _broken(outside, as_json)  # the network, when no transaction is open any more
    if as_json:
        rows = [{name: str(getattr(f, name)) for name in FINDING} for _locale, f in found]
        print_json([{"locale": found[i][0], **row} for i, row in enumerate(rows)])
    else:
        once = told_once(found)
        for grade, line in once:
            click.echo(f"{grade}  {line}")
        click.echo(_summary([grade for grade, _line in once]))
    raise SystemExit(1 if any(finding.grade == "stop" for _locale, finding in found) else 0)


@command.command("approve")
@number
def approve(number: int) -> None:
    """Approve it as it is; the clock sends it when its hold window is over, or at its time."""
    office = open_office()
    with office.database.write() as session:
        lacking = publishing.approve(session, office.settings, number, utcnow())
        log(session, "issue.approve", f"issue {number}")
    more = f"; it takes {lacking} more, of other people" if lacking else ""
    click.echo(f"Issue {number} is approved{more}.")


@command.command("schedule")
@number
@click.option("--at", "at", required=True, metavar="TIME", help="ISO 8601; without zone: TIMEZONE.")
def schedule(number: int, at: str) -> None:
    """Send at a moment of your choice."""
    office = open_office()
    moment = _moment(office, at)
    _say_warm_up(office, number, moment)
    with office.database.write() as session:
        lacking = publishing.schedule(session, office.settings, number, moment, utcnow())
        log(session, "issue.schedule", f"issue {number}", at=moment.isoformat())
    first = f", once it has {lacking} more approval(s) of this" if lacking else ""
    click.echo(f"Issue {number} will be sent at {moment.isoformat()}{first}.")


@command.command("send")
@number
def send(number: int) -> None:
    """Send now: skips the hold window, never preflight or required approvals."""
    office = open_office()
    _say_warm_up(office, number)
    with office.database.read() as session:  # editions are made before anything is locked
        renderings = publishing.ready_to_send(session, office.settings, utcnow(), number)
    with office.database.write() as session:
        planned = publishing.send(session, office.settings, number, utcnow(), renderings)
        log(session, "issue.send", f"issue {number}", deliveries=planned)
    click.echo(
        f"Issue {number}: {planned} deliveries planned. "
        "They leave with the clock of `newsletter serve`, or with `newsletter deliver`."
    )


@command.command("stop")
@number
def stop(number: int) -> None:
    """Stop at once; nothing more is handed over until it is resumed."""
    office = open_office()
    with office.database.write() as session:
        publishing.stop(session, number, utcnow())
        log(session, "issue.stop", f"issue {number}")
    click.echo(f"Issue {number} is stopped.")


@command.command("resume")
@number
def resume(number: int) -> None:
    """Go on with a paused or stopped issue; sends what was held in doubt."""
    office = open_office()
    with office.database.write() as session:
        lacking = publishing.resume(session, office.settings, number, utcnow())
        log(session, "issue.resume", f"issue {number}")
    if lacking:
        click.echo(f"Issue {number} waits for {lacking} more approval(s), as before.")
    else:
        click.echo(f"Issue {number} goes on.")


def _say_warm_up(office: Office, number: int, at: datetime | None = None) -> None:
    """Until when the warm-up makes an issue take that begins at `at` (None: as it stands)."""
    settings = office.settings
    with office.database.read() as session:
        issue = publishing.get(session, number)
        foreseen = foreseeing.foresee(session, settings, issue, utcnow(), at)
    if foreseen is None:
        return
    until = foreseen.until.astimezone(settings.timezone)
    click.echo(f"With the warm-up (WARMUP_DAYS) issue {number} takes until {until:%Y-%m-%d %H:%M}.")
    if foreseen.deadline:
        click.echo(
            f"Some readers get it after {foreseen.deadline}, the first date in it.", err=True
        )
    if foreseen.late:
        click.echo(
            f"That is more than LATE_HOURS={settings.late_hours:g} after it begins.", err=True
        )


def _outside_links(session: Session, office: Office, issue: Issue) -> dict[str, str]:
    """The links of an issue to other sites, each with the first locale that has it."""
    found: dict[str, str] = {}
    editions = base_editions(session, office.settings, issue, utcnow())
    for locale in (one for one in LOCALES if one in editions):
        edition, _pieces = editions[locale]
        for url in external.external_links(edition.html, office.settings.base_url):
            found.setdefault(url, locale)
    return found


def _broken(outside: dict[str, str], quiet: bool) -> list[tuple[str, PreflightFinding]]:
    with progress("Asking other sites", len(outside), quiet=quiet) as advance:
        found = external.check_links(outside, progress=advance)
    return [(outside[str(finding.where).removeprefix("link ")], finding) for finding in found]


def _summary(grades: Sequence[str]) -> str:
    if not grades:
        return "No findings."
    count = "1 finding" if len(grades) == 1 else f"{len(grades)} findings"
    stops = grades.count("stop")
    if stops == len(grades):
        return f"{count}; the issue cannot be sent."
    return f"{count}; {f'{stops} of them stop' if stops else 'none of them stops'} the issue."


def _moment(office: Office, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=office.settings.timezone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "must be a time such as 2026-12-01T09:00.", param_hint="--at"
        ) from None


def _row(session: Session, issue: Issue) -> dict[str, Any]:
    editions = session.query(Edition).filter_by(issue_number=issue.number)
    return {
        "number": issue.number,
        "state": issue.state.value,
        "cadence": issue.cadence,
        "why": issue.why,
        "editions": [
            {"id": edition.id, "locale": edition.locale, "subject": edition.subject}
            for edition in editions.order_by(Edition.id)
        ],
        "deliveries": ledger.counts(session, issue.number),
    }


def _line(row: dict[str, Any]) -> str:
    counts = row["deliveries"]
    first, _line, more = (row["why"] or "").partition("\n")
    why = f" ({first}{' …' if more else ''})" if first else ""
    return (
        f"{row['number']:4}  {row['state']}{why}  {row['cadence'] or 'all readers'}: "
        f"{counts['accepted']} of {counts['planned']} accepted"
    )
