"""How long messages take while the sending domain is warmed up."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.delivery.ledger.rows import is_open
from newsletter.delivery.warming import (
    DAY,
    WARM_UP,
    active_readers,
    following,
    gate_of,
    today,
)
from newsletter.models import AT_ONCE, Delivery, Issue, IssueState, Quota
from newsletter.settings import Settings

ON_THEIR_WAY = (IssueState.SENDING, IssueState.PAUSED)


def last_leaves_at(
    session: Session, settings: Settings, issue: Issue, readers: int, now: datetime
) -> datetime | None:
    """When the last message of an issue that begins at `now` leaves, by the warm-up alone; None: no
    warm-up holds it back.

    `readers` is how many are still to be planned. What waits of earlier issues goes before it.
    """
    if not settings.warmup_days:
        return None
    quota = session.get(Quota, WARM_UP) or Quota(name=WARM_UP, free_at=AT_ONCE)
    if (day := today(session, settings, quota, now)) is None:
        return None
    messages, full = readers + _waiting(session, issue), active_readers(session)
    at = max(now, gate_of(quota, day, now).free_at)
    while day is not None:
        step, ends_at = gate_of(quota, day, now).step, day.began_at + DAY
        room = max(0, int((ends_at - at) / step))
        if messages <= room:
            return at + max(0, messages - 1) * step
        messages, at = messages - room, max(at, ends_at)
        day = following(settings, day.number, day.allowance, full, at)
    return at


def _waiting(session: Session, issue: Issue) -> int:
    """Rows that go before the last one of this issue."""
    before = (Issue.state.in_(ON_THEIR_WAY), Issue.number <= issue.number, is_open())
    query = select(func.count()).select_from(Delivery)
    query = query.join(Issue, Issue.number == Delivery.issue_number)
    return session.scalar(query.where(*before)) or 0
