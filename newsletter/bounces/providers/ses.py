"""Amazon SES: what it tells a topic of SNS about our mail (documentation: notification contents for
SES, and the same as events of a configuration set)."""

from dataclasses import replace
from typing import Any

from newsletter.bounces.providers import Unreadable, failure, inside, opened, text
from newsletter.bounces.report import Kind, Report

RECIPIENTS = 100  # of one notification that are read; our mail has one
BOUNCES = {"Permanent": Kind.HARD, "Transient": Kind.SOFT, "Undetermined": Kind.SOFT}
# Mail that SES did not send, since the address stands on a list of its own.
KEPT_BACK = ("Suppressed", "OnAccountSuppressionList")
OURS = ("ContentRejected", "AttachmentRejected", "MessageTooLarge")


def read(message: str) -> list[Report]:
    """The reports in the message of a notification, one for each recipient; none when it is about
    something else, or words for people."""
    try:
        sent = opened(message)
    except Unreadable:  # "Successfully validated SNS topic …"
        return []
    about = Report(
        Kind.UNKNOWN,
        message_id=_message_id(inside(sent, "mail")) or None,
        return_path=text(sent, "mail", "source") or None,
    )
    what = text(sent, "notificationType") or text(sent, "eventType")
    if what == "Bounce":
        return _bounces(about, inside(sent, "bounce"))
    if what == "Complaint":
        return _complaints(about, inside(sent, "complaint"))
    if what == "DeliveryDelay":
        return [replace(about, kind=Kind.DELAYED)]
    left = inside(sent, "subscription", "newTopicPreferences", "unsubscribeAll") is True
    return [replace(about, kind=Kind.UNSUBSCRIBE)] if what == "Subscription" and left else []


def _message_id(mail: Any) -> str:
    """Ours: SES gives mail another one, and tells the first in the headers, when asked for them."""
    headers = inside(mail, "headers")
    for header in headers if isinstance(headers, list) else []:
        if text(header, "name").lower() == "message-id":
            return text(header, "value")
    return text(mail, "commonHeaders", "messageId")


def _bounces(about: Report, bounce: Any) -> list[Report]:
    subtype = text(bounce, "bounceSubType")
    kind = BOUNCES.get(text(bounce, "bounceType"), Kind.SOFT)
    if subtype in KEPT_BACK:
        kind = Kind.SOFT
    about = replace(about, ours=subtype in OURS)
    return [
        failure(
            replace(about, recipient=text(one, "emailAddress") or None),
            kind,
            text(one, "diagnosticCode").removeprefix("smtp;").strip(),
            text(one, "status"),
        )
        for one in _each(bounce, "bouncedRecipients")
    ]


def _complaints(about: Report, complaint: Any) -> list[Report]:
    kind = text(complaint, "complaintFeedbackType") or None
    about = replace(about, kind=Kind.COMPLAINT, feedback_type=kind)
    return [
        replace(about, recipient=text(one, "emailAddress") or None)
        for one in _each(complaint, "complainedRecipients")
    ]


def _each(value: Any, name: str) -> list[Any]:
    found = inside(value, name)
    return found[:RECIPIENTS] if isinstance(found, list) and found else [None]
