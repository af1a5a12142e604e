"""Notices: letters to one person who is waiting for them, and the outbox that carries them."""

from newsletter.notices.crowds import queue_for
from newsletter.notices.outbox import (
    drain,
    forget,
    queue,
    queue_all,
    remove,
    remove_settled,
    withdraw_waiting,
    written_since,
)
from newsletter.notices.replies import forget as forget_replies
from newsletter.notices.replies import pass_on

__all__ = [
    "drain",
    "forget",
    "forget_replies",
    "pass_on",
    "queue",
    "queue_all",
    "queue_for",
    "remove",
    "remove_settled",
    "withdraw_waiting",
    "written_since",
]
