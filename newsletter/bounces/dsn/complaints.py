"""Complaints: feedback reports (ARF, RFC 5965), and what Microsoft's JMRP sends instead of them."""

import re

from newsletter.addresses import ADDRESS
from newsletter.bounces.dsn.opening import VALUE, Fields, Opened, fields_of
from newsletter.bounces.dsn.plaintext import one_line
from newsletter.bounces.report import Kind

REQUIRED = ("feedback-type", "user-agent", "version")  # each exactly once (RFC 5965 3.1)
# No reader complained: mail that was no spam after all, and proofs of forgery (RFC 6591).
NO_COMPLAINT = ("not-spam", "auth-failure")
JMRP = "x-hmxmroriginalrecipient"
JMRP_SUBJECT = re.compile(r"complaint about message from\b", re.IGNORECASE)


def complaint_in(opened: Opened) -> tuple[Kind, str | None, str | None] | None:
    """Kind, feedback type and recipient; None when the message is no feedback report."""
    if opened.feedback:
        fields = fields_of(opened.feedback)
        complete = all(len(fields.get(name, ())) == 1 for name in REQUIRED)
        kind = one_line(next(iter(fields.get("feedback-type", ())), "")).lower()[:40] or None
        counts = complete and kind not in NO_COMPLAINT
        return Kind.COMPLAINT if counts else Kind.UNKNOWN, kind, _complainer(opened, fields)
    subject, sender = opened.first("subject"), opened.first("from").lower()
    named = JMRP in opened.original or JMRP in opened.fields
    if opened.original and (named or (JMRP_SUBJECT.match(subject) and "@hotmail.com" in sender)):
        return Kind.COMPLAINT, "abuse", _complainer(opened, opened.fields)
    return None


def _complainer(opened: Opened, fields: Fields) -> str | None:
    for values in (
        fields.get("original-rcpt-to"),
        fields.get("removal-recipient"),
        fields.get(JMRP),
        opened.original.get(JMRP),
        opened.original.get("to"),
    ):
        if found := ADDRESS.search(" ".join(values or ())[:VALUE]):
            return found[0]
    return None
