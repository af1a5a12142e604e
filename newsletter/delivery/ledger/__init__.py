"""The ledger: all deliveries and cursors, and the only code that writes them.

Plan, claim, settle, reclaim. Every function runs in the caller's transaction and commits nothing;
what must be one commit is one function. It does not talk SMTP and does not choose items.
"""

from newsletter.delivery.ledger.claiming import (
    Batch,
    Claim,
    Claimed,
    bring_back,
    claim,
    lies_too_far_ahead,
)
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
    at_once,
    groups,
    lowest_cursor,
    newest_number,
    plan,
    readers_waiting,
    skip,
    spread,
    start_cursors,
    start_new_cursors,
    take_stock,
    waits_untouched,
    withdraw_older,
    withdraw_unsent,
)
from newsletter.delivery.ledger.working import (
    Settled,
    forget_reader,
    forget_replies,
    give_back,
    park,
    settle_and_open,
    withdraw,
)

__all__ = [
    "Batch",
    "Claim",
    "Claimed",
    "Group",
    "Settled",
    "at_once",
    "bring_back",
    "claim",
    "counts",
    "forget_reader",
    "forget_replies",
    "give_back",
    "groups",
    "has_open",
    "is_claimed",
    "lies_too_far_ahead",
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
    "spread",
    "start_cursors",
    "start_new_cursors",
    "take_lease",
    "take_stock",
    "waits_untouched",
    "withdraw",
    "withdraw_older",
    "withdraw_unsent",
]
