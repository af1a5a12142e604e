"""Numbers without persons: counted by the clock into `figures`, read by the desk.

`counting` alone writes `figures`. What few people share is told under `OTHER`, so that no number
points at somebody.
"""

from newsletter.statistics.counting import (
    EVERY,
    FEWEST,
    OTHER,
    Counts,
    count_issue,
    count_proofs,
    count_readers,
    due_issues,
    forget,
    store,
)
from newsletter.statistics.reading import (
    Growth,
    IssueRow,
    Live,
    by_key,
    consents,
    counted_at,
    growth,
    issues,
    live,
    parted,
    standing,
)

__all__ = [
    "EVERY",
    "FEWEST",
    "OTHER",
    "Counts",
    "Growth",
    "IssueRow",
    "Live",
    "by_key",
    "consents",
    "count_issue",
    "count_proofs",
    "count_readers",
    "counted_at",
    "due_issues",
    "forget",
    "growth",
    "issues",
    "live",
    "parted",
    "standing",
    "store",
]
