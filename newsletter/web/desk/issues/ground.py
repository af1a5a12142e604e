"""What the pages about issues share: finding one, what may be done with it, and why not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import abort, redirect, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import _
from newsletter.issues import publishing
from newsletter.models import Issue, IssueState, Role
from newsletter.web.desk.ground import me, record, say
from newsletter.web.desk.issues import words
from newsletter.web.page import state

NUMBER = "/issues/<issue:number>"
WAITING = (IssueState.COMPILED, IssueState.HELD, IssueState.APPROVED, IssueState.SCHEDULED)
# In these the clock may act at any moment, and the page that is open shows it.
MOVING = (*WAITING[1:], IssueState.SENDING, IssueState.PAUSED)
OUT = (IssueState.SENDING, IssueState.PAUSED, IssueState.SENT)
# What may be done in which states; publishing has the last word.
DEEDS: Mapping[str, Sequence[IssueState]] = {
    "approve": WAITING,
    "schedule": WAITING,
    "send": WAITING,
    "stop": (*WAITING, IssueState.SENDING, IssueState.PAUSED),
    "resume": (IssueState.PAUSED, IssueState.STOPPED),
    "retry": OUT,
}


def known(session: Session, number: int) -> Issue:
    """The issue with this number; a page about none is 404."""
    issue = session.get(Issue, number)
    if issue is None:
        abort(404)
    return issue


def may(issue: Issue, deed: str) -> bool:
    """May who is signed in do this with it, as it is now?"""
    return me().may(Role.PUBLISHER) and issue.state in DEEDS[deed]


def can_arrange(issue: Issue) -> bool:
    """May its order and intros still be changed?"""
    return issue.planned_at is None and issue.state in WAITING


def back(number: int) -> AnyResponse:
    """To the page of the issue."""
    return redirect(url_for("desk.issues_one", number=number), 303)


def change(
    number: int, action: str, act: Callable[[Session], Mapping[str, Any] | None]
) -> AnyResponse | None:
    """Do something with an issue and write it down, in one transaction; None when it was done, else
    the way back with a sentence that says why not."""
    try:
        with state().database.write() as session:
            known(session, number)
            facts = act(session)
            record(session, action, f"issue {number}", facts)
    except FixContent:
        say(_("Het nakijken houdt dit nummer tegen: zie wat er te verbeteren is."), "error")
        return redirect(url_for("desk.issues_preflight", number=number), 303)
    except FixRequest:
        say_why_not(number)
        return back(number)
    return None


def say_why_not(number: int) -> None:
    """What was asked for is not possible any more: in which state the issue is now."""
    with state().database.read() as session:
        issue = known(session, number)
        lacking = publishing.approvals_missing(session, state().settings, issue)
    if lacking and issue.state in WAITING:
        text = _("Dat kan nu niet. Het nummer is veranderd of moet nog goedgekeurd worden.")
        say(text, "error")
        return
    text = _("Dat kan nu niet meer. Het nummer is intussen in deze toestand: %(state)s.")
    say(text, "error", state=words.said(words.STATES[issue.state]))
