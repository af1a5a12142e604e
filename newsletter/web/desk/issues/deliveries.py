"""How far an issue is, who got it, what was refused, and what people decide about rows in doubt."""

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Found, Progress
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import DeliveryState, Role
from newsletter.subscribers import preferences
from newsletter.web.desk.ground import blueprint, done, needs, record, row_number, show
from newsletter.web.desk.issues import words
from newsletter.web.desk.issues.ground import NUMBER, known
from newsletter.web.desk.issues.pace import pace
from newsletter.web.page import moment, now, state

ROWS = 50
OUTCOMES = {
    DeliveryState.PENDING: _("wacht om te vertrekken"),
    DeliveryState.CLAIMED: _("vertrekt nu"),
    DeliveryState.DEFERRED: _("uitgesteld, wordt opnieuw geprobeerd"),
    DeliveryState.ACCEPTED: _("aangenomen door de mailserver"),
    DeliveryState.REFUSED: _("geweigerd door de mailserver"),
    DeliveryState.WITHDRAWN: _("ingetrokken, niet verstuurd"),
}


def outcome(row: Found) -> str:
    """What became of a delivery, in words."""
    if row.bounced_at:
        return words.said(_("eerst aangenomen, later teruggekomen"))
    if row.held:
        return words.said(_("misschien aangekomen: niemand weet het"))
    return words.said(OUTCOMES[row.state])


def parts(progress: Progress) -> dict[str, str]:
    """The numbers of an issue as they are shown, by their names in `words.PARTS`."""
    return {name: words.number(getattr(progress, name)) for name in words.PARTS}


@blueprint.get(f"{NUMBER}/progress")
@needs(Role.EDITOR)
def issues_progress(number: int) -> Response:
    """The numbers of this moment, for the page that is open."""
    at = now()
    with state().database.read() as session:
        issue = known(session, number)
        found = ledger.progress(session, number, at)
    rate, left = pace(issue, found, at)
    share = round(100 * (found.planned - found.waiting) / found.planned) if found.planned else 0
    return jsonify(
        parts(found)
        | {
            "planned": words.number(found.planned),
            "per_minute": words.pace(rate),
            "left": words.duration(left),
            "share": share,
            "state": words.said(words.STATES[issue.state]),
            "key": issue.state.value,
        }
    )


@blueprint.get("/issues/deliveries")
@needs(Role.PUBLISHER)
def issues_deliveries() -> Response:
    """The form: whose deliveries?"""
    return show("issues/deliveries.html", email="", number="", problem="", searched=False)


@blueprint.post("/issues/deliveries")
@needs(Role.PUBLISHER)
def issues_find() -> Response:
    """Did she get number 12? The address comes in a form, so that it stands in no address bar."""
    email, asked = request.form.get("email", ""), request.form.get("number", "").strip()
    values: dict[str, Any] = {"email": email, "number": asked, "problem": "", "searched": True}
    rows: list[Found] = []
    try:
        with state().database.read() as session:
            reader = preferences.find_by_address(session, email)
            if reader is not None:
                rows = ledger.of_subscriber(session, reader.id, ROWS)
    except FixRequest as error:
        problem = words.said(str(error))
        return show("issues/deliveries.html", 422, **(values | {"problem": problem}))
    number = row_number(asked)
    mine = [row for row in rows if not number or row.issue_number == number]
    return show(
        "issues/deliveries.html", known=reader is not None, rows=mine, outcome=outcome, **values
    )


@blueprint.get(f"{NUMBER}/refused")
@needs(Role.PUBLISHER)
def issues_refused(number: int) -> Response:
    """What was refused, with the words of the mail server."""
    return _rows("issues/refused.html", number, ledger.refused_rows)


@blueprint.get(f"{NUMBER}/doubt")
@needs(Role.PUBLISHER)
def issues_doubt(number: int) -> Response:
    """What may have arrived and may not: people decide, one by one."""
    return _rows("issues/doubt.html", number, ledger.held_rows)


@blueprint.post(f"{NUMBER}/doubt/<int(max=9223372036854775807):id>/<any(again,leave):choice>")
@needs(Role.PUBLISHER)
def issues_decide(number: int, id: int, choice: str) -> AnyResponse:
    """Send one of them again, or leave it."""
    with state().database.write() as session:
        known(session, number)
        decided = ledger.decide(session, number, id, now(), send=choice == "again")
        if decided:
            facts = {"issue": number, "choice": choice}
            record(session, "delivery.decide", f"delivery {id}", facts)
    text = _("Deze mail vertrekt opnieuw.") if choice == "again" else _("Deze mail blijft zo.")
    return done(
        "desk.issues_doubt", text if decided else _("Daarover is al beslist."), number=number
    )


def _rows(
    template: str, number: int, find: Callable[[Session, int, int, int], list[Found]]
) -> Response:
    """A page of rows of an issue: those after the last one that was shown."""
    after = row_number(request.args.get("after", ""))
    with state().database.read() as session:
        issue = known(session, number)
        rows = find(session, number, after, ROWS + 1)
    more = rows[ROWS - 1].id if len(rows) > ROWS else None
    shown = rows[:ROWS]
    return show(
        template, issue=issue, rows=shown, more=more, outcome=outcome, when=moment, words=words
    )
