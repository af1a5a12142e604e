"""Postmark's webhooks: the user and the password of the address it posts to are all that proves it
(documentation: Webhooks overview, Bounce types, Custom metadata).

Postmark has a return path of its own and may give mail another Message-ID; what comes back for sure
is metadata. So each mail carries its Message-ID there too, in a header that readers do not get.
"""

import hmac
from dataclasses import replace

from newsletter.bounces.providers import failure, inside, opened, text
from newsletter.bounces.report import Kind, Report

METADATA = "message-id"  # as in `delivery.message.POSTMARK`
BOUNCES = {
    "HardBounce": Kind.HARD,
    "BadEmailAddress": Kind.HARD,
    "SoftBounce": Kind.SOFT,
    "DnsError": Kind.SOFT,
    "Unknown": Kind.SOFT,
    "Transient": Kind.DELAYED,
    "AutoResponder": Kind.AUTO_REPLY,
    "ChallengeVerification": Kind.AUTO_REPLY,
    "Unsubscribe": Kind.UNSUBSCRIBE,
    "SpamComplaint": Kind.COMPLAINT,
}
# What we are, or what we sent, is not wanted.
OURS = ("SpamNotification", "VirusNotification", "Blocked", "DMARCPolicy")
FAILURES = (Kind.HARD, Kind.SOFT, Kind.DELAYED)


def is_theirs(account: str, user: str, password: str) -> bool:
    """Are these the user and the password in `account` (POSTMARK_WEBHOOK)?"""
    return hmac.compare_digest(account.encode(), f"{user}:{password}".encode())


def read(body: bytes) -> list[Report]:
    """The report in `body`; none when it is about something else. Raises Unreadable."""
    sent = opened(body)
    metadata = inside(sent, "Metadata")
    names = metadata if isinstance(metadata, dict) else {}
    ours = next((name for name in names if name.lower() == METADATA), METADATA)
    about = Report(
        Kind.UNKNOWN,
        recipient=text(sent, "Email") or text(sent, "Recipient") or None,
        message_id=text(metadata, ours) or None,
    )
    record = text(sent, "RecordType")
    if record == "SubscriptionChange":
        about = replace(about, kind=_changed(sent))
    elif record in ("Bounce", "SpamComplaint"):
        about = _bounced(about, text(sent, "Type"), text(sent, "Details"))
    return [] if about.kind is Kind.UNKNOWN else [about]


def _bounced(about: Report, type: str, words: str) -> Report:
    if type in OURS:
        return failure(replace(about, ours=True), Kind.SOFT, words)
    kind = BOUNCES.get(type, Kind.UNKNOWN)
    return failure(about, kind, words) if kind in FAILURES else replace(about, kind=kind)


def _changed(sent: dict[str, object]) -> Kind:
    """What it means that an address came on Postmark's own list; leaving the list means nothing."""
    if sent.get("SuppressSending") is not True:
        return Kind.UNKNOWN
    reason, origin = text(sent, "SuppressionReason"), text(sent, "Origin")
    if reason == "ManualSuppression":  # the reader's own unsubscribing, or our staff's
        return Kind.UNSUBSCRIBE if origin == "Recipient" else Kind.UNKNOWN
    # Of a hard bounce the other record has the words, by which it is judged.
    known = {"HardBounce": Kind.SOFT, "SpamComplaint": Kind.COMPLAINT}
    return known.get(reason, Kind.UNKNOWN)
