"""What the ledger says, and what a person decides about rows held in doubt."""

from datetime import datetime

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from newsletter.delivery import throttle
from newsletter.delivery.ledger.rows import changed, closed, going, is_open, is_waiting
from newsletter.models import AT_ONCE, Delivery, DeliveryState, Issue
from newsletter.settings import Settings


def counts(session: Session, issue_number: int) -> dict[str, int]:
    """Rows by state, and the marks beside a state; the states add up to `planned`."""
    mine = Delivery.issue_number == issue_number
    by_state = select(Delivery.state, func.count()).where(mine).group_by(Delivery.state)
    found = dict(session.execute(by_state).all())
    marks = select(
        func.count().filter(Delivery.in_doubt > 0),
        func.count().filter(Delivery.bounced_at.is_not(None)),
    ).where(mine)
    in_doubt, bounced = session.execute(marks).one()
    numbers = {state.value: found.get(state, 0) for state in DeliveryState}
    return {"planned": sum(numbers.values()), **numbers, "in_doubt": in_doubt, "bounced": bounced}


def open_count(session: Session, issue_number: int | None = None) -> tuple[int, int]:
    """How many rows are open, of all issues or of one; and how many of them wait for a person."""
    held = func.count().filter(is_waiting(), Delivery.due_at.is_(None))
    query = select(func.count(), held).where(is_open())
    if issue_number is not None:
        query = query.where(Delivery.issue_number == issue_number)
    return session.execute(query).one()


def open_by_issue(session: Session) -> dict[int, int]:
    """How many rows are open, by issue; of those that have any."""
    query = select(Delivery.issue_number, func.count()).where(is_open())
    return dict(session.execute(query.group_by(Delivery.issue_number)).all())


def has_open(session: Session, issue_number: int) -> bool:
    """Is any row of the issue still open?"""
    query = select(Delivery.id).where(Delivery.issue_number == issue_number, is_open()).limit(1)
    return session.scalar(query) is not None


def is_claimed(session: Session) -> bool:
    """Does any process hold rows at this moment?"""
    claimed = select(Delivery.id).where(Delivery.state == DeliveryState.CLAIMED).limit(1)
    return session.scalar(claimed) is not None


def next_due(
    session: Session, issue_number: int | None = None, *, asking: bool = False
) -> datetime | None:
    """When the next waiting row of the issues that are being sent (or of one) comes due.

    AT_ONCE for one that waits for nothing. `asking`: also of issues that are paused.
    """
    query = (
        select(func.min(Delivery.due_at))
        .join(Issue, Issue.number == Delivery.issue_number)
        .where(Issue.state.in_(going(asking=asking)), is_waiting())
    )
    if issue_number is not None:
        query = query.where(Issue.number == issue_number)
    return session.scalar(query)


def next_to_go(
    session: Session,
    settings: Settings,
    now: datetime,
    issue_number: int | None = None,
    *,
    asking: bool = False,
) -> datetime | None:
    """The same, but not before the rate and the warm-up let the relay have a message."""
    due_at = next_due(session, issue_number, asking=asking)
    return due_at and max(due_at, throttle.opens_at(session, settings, now))


def release_held(session: Session, issue_number: int, now: datetime, *, send: bool) -> int:
    """Rows held in doubt: sent once more, or withdrawn, as a person decided."""
    held = and_(is_waiting(), Delivery.due_at.is_(None))
    values = {"due_at": AT_ONCE} if send else closed(DeliveryState.WITHDRAWN, now)
    change = update(Delivery).where(Delivery.issue_number == issue_number, held)
    return changed(session.execute(change.values(**values)))
