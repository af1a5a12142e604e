"""Approving: people's yes to an issue as it is, and whether it still is that.

What is approved is what goes into the issue: its pieces in their order, its intros, the templates
and words it is printed with, for whom it is and when it goes. Who those readers are is not looked
at, so that somebody who joins or leaves undoes nothing. The only writer of `approvals`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.issues.blocks import TEMPLATES
from newsletter.issues.compiler import piece_hash
from newsletter.models import Approval, Editor, Intro, Issue, IssueState, ItemNumber, Piece
from newsletter.settings import Settings

CHANGED = "approval: it was changed after it was approved; approve it once more"
WORDS = Path(__file__).parent.parent / "translations"  # of what the templates say
# Settings that are printed in the mail, or that its addresses begin with.
PRINTED = (
    *("base_url", "timezone", "mail_default_sender", "reply_to"),
    *("org_name", "org_legal_form", "org_address", "org_number", "org_court"),
    *("org_email", "org_website"),
)


@dataclass(frozen=True, slots=True)
class Given:
    """One approval. `counts` while the issue is what it was then, and its giver works here."""

    approval: Approval
    counts: bool
    changed: bool  # since then the issue was changed


def fingerprint(session: Session, settings: Settings, issue: Issue) -> str:
    """SHA-256 over all that is approved of an issue that is not planned yet."""
    seen = {
        "number": issue.number,
        "dated": _iso(issue.compiled_at),
        "audience": issue.cadence,
        "time": _iso(issue.send_at) if issue.send_at else f"window {settings.hold_hours}",
        "pieces": _pieces(session, issue),
        "withdrawn": _withdrawn(session, issue),
        "intros": _intros(session, issue),
        "printed": {name: str(getattr(settings, name)) for name in PRINTED},
        "files": _files(),
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def give(
    session: Session,
    settings: Settings,
    issue: Issue,
    editor_id: int | None,
    now: datetime,
    seen: str | None = None,
) -> Approval:
    """Somebody's yes to the issue as it is (None: on the command line); a second one of the same
    person is the first. The issue must be locked.

    `seen` is the fingerprint of what they looked at: raises FixRequest when it was changed since.
    """
    hash = fingerprint(session, settings, issue)
    if seen not in (None, hash):
        raise FixRequest(f"Issue {issue.number} was changed meanwhile; look at it once more.")
    mine = (Approval.issue_number == issue.number, Approval.hash == hash)
    theirs = Approval.editor_id == editor_id if editor_id else Approval.editor_id.is_(None)
    if known := session.scalar(select(Approval).where(*mine, theirs).limit(1)):
        return known
    approval = Approval(issue_number=issue.number, editor_id=editor_id, hash=hash, at=now)
    session.add(approval)
    session.flush()
    return approval


def given(session: Session, settings: Settings, issue: Issue) -> Sequence[Given]:
    """All approvals of an issue that is not planned yet, oldest first."""
    active = Editor.active.is_(True) | Approval.editor_id.is_(None)
    query = select(Approval, active).outerjoin(Editor, Editor.id == Approval.editor_id)
    mine = query.where(Approval.issue_number == issue.number).order_by(Approval.id)
    rows = session.execute(mine).all()
    hash = fingerprint(session, settings, issue) if rows else ""
    return [
        Given(approval, approval.hash == hash and bool(works), approval.hash != hash)
        for approval, works in rows
    ]


def count(session: Session, settings: Settings, issue: Issue) -> int:
    """How many people approved of the issue as it is at this very moment."""
    valid = [one for one in given(session, settings, issue) if one.counts]
    return len({one.approval.editor_id for one in valid})


def wanted(settings: Settings, issue: Issue) -> int:
    """How many it takes: APPROVALS, and one where a person's yes is what lets it go."""
    return max(settings.approvals, 1 if issue.state is IssueState.APPROVED else 0)


def missing(session: Session, settings: Settings, issue: Issue) -> int:
    """How many approvals the issue has yet to get before it may go."""
    needed = wanted(settings, issue)
    return max(0, needed - count(session, settings, issue)) if needed else 0


def why_not(settings: Settings, issue: Issue) -> str:
    """Why an issue that lacks approvals waits, in one sentence."""
    if issue.state is IssueState.APPROVED:
        return CHANGED
    return f"approval: its time came, and it takes {settings.approvals}; approve it, or stop it"


def _pieces(session: Session, issue: Issue) -> list[Any]:
    mine = select(Piece).where(Piece.issue_number == issue.number)
    pieces = session.scalars(mine.order_by(Piece.position, Piece.locale, Piece.slug))
    # Made anew: the row says what its hash was, and this is about every byte of it.
    return [[piece.position, piece.locale, piece.hash, piece_hash(piece)] for piece in pieces]


def _withdrawn(session: Session, issue: Issue) -> list[str]:
    """Items that were made drafts meanwhile: they are left out when it is planned."""
    mine = select(Piece.slug).where(Piece.issue_number == issue.number)
    gone = (ItemNumber.withdrawn_at.is_not(None), ItemNumber.slug.in_(mine))
    return sorted(set(session.scalars(select(ItemNumber.slug).where(*gone))))


def _intros(session: Session, issue: Issue) -> list[Any]:
    mine = (Intro.issue_number == issue.number, Intro.markdown != "")
    rows = session.scalars(select(Intro).where(*mine).order_by(Intro.locale))
    return [[row.locale, row.markdown, row.html, row.text, row.hash] for row in rows]


def _files() -> dict[str, str]:
    """The templates of the mail, its styles, and the words they have in other languages."""
    files = [*(TEMPLATES / "mail").glob("issue.*"), *WORDS.glob("*.po")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
