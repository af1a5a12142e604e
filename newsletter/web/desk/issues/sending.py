"""Send, plan for a moment, stop, resume, try again: each says what it will do before it does."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.issues import foreseeing, publishing, slots
from newsletter.models import Issue, Role
from newsletter.web.desk.ground import blueprint, needs, say, show
from newsletter.web.desk.issues import words
from newsletter.web.desk.issues.ground import NUMBER, back, change, known, may, say_why_not
from newsletter.web.page import moment, now, state

DEED = "<any(send,stop,resume,retry):deed>"
DONE = {
    "send": _("Het nummer is onderweg."),
    "stop": _("Het nummer is gestopt: er vertrekt niets meer."),
    "resume": _("Het nummer gaat verder."),
    "retry": _("Wat door onze fout geweigerd werd, vertrekt opnieuw."),
}
FORM_TIME = "%Y-%m-%dT%H:%M"


@blueprint.get(f"{NUMBER}/{DEED}")
@needs(Role.PUBLISHER)
def issues_sure(number: int, deed: str) -> AnyResponse:
    """What it will do, and the button that does it."""
    settings, at = state().settings, now()
    with state().database.read() as session:
        issue = known(session, number)
        # Counted only where the page tells it: of an issue for a million readers it takes a while.
        counted = issue.planned_at is not None and deed in ("stop", "resume")
        progress = ledger.progress(session, number, at) if counted else None
        values: dict[str, Any] = {
            "readers": _readers(session, issue, at),
            "foreseen": foreseeing.foresee(session, settings, issue, at, at),
            "lacking": publishing.approvals_missing(session, settings, issue),
            "retryable": len(ledger.retryable(session, number)) if deed == "retry" else 0,
        }
    if not may(issue, deed):
        say_why_not(number)
        return back(number)
    return show(
        "issues/sure.html",
        issue=issue,
        deed=deed,
        progress=progress,
        window=settings.delivery_window,
        words=words,
        **values,
    )


def _readers(session: Session, issue: Issue, at: datetime) -> int:
    """How many there are to be planned, at most; nobody asks once it is planned."""
    return 0 if issue.planned_at else ledger.audience(session, issue.cadence, at)


@blueprint.post(f"{NUMBER}/{DEED}")
@needs(Role.PUBLISHER)
def issues_do(number: int, deed: str) -> AnyResponse:
    """Do it, as the issue is at this very moment."""
    settings, at = state().settings, now()
    ahead = None
    if deed in ("send", "resume"):
        with state().database.read() as session:  # editions are made before anything is locked
            if may(known(session, number), deed):
                ahead = publishing.ready_to_send(session, settings, at, number)

    done = DONE[deed]

    def act(session: Session) -> Mapping[str, Any] | None:
        nonlocal done
        match deed:
            case "send":
                return {"deliveries": publishing.send(session, settings, number, at, ahead)}
            case "stop":
                publishing.stop(session, number, at)
            case "resume":
                if publishing.resume(session, settings, number, at, ahead):
                    done = _("Het nummer wacht opnieuw op goedkeuring.")
            case _:
                count = publishing.retry(session, number)
                done = done if count else _("Er was niets om opnieuw te versturen.")
                return {"deliveries": count}
        return None

    failed = change(number, f"issue.{deed}", act)
    if failed is not None:
        return failed
    say(done)
    return back(number)


@blueprint.get(f"{NUMBER}/schedule")
@needs(Role.PUBLISHER)
def issues_schedule(number: int) -> AnyResponse:
    """Choose a day and an hour."""
    with state().database.read() as session:
        issue = known(session, number)
    if not may(issue, "schedule"):
        say_why_not(number)
        return back(number)
    return _choose(issue, _proposal(issue))


@blueprint.post(f"{NUMBER}/schedule")
@needs(Role.PUBLISHER)
def issues_plan(number: int) -> AnyResponse:
    """First say the chosen moment in words; with `sure` it is so."""
    text, settings = request.form.get("at", ""), state().settings
    with state().database.read() as session:
        issue = known(session, number)
    if not may(issue, "schedule"):
        say_why_not(number)
        return back(number)
    try:
        at, twice = slots.chosen(settings, text)
        if at <= now():
            raise FixRequest(_("Dat moment is al voorbij."))
    except FixRequest as error:
        return _choose(issue, text, words.said(str(error)))
    if request.form.get("sure") != text:
        return _ask(issue, text, at, twice=twice)
    return _plan(number, at)


def _ask(issue: Issue, text: str, at: datetime, *, twice: bool) -> Response:
    """The moment in words, and what the warm-up makes of it."""
    with state().database.read() as session:
        foreseen = foreseeing.foresee(session, state().settings, issue, now(), at)
    values: dict[str, Any] = {"when": moment(at), "twice": twice, "foreseen": foreseen}
    return show("issues/schedule.html", issue=issue, at=text, problem="", words=words, **values)


def _plan(number: int, at: datetime) -> AnyResponse:
    settings = state().settings

    def act(session: Session) -> dict[str, object]:
        publishing.schedule(session, settings, number, at, now())
        return {"at": at.isoformat()}

    failed = change(number, "issue.schedule", act)
    if failed is not None:
        return failed
    say(_("Het nummer vertrekt op %(when)s."), when=moment(at))
    return back(number)


def _choose(issue: Issue, text: str, problem: str = "") -> Response:
    status = 422 if problem else 200
    return show("issues/schedule.html", status, issue=issue, at=text, when="", problem=problem)


def _proposal(issue: Issue) -> str:
    """The moment it is planned for, or else tomorrow at nine."""
    zone = state().settings.timezone
    if issue.send_at:
        return issue.send_at.astimezone(zone).strftime(FORM_TIME)
    tomorrow = now().astimezone(zone) + timedelta(days=1)
    return tomorrow.replace(hour=9, minute=0).strftime(FORM_TIME)
