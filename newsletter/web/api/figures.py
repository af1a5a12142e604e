"""Deliveries and counts for programs."""

from newsletter import statistics as room
from newsletter.delivery import ledger
from newsletter.models import Delivery
from newsletter.web.api import shapes
from newsletter.web.api.calls import Call
from newsletter.web.api.problems import Problem


def deliveries(call: Call) -> shapes.Deliveries:
    """A page of them: of an issue, of a subscriber, or of all."""
    query = call.query
    [last] = call.after(int) or [0]
    rows = ledger.after(call.session, last, query.limit + 1, query.issue, query.subscriber)
    by_reader = query.issue is not None
    shown, following = call.page(rows, lambda row: [row.subscriber_id if by_reader else row.id])
    return shapes.Deliveries(data=list(map(_shape, shown)), next=following)


def statistics(call: Call) -> shapes.Statistics:
    """Readers by month."""
    growth = room.growth(call.session, months=True)
    months = [
        shapes.Month(month=one.period, joined=one.joined, gone=one.gone, readers=one.readers)
        for one in growth
    ]
    return shapes.Statistics(readers=growth[-1].readers if growth else 0, months=months)


def issue(call: Call, number: int) -> shapes.Counts:
    """How an issue stands."""
    for row in room.issues(call.session, 1, number):
        return shapes.Counts.model_validate(row.counts)
    raise Problem(404, f"There is no issue {number} that was planned.")


def _shape(row: Delivery) -> shapes.Delivery:
    return shapes.Delivery(
        id=row.id,
        issue=row.issue_number,
        subscriber=row.subscriber_id,
        state=row.state,
        settled_at=row.settled_at,
        bounced_at=row.bounced_at,
        in_doubt=row.in_doubt,
        status=row.status,
    )
