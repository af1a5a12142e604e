"""Numbers without persons: no opens, no clicks, and nothing that few readers share alone."""

from flask import Response, abort, make_response, url_for
from sqlalchemy.orm import Session

from newsletter import i18n, statistics
from newsletter.models import Role
from newsletter.statistics import IssueRow
from newsletter.web.desk import reception, sheets
from newsletter.web.desk import subscriber_words as words
from newsletter.web.desk.ground import blueprint, needs, show
from newsletter.web.desk.sheets import Sheet
from newsletter.web.page import locale, state

# Of the newest issues: counted once for all of them, since one that runs is counted live.
NEWEST = {"issues": sheets.issues, "reception": reception.by_issue}
OF_ISSUE = {"reception": reception.by_domain, **sheets.OF_ISSUE}


@blueprint.get("/numbers")
@needs(Role.EDITOR)
def numbers() -> Response:
    """Readers, and how they come and go; and the newest issues."""
    with state().database.read() as session:
        states = statistics.by_key(session, "state")
        made = [make(session) for make in sheets.OVERVIEW.values()]
        newest = statistics.issues(session, sheets.ISSUES)
    made += [make(newest) for make in NEWEST.values()]
    paths = {sheet.id: url_for("desk.numbers_csv", name=sheet.id) for sheet in made}
    return show(
        "numbers.html", states=states, sheets=made, downloads=paths, words=words, number=_number
    )


@blueprint.get(f"/numbers/<any({','.join((*sheets.OVERVIEW, *NEWEST))}):name>.csv")
@needs(Role.EDITOR)
def numbers_csv(name: str) -> Response:
    """One sheet, for a spreadsheet."""
    with state().database.read() as session:
        if make := sheets.OVERVIEW.get(name):
            return _csv(make(session), name)
        return _csv(NEWEST[name](statistics.issues(session, sheets.ISSUES)), name)


@blueprint.get("/numbers/issues/<issue:number>")
@needs(Role.EDITOR)
def numbers_issue(number: int) -> Response:
    """What became of the mail of an issue."""
    with state().database.read() as session:
        row = _issue(session, number)
        made = [make(session, number) for make in OF_ISSUE.values()]
        counted_at = statistics.counted_at(session, number)
    paths = {
        sheet.id: url_for("desk.numbers_issue_csv", number=number, name=sheet.id) for sheet in made
    }
    return show(
        "numbers_issue.html",
        row=row,
        sheets=made,
        downloads=paths,
        counted_at=counted_at,
        reception=reception,
        number=_number,
    )


@blueprint.get(f"/numbers/issues/<issue:number>/<any({','.join(OF_ISSUE)}):name>.csv")
@needs(Role.EDITOR)
def numbers_issue_csv(number: int, name: str) -> Response:
    """One sheet of an issue, for a spreadsheet."""
    with state().database.read() as session:
        _issue(session, number)
        return _csv(OF_ISSUE[name](session, number), f"{number}-{name}")


def _issue(session: Session, number: int) -> IssueRow:
    found = statistics.issues(session, 1, number)
    if not found:
        abort(404)
    return found[0]


def _csv(sheet: Sheet, name: str) -> Response:
    answer = make_response(sheets.as_csv(sheet))
    answer.mimetype = "text/csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="fiabel-{name}.csv"'
    return answer


def _number(value: int) -> str:
    return i18n.number(value, locale())
