"""Trouble with an issue: when it is too late, and telling the editors."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import notices
from newsletter.errors import FixContent
from newsletter.i18n import DEFAULT
from newsletter.models import Issue, Notice, NoticeKind
from newsletter.settings import Settings

LATE = "late"
WARM_UP = "warm-up"


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
    """Tell every editor what the relay says; `paused`: a person has to go on with the issue."""
    _tell(session, settings, {"issue": number, "words": words, "paused": paused}, now)


def tell_of_lateness(
    session: Session, settings: Settings, issue: Issue, now: datetime, *, planned: bool
) -> None:
    """Tell every editor that an issue waits since it is late; `planned`: it has its readers."""
    if issue.slot is not None:
        facts = {"issue": issue.number, "slot": issue.slot.isoformat(), "planned": planned}
        _tell(session, settings, facts | {"what": LATE}, now)


def tell_of_faults(
    session: Session,
    settings: Settings,
    issue: Issue,
    error: FixContent,
    now: datetime,
    *,
    planned: bool,
) -> None:
    """Tell every editor that preflight stopped an issue, and what it found; `planned`: some of its
    readers have it."""
    words = error.in_(DEFAULT)
    facts = {"issue": issue.number, "cadence": issue.cadence, "words": words, "planned": planned}
    _tell(session, settings, facts | {"what": "faults"}, now)


def tell_of_approval(session: Session, settings: Settings, issue: Issue, now: datetime) -> None:
    """Tell every editor that an issue did not go since it lacks approvals of what it is now."""
    _tell(session, settings, {"issue": issue.number, "what": "approval"}, now)


def tell_of_reputation(
    session: Session, settings: Settings, number: int, counts: Mapping[str, Any], now: datetime
) -> None:
    """Tell every editor that too much of an issue came back, or was called spam; `counts`:
    `answered`, `failed`, `complaints`, and whether it is `paused`."""
    _tell(session, settings, {"issue": number, "what": "reputation", **counts}, now)


def tell_of_mailbox(session: Session, settings: Settings, words: str, now: datetime) -> None:
    """Tell every editor that the mailbox of bounces cannot be read; `words`: why, in English."""
    _tell(session, settings, {"what": "mailbox", "words": words}, now)


def tell_of_seeds(
    session: Session,
    settings: Settings,
    number: int,
    places: Sequence[Mapping[str, str]],
    now: datetime,
) -> None:
    """Tell every editor that an issue did not arrive as it should at readers of our own; `places`:
    `provider` and `place` (spam, missing or unknown) of each."""
    _tell(session, settings, {"issue": number, "what": "seeds", "places": list(places)}, now)


def tell_of_slots(
    session: Session,
    settings: Settings,
    cadence: str,
    slots: Sequence[datetime],
    now: datetime,
    *,
    gone: bool,
) -> None:
    """Tell every editor, in one letter, that nothing was compiled in these slots (if any);
    `gone`: and that nothing will be."""
    if slots:
        facts = {"cadence": cadence, "slots": [slot.isoformat() for slot in slots], "gone": gone}
        _tell(session, settings, facts | {"what": "slots"}, now)


def tell_of_warm_up(
    session: Session,
    settings: Settings,
    issue: Issue,
    until: datetime,
    deadline: date | None,
    now: datetime,
    *,
    late: bool,
) -> None:
    """Tell every editor, once, that the last readers get an issue at `until`: after a day it speaks
    of, or `late`, after more than LATE_HOURS."""
    mine = {"issue": issue.number, "what": WARM_UP}
    letters = select(Notice).where(Notice.kind == NoticeKind.TROUBLE)
    if not any(mine.items() <= letter.facts.items() for letter in session.scalars(letters)):
        day = deadline.isoformat() if deadline else None
        _tell(session, settings, mine | {"until": until.isoformat(), "day": day, "late": late}, now)


def _tell(session: Session, settings: Settings, facts: Mapping[str, Any], now: datetime) -> None:
    for address in settings.editors:
        notices.queue(
            session, NoticeKind.TROUBLE, email=address, locale=DEFAULT, facts=dict(facts), now=now
        )
