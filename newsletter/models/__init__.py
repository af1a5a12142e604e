"""Tables, constraints and enums; no behaviour. One writer for each table (ARCHITECTURE.md)."""

from newsletter.db import Base
from newsletter.models.archive import Published, Subject, SubjectKind
from newsletter.models.consent import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    ConsentOrigin,
    Seal,
)
from newsletter.models.delivery import AT_ONCE, Cursor, Delivery, DeliveryState, Lease, Quota
from newsletter.models.issue import Edition, Intro, Issue, IssueState, ItemNumber, Piece, Slot
from newsletter.models.notice import Notice, NoticeKind, NoticeState
from newsletter.models.picture import Picture
from newsletter.models.subscriber import (
    AddressChange,
    FormRequest,
    LeavingReason,
    Limit,
    RequestKind,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
    SurveyAnswer,
    Tally,
    TopicChoice,
)

__all__ = [
    "AT_ONCE",
    "AddressChange",
    "Base",
    "Consent",
    "ConsentDetails",
    "ConsentEvent",
    "ConsentOrigin",
    "Cursor",
    "Delivery",
    "DeliveryState",
    "Edition",
    "FormRequest",
    "Intro",
    "Issue",
    "IssueState",
    "ItemNumber",
    "Lease",
    "LeavingReason",
    "Limit",
    "Notice",
    "NoticeKind",
    "NoticeState",
    "Picture",
    "Piece",
    "Published",
    "Quota",
    "RequestKind",
    "Seal",
    "Slot",
    "Subject",
    "SubjectKind",
    "Subscriber",
    "SubscriberState",
    "Suppression",
    "SuppressionReason",
    "SurveyAnswer",
    "Tally",
    "TopicChoice",
]
