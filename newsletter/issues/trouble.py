"""Trouble with an issue: when it is too late, and telling the editors."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter import notices
from newsletter.models import Issue, NoticeKind
from newsletter.settings import Settings

LATE = "late"


def is_late(settings: Settings, issue: Issue, now: datetime) -> bool:
    """Is it too long after the slot of the issue to hand over its first message silently?"""
    latest = timedelta(hours=settings.hold_hours + settings.late_hours)
    return issue.slot is not None and now > issue.slot + latest


def late_since(issue: Issue, what_to_do: str) -> str:
    """Why it is held, in one sentence; begins with LATE."""
    return f"{LATE}: its slot was {issue.slot:%Y-%m-%d %H:%M} UTC; {what_to_do}"


def tell_editors(
    session: Session, settings: Settings, number: int, words: str, now: datetime, *, paused: bool
) -> None:
    """Queue a notice to every editor; `paused`: a person has to go on with the issue."""
    facts = {"issue": number, "words": words, "paused": paused}
    for address in settings.editors:
        notices.queue(session, NoticeKind.TROUBLE, email=address, locale="nl", facts=facts, now=now)
