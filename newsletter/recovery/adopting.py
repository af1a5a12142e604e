"""Adopting: a person says what becomes of a copy, or of a restored backup; then it is at home."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import fence, notices
from newsletter.delivery import ledger
from newsletter.issues import publishing, slots
from newsletter.models import Issue, IssueState, Notice, NoticeState
from newsletter.notices.outbox import TO_EDITORS
from newsletter.programs import events
from newsletter.settings import Settings

# Issues that go, or go on, by themselves.
GOES = (*publishing.WAITING, IssueState.SENDING, IssueState.PAUSED)


@dataclass(frozen=True, slots=True)
class OpenIssue:
    """An issue that would go, or go on, by itself, and how many of its rows are open."""

    number: int
    state: str
    open: int


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to decide about; `host` raised the fence last, at `raised_at`."""

    why: str
    ahead: int  # plans, batches and leases that the file knows and the database does not
    host: str | None
    raised_at: datetime | None
    issues: Sequence[OpenIssue]
    letters: int = 0
    events: int = 0
    slots: Sequence[str] = ()  # the cadences of those that came and were not compiled

    @property
    def asks(self) -> bool:
        """Is there anything to decide?"""
        return bool(self.issues or self.letters or self.events or self.slots)

    @property
    def open(self) -> int:
        """Rows of all issues."""
        return sum(issue.open for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was done: rows, letters and events for programs withdrawn, issues stopped, slots given
    up (by cadence)."""

    withdrawn: int = 0
    letters: int = 0
    events: int = 0
    stopped: Sequence[int] = ()
    passed_over: Sequence[str] = ()


def look(session: Session, settings: Settings, now: datetime) -> Found | None:
    """What is held and why; None when nothing is. The first thing in its session."""
    held = fence.look(session, settings)
    if held is None:
        return None
    row = fence.stand(session)
    host, raised_at = (row.host, row.raised_at) if row else (None, None)
    return Found(
        str(held.why),
        held.ahead,
        host,
        raised_at,
        _issues(session),
        letters=_letters(session),
        events=events.count(session),
        slots=slots.come(session, settings, now),
    )


def adopt(session: Session, settings: Settings, now: datetime, *, send: bool) -> Adopted:
    """Make this place the home of the database, after the journal was replayed. `send`: all goes on
    as the database says; else nothing goes by itself that it knows of."""
    done = Adopted() if send else _withdraw(session, settings, now)
    fence.adopt(session, settings)
    return done


def _withdraw(session: Session, settings: Settings, now: datetime) -> Adopted:
    rows = ledger.withdraw_everything(session, now)
    return Adopted(
        withdrawn=rows,
        letters=notices.withdraw_waiting(session, now),
        events=events.withdraw_waiting(session),
        stopped=_stop_all(session, now),
        passed_over=slots.pass_over(session, settings, now),
    )


def _stop_all(session: Session, now: datetime) -> list[int]:
    numbers = list(session.scalars(select(Issue.number).where(Issue.state.in_(GOES))))
    for number in sorted(numbers):
        publishing.stop(session, number, now)
    return sorted(numbers)


def _issues(session: Session) -> list[OpenIssue]:
    counted = ledger.open_by_issue(session)
    mine = Issue.state.in_(GOES) | Issue.number.in_(counted)
    issues = session.scalars(select(Issue).where(mine).order_by(Issue.number))
    return [OpenIssue(one.number, one.state.value, counted.get(one.number, 0)) for one in issues]


def _letters(session: Session) -> int:
    """Those that `withdraw_waiting` would drop."""
    mine = (Notice.state == NoticeState.WAITING, Notice.kind.not_in(TO_EDITORS))
    return session.scalar(select(func.count()).select_from(Notice).where(*mine)) or 0
