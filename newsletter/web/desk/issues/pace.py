"""How fast an issue goes: from what this process has seen of it in the last minutes.

No row says how many were accepted in a minute, and counting them would read a million; two looks
at the total tell it. Before there are two, it is the average since the issue was planned.
"""

import threading
from collections import deque
from datetime import datetime, timedelta

from flask import current_app

from newsletter.delivery.ledger import Progress
from newsletter.models import Issue, IssueState

LATELY, SHORTEST = timedelta(minutes=5), timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
_LOCK = threading.Lock()


def pace(issue: Issue, progress: Progress, now: datetime) -> tuple[float, timedelta | None]:
    """Messages a minute, and how long the rest takes at that; None when nobody can tell."""
    if issue.state is not IssueState.SENDING or issue.planned_at is None:
        return 0.0, None
    at, accepted = _earlier(issue.number, progress.accepted, now)
    if now - at < SHORTEST or progress.accepted < accepted:
        at, accepted = issue.planned_at, 0
    minutes = max((now - at) / MINUTE, 1 / 60)
    rate = (progress.accepted - accepted) / minutes
    return rate, timedelta(minutes=progress.waiting / rate) if rate else None


def _earlier(number: int, accepted: int, now: datetime) -> tuple[datetime, int]:
    """The oldest look of the last minutes; this one is remembered."""
    with _LOCK:
        looks = current_app.extensions.setdefault("desk looks", {})
        mine: deque[tuple[datetime, int]] = looks.setdefault(number, deque())
        while mine and mine[0][0] < now - LATELY:
            mine.popleft()
        mine.append((now, accepted))
        return mine[0]
