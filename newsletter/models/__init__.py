"""Tables, constraints and enums; no behaviour. One writer for each table (ARCHITECTURE.md)."""

from newsletter.db import Base
from newsletter.models.delivery import AT_ONCE, Cursor, Delivery, DeliveryState, Lease, Quota
from newsletter.models.issue import Edition, Issue, IssueState, ItemNumber, Piece, Slot
from newsletter.models.notice import Notice, NoticeKind, NoticeState
from newsletter.models.subscriber import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    SignupRequest,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
    TopicChoice,
)

__all__ = [
    "AT_ONCE",
    "Base",
    "Consent",
    "ConsentDetails",
    "ConsentEvent",
    "Cursor",
    "Delivery",
    "DeliveryState",
    "Edition",
    "Issue",
    "IssueState",
    "ItemNumber",
    "Lease",
    "Notice",
    "NoticeKind",
    "NoticeState",
    "Piece",
    "Quota",
    "SignupRequest",
    "Slot",
    "Subscriber",
    "SubscriberState",
    "Suppression",
    "SuppressionReason",
    "TopicChoice",
]
