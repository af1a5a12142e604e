"""What the warm-up means for an issue: until when it takes, and whether that is too late.

Nothing is held up or skipped for it: people are told before it happens, and decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.issues import trouble
from newsletter.models import Issue, IssueState, Piece
from newsletter.settings import Settings


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How an issue goes while the sending domain is warmed up."""

    until: datetime  # when its last message leaves
    deadline: date | None  # the first day of a deadline or an event in it that is over by then
    late: bool  # does it take longer than LATE_HOURS?

    @property
    def misses(self) -> bool:
        """Do readers get it too late?"""
        return self.late or self.deadline is not None


def foresee(
    session: Session, settings: Settings, issue: Issue, now: datetime, at: datetime | None = None
) -> Foreseen | None:
    """How it goes if the issue begins at `at` (None: when it is to begin, as it stands now); None
    when no warm-up holds it back, or nothing is left to send."""
    if not settings.warmup_days or issue.state is IssueState.SENT:
        return None
    readers = 0 if issue.planned_at else ledger.audience(session, issue.cadence, now)
    starts_at = at or _starts_at(issue, now)
    until = ledger.last_leaves_at(session, settings, issue, readers, max(starts_at, now))
    if until is None:
        return None
    missed = [
        day for day in _days(session, issue) if day < until.astimezone(settings.timezone).date()
    ]
    today = starts_at.astimezone(settings.timezone).date()
    return Foreseen(
        until=until,
        deadline=min((day for day in missed if day >= today), default=None),
        late=until > starts_at + timedelta(hours=settings.late_hours),
    )


def tell(session: Session, settings: Settings, issue: Issue, now: datetime) -> None:
    """Tell every editor, once for each issue, that readers would get it too late."""
    foreseen = foresee(session, settings, issue, now)
    if foreseen is not None and foreseen.misses:
        until, deadline, late = foreseen.until, foreseen.deadline, foreseen.late
        trouble.tell_of_warm_up(session, settings, issue, until, deadline, now, late=late)


def _starts_at(issue: Issue, now: datetime) -> datetime:
    if issue.planned_at is not None:
        return issue.planned_at
    if issue.state is IssueState.SCHEDULED and issue.send_at is not None:
        return issue.send_at
    return max(now, issue.hold_until or now)


def _days(session: Session, issue: Issue) -> Iterator[date]:
    """Every day that something in the issue depends on."""
    mine = select(Piece.deadline, Piece.facts).where(Piece.issue_number == issue.number)
    for deadline, facts in session.execute(mine):
        if deadline is not None:
            yield deadline
        if event := facts.get("event"):
            yield date.fromisoformat(event["start"][:10])
