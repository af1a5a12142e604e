"""Delivery status parts (RFC 3464): which recipients, what happened to each."""

import re

from newsletter.addresses import ADDRESS
from newsletter.bounces.dsn.judging import ENHANCED, Failure
from newsletter.bounces.dsn.opening import Fields, fields_of
from newsletter.bounces.dsn.plaintext import one_line

RECIPIENTS = 100  # of one report that are read
IN_TEXT = re.compile(
    r"^(?:Reporting-MTA|Original-Recipient|Final-Recipient|Action): ", re.MULTILINE
)
TYPED = re.compile(r"\s*[\w-]{1,20}\s*;\s*")  # "rfc822;", "smtp;" (RFC 3464 2.1.2)
# RFC 3464 2.3.3, and what others write.
ACTIONS = {
    "failed": "failed", "fail": "failed", "failure": "failed", "error": "failed",
    "delayed": "delayed", "delay": "delayed",
    "delivered": "delivered", "relayed": "relayed", "expanded": "expanded",
}  # fmt: skip


def in_text(said: str) -> str:
    """The delivery status that stands in text for people; "" when there is none."""
    found = IN_TEXT.search(said)
    return said[found.start() :] if found and "\nAction:" in said else ""


def failures_of(status: str) -> list[Failure]:
    """One for each recipient in the text of a delivery status, RECIPIENTS at most."""
    found: list[Fields] = []
    for block in re.split(r"\n[ \t]*\n", status, maxsplit=4 * RECIPIENTS):
        fields = fields_of(block.strip("\n"))
        if "final-recipient" in fields or "original-recipient" in fields:
            found.extend(_each(fields))
        elif found and "action" in fields and "action" not in found[-1]:
            found[-1] = fields | found[-1]  # an empty line in the middle
    return [_failure(fields) for fields in found[:RECIPIENTS]]


def _each(fields: Fields) -> list[Fields]:
    """Recipients that no empty line parts."""
    amount = min(len(fields.get("final-recipient", [""])), RECIPIENTS)
    if amount == 1:
        return [fields]
    return [{name: [values[min(i, len(values) - 1)]] for name, values in fields.items()}
            for i in range(amount)]  # fmt: skip


def _failure(fields: Fields) -> Failure:
    stated = _first(fields, "status")
    said = _first(fields, "diagnostic-code") or _first(fields, "x-supplementary-info")
    words = one_line(TYPED.sub("", said, count=1) if TYPED.match(said) else said)
    comment = ENHANCED.sub("", stated, count=1).strip(" ()")
    return Failure(_recipient(fields), words or comment, _action(fields, stated), stated)


def _action(fields: Fields, status: str) -> str:
    word = re.match(r"[a-z]*", _first(fields, "action").lower())
    if word and word[0] in ACTIONS:
        return ACTIONS[word[0]]
    return "delivered" if status.startswith("2") else "failed"


def _recipient(fields: Fields) -> str | None:
    """Whom we wrote to, where that is known; else whom they could not reach."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        if found := ADDRESS.search(_first(fields, name).partition(";")[2] or _first(fields, name)):
            return found[0]
    return None


def _first(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "")
