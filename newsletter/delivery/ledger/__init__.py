"""The ledger: all deliveries and cursors, and the only code that writes them.

Plan, claim, settle, reclaim. Every function runs in the caller's transaction and commits nothing;
what must be one commit is one function. It does not talk SMTP and does not choose items.
"""

from newsletter.delivery.ledger.counting import (
    counts,
    has_open,
    is_claimed,
    next_due,
    open_count,
    release_held,
)
from newsletter.delivery.ledger.leases import (
    ran_out,
    reclaim,
    release_lease,
    renew_lease,
    take_lease,
)
from newsletter.delivery.ledger.planning import (
    Group,
    groups,
    lowest_cursor,
    newest_number,
    plan,
    readers_waiting,
    skip,
    start_cursors,
    withdraw_older,
)
from newsletter.delivery.ledger.working import (
    Claimed,
    Settled,
    claim,
    park,
    settle_and_open,
    withdraw,
)

__all__ = [
    "Claimed",
    "Group",
    "Settled",
    "claim",
    "counts",
    "groups",
    "has_open",
    "is_claimed",
    "lowest_cursor",
    "newest_number",
    "next_due",
    "open_count",
    "park",
    "plan",
    "ran_out",
    "readers_waiting",
    "reclaim",
    "release_held",
    "release_lease",
    "renew_lease",
    "settle_and_open",
    "skip",
    "start_cursors",
    "take_lease",
    "withdraw",
    "withdraw_older",
]
