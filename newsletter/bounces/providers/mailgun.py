"""Mailgun's webhooks: signed by a key of the account (documentation: Webhooks, Securing webhooks).

The signature covers a timestamp and a token, not the report: a report that somebody else put behind
a signature they saw still has to prove which message it is about, and counts once.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from newsletter.bounces.providers import Refused, failure, inside, opened, text
from newsletter.bounces.report import Kind, Report

# Mailgun goes on trying for eight hours, and does not say that it signs anew.
OLDEST = timedelta(hours=9)
AHEAD = timedelta(minutes=5)  # that its clock may be before ours
KINDS = {
    ("failed", "permanent"): Kind.HARD,
    ("failed", "temporary"): Kind.DELAYED,
    ("complained", ""): Kind.COMPLAINT,
    ("unsubscribed", ""): Kind.UNSUBSCRIBE,
}
# Mail it did not send, since the reader stands on its own list.
KEPT_BACK = {
    "suppress-bounce": Kind.SOFT,
    "suppress-complaint": Kind.COMPLAINT,
    "suppress-unsubscribe": Kind.UNSUBSCRIBE,
}


def read(body: bytes, key: str, now: datetime) -> list[Report]:
    """The report in `body`; none when it is about something else. Raises Refused, Unreadable."""
    sent = opened(body)
    _check(sent.get("signature"), key, now)
    event = sent.get("event-data")
    severity = text(event, "severity") if text(event, "event") == "failed" else ""
    kind = KINDS.get((text(event, "event"), severity))
    if kind is None:
        return []
    about = Report(
        kind,
        recipient=text(event, "recipient") or None,
        message_id=text(event, "message", "headers", "message-id") or None,
        return_path=text(event, "envelope", "sender") or None,
    )
    return [_failed(about, event) if severity else about]


def _failed(about: Report, event: Any) -> Report:
    status = inside(event, "delivery-status")
    said = text(status, "message") or text(status, "description")
    words = f"{text(status, 'code')} {said}".strip()
    kind = KEPT_BACK.get(text(event, "reason"), about.kind)
    return failure(about, kind, words, text(status, "enhanced-code"))


def _check(signature: Any, key: str, now: datetime) -> None:
    timestamp, token = text(signature, "timestamp"), text(signature, "token")
    right = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), text(signature, "signature").encode()):
        raise Refused
    seconds = float(timestamp) if timestamp.isdecimal() and len(timestamp) < 12 else 0
    if not now - OLDEST <= datetime.fromtimestamp(seconds, UTC) <= now + AHEAD:
        raise Refused
