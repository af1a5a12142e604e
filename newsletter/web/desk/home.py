"""The first page of the desk."""

from flask import Response

from newsletter.issues import approving, publishing
from newsletter.models import IssueState, Role
from newsletter.web.desk.ground import blueprint, me, needs, show
from newsletter.web.desk.issues import words
from newsletter.web.page import now, state

ISSUES = 5  # on their way, at most: the newest


@blueprint.get("/")
@needs(Role.WRITER)
def home() -> Response:
    """What is to be done, and where to go."""
    account, moment, settings = me(), now(), state().settings
    with state().database.read() as session:
        rows = publishing.listed(session) if account.may(Role.EDITOR) else []
        open_ones = [issue for issue in rows if issue.state is not IssueState.SENT][:ISSUES]
        coming = [
            (issue, words.what_next(issue, approving.missing(session, settings, issue), moment))
            for issue in open_ones
        ]
    codes_missing = not account.mf_recovery_codes
    return show("home.html", codes_missing=codes_missing, coming=coming, words=words)
