"""Items and issues for programs."""

from datetime import datetime
from typing import Any

from newsletter.issues import publishing, reading
from newsletter.issues.reading import Told
from newsletter.models import Issue
from newsletter.subscribers import preferences
from newsletter.web.api import shapes
from newsletter.web.api.calls import Call
from newsletter.web.api.problems import Problem
from newsletter.web.page import state


def items(call: Call) -> shapes.Items:
    """A page of what was published in a language."""
    last = call.after(str, int)
    before = (datetime.fromisoformat(last[0]), last[1]) if last else None
    rows = reading.items_before(call.session, call.query.locale, before, call.query.limit + 1)
    shown, following = call.page(rows, lambda row: [row.told.updated_at.isoformat(), row.id])
    data = [shapes.ItemSummary(**_facts(row.told)) for row in shown]
    return shapes.Items(data=data, next=following)


def item(call: Call, slug: str) -> shapes.Item:
    """One item, as it was last sent out."""
    found = reading.latest_piece(call.session, slug, call.query.locale)
    if found is None:
        raise Problem(404, "There is no such item, or it was not published in this language.")
    return shapes.Item(**_facts(found), html=found.piece.html, text=found.piece.text)


def issues(call: Call) -> shapes.Issues:
    """A page of them."""
    last = call.after(int)
    rows = reading.issues_before(call.session, last[0] if last else None, call.query.limit + 1)
    shown, following = call.page(rows, lambda row: [row.number])
    return shapes.Issues(data=list(map(_shape, shown)), next=following)


def issue(call: Call, number: int) -> shapes.Issue:
    """One of them."""
    return _shape(_known(call, number))


def schedule(call: Call, number: int) -> shapes.Issue:
    """Send an issue at a moment: then too only with the approvals it needs, and after preflight."""
    found = _known(call, number)
    publishing.schedule(call.session, state().settings, number, call.body.at, call.now)
    call.record("issue.schedule", f"issue {number}", {"at": call.body.at.isoformat()})
    return _shape(found)


def stop(call: Call, number: int) -> shapes.Issue:
    """Stop an issue."""
    found = _known(call, number)
    publishing.stop(call.session, number, call.now)
    call.record("issue.stop", f"issue {number}")
    return _shape(found)


def _known(call: Call, number: int) -> Issue:
    found = call.session.get(Issue, number)
    if found is None:
        raise Problem(404, f"There is no issue {number}.")
    return found


def _shape(found: Issue) -> shapes.Issue:
    return shapes.Issue.model_validate(found)


def _facts(told: Told) -> dict[str, Any]:
    piece = told.piece
    return {
        "slug": piece.slug,
        "locale": piece.locale,
        "language": piece.language,
        "title": piece.title,
        "summary": piece.summary,
        "topics": preferences.apart(piece.topics),
        "date": piece.date,
        "deadline": piece.deadline,
        "issue": piece.issue_number,
        "url": state().links.item(piece.locale, piece.slug),
        "first_at": told.first_at,
        "updated_at": told.updated_at,
    }
