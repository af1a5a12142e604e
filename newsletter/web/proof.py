"""The links in a proof: an editor looks at an issue in its hold window, or stops it, and need not
sign in."""

from flask import Blueprint, Response, abort

from newsletter import audit, tokens
from newsletter.errors import FixRequest
from newsletter.issues import mailed, publishing
from newsletter.models import Issue, IssueState
from newsletter.tokens import Purpose
from newsletter.web.mailed import as_mail
from newsletter.web.page import LOCALE, now, show, state

blueprint = Blueprint("proof", __name__)


@blueprint.get(f"/{LOCALE}/stop/<token>")
def stop_page(token: str, **_locale: str) -> Response:
    """The page with the button; looking at it stops nothing."""
    number = _number(token)
    with state().database.read() as session:
        issue = session.get(Issue, number) or abort(404)
        return _answer(issue)


@blueprint.post(f"/{LOCALE}/stop/<token>", endpoint="stop")
def stop(token: str, **_locale: str) -> Response:
    """Press the button: nothing more of the issue is handed over."""
    number = _number(token)
    with state().database.write() as session:
        issue = session.get(Issue, number) or abort(404)
        try:
            publishing.stop(session, number, now())
        except FixRequest:
            return _answer(issue, 409)
        what, who = f"issue {number}", audit.PROOF_LETTER
        audit.record(session, state().settings, who, "issue.stop", what, now())
        return _answer(issue)


@blueprint.get(f"/{LOCALE}/proof/<token>")
def mail(locale: str, token: str) -> Response:
    """The mail in the browser, while its readers' own copies are not there yet."""
    number = _number(token)
    with state().database.read() as session:
        html = mailed.proof(session, state().settings, number, locale, now())
    return as_mail(html or abort(404))


def _answer(issue: Issue, status: int = 200) -> Response:
    stopped, sent = issue.state is IssueState.STOPPED, issue.state is IssueState.SENT
    return show("public/stop.html", status, number=issue.number, stopped=stopped, sent=sent)


def _number(token: str) -> int:
    claim = tokens.parse(token)
    if claim is None or not state().tokens.verify(Purpose.STOP_ISSUE, claim):
        abort(404)
    return claim.id
