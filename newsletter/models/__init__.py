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
from newsletter.models.editor import Approval, Draft, Editor, Entry, Passkey, Role, SignIn
from newsletter.models.fence import Fence
from newsletter.models.figure import Figure
from newsletter.models.issue import Edition, Intro, Issue, IssueState, ItemNumber, Piece, Slot
from newsletter.models.notice import Notice, NoticeKind, NoticeState
from newsletter.models.picture import Picture
from newsletter.models.program import (
    AccessToken,
    Endpoint,
    Event,
    EventKind,
    Replay,
    Scope,
)
from newsletter.models.report import Reply, Setback, SetbackKind
from newsletter.models.shared_file import SharedFile
from newsletter.models.sighting import SeedPlace, Sighting
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
    "AccessToken",
    "AddressChange",
    "Approval",
    "Base",
    "Consent",
    "ConsentDetails",
    "ConsentEvent",
    "ConsentOrigin",
    "Cursor",
    "Delivery",
    "DeliveryState",
    "Draft",
    "Edition",
    "Editor",
    "Endpoint",
    "Entry",
    "Event",
    "EventKind",
    "Fence",
    "Figure",
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
    "Passkey",
    "Picture",
    "Piece",
    "Published",
    "Quota",
    "Replay",
    "Reply",
    "RequestKind",
    "Role",
    "Scope",
    "Seal",
    "SeedPlace",
    "Setback",
    "SetbackKind",
    "SharedFile",
    "Sighting",
    "SignIn",
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
