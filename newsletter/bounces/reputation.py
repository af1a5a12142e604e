"""Our reputation: which share of an issue came back or was called spam, and what is done about it.

Providers look at the same shares (SMT-19): above COMPLAINT_PAUSE they call all our mail spam.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from newsletter import limits, statistics
from newsletter.issues import publishing, trouble
from newsletter.models import Issue, IssueState
from newsletter.settings import Settings
from newsletter.statistics import Live

RECENT = timedelta(days=7)  # after an issue was sent; later reports change nothing any more
ONCE = timedelta(days=3650)
PAUSE, WARN = "pause", "warn"
FEWEST = 3  # complaints that pause an issue: two of 600 are no trend, and may be one person's


@dataclass(frozen=True, slots=True)
class Told:
    """What was done about an issue."""

    number: int
    paused: bool


def recent(session: Session, now: datetime) -> list[int]:
    """Issues whose shares can still matter."""
    out = Issue.state.in_((IssueState.SENDING, IssueState.PAUSED, IssueState.STOPPED))
    fresh = or_(out, Issue.sent_at > now - RECENT)
    query = select(Issue.number).where(Issue.planned_at.is_not(None), fresh)
    return list(session.scalars(query.order_by(Issue.number)))


def level(settings: Settings, counts: Live) -> str | None:
    """What the shares of an issue call for: PAUSE, WARN or nothing; nothing for few deliveries."""
    if counts.answered < settings.reputation_sample:
        return None
    hated = counts.complaint_share > settings.complaint_pause and counts.complaints >= FEWEST
    if hated or counts.bounce_share > settings.bounce_pause:
        return PAUSE
    warned = counts.bounce_share > settings.bounce_warn
    return WARN if warned or counts.complaint_share > settings.complaint_warn else None


def bad(session: Session, settings: Settings, now: datetime) -> list[int]:
    """Issues with shares that call for something. Reads only."""
    return [
        number
        for number in recent(session, now)
        if level(settings, statistics.issues(session, 1, number)[0].counts)
    ]


def heed(session: Session, settings: Settings, number: int, now: datetime) -> Told | None:
    """Do what the shares of an issue call for, once: who resumes it has decided. None: nothing."""
    counts = statistics.issues(session, 1, number)[0].counts
    found = level(settings, counts)
    names = {PAUSE: [PAUSE, WARN], WARN: [WARN]}.get(found or "", [])
    taken = [limits.take(session, [f"reputation-{name}:{number}"], 1, ONCE, now) for name in names]
    if not (taken and taken[0]):
        return None
    why = (
        f"reputation: of {counts.answered} messages {counts.failed} came back or were refused "
        f"and {counts.complaints} were called spam"
    )
    paused = found == PAUSE and publishing.hold_back(session, number, why)
    trouble.tell_of_reputation(
        session,
        settings,
        number,
        {
            "paused": paused,
            "answered": counts.answered,
            "failed": counts.failed,
            "complaints": counts.complaints,
        },
        now,
    )
    return Told(number, paused)
