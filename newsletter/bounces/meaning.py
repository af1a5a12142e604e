"""What a setback means for its reader: one table (STANDARDS 4a, SMT-14) for both ways in, what the
relay refuses at once and what comes back later. Pure; docs/BOUNCES.md says the same in words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.bounces.report import Kind, Report
from newsletter.delivery.outcomes import Blame, Outcome, Reply, Stage, judge
from newsletter.models import SetbackKind, SuppressionReason

HARD, DISABLED, SOFT = SetbackKind.HARD, SetbackKind.DISABLED, SetbackKind.SOFT
OURS, COMPLAINT = SetbackKind.OURS, SetbackKind.COMPLAINT


@dataclass(frozen=True, slots=True)
class Rule:
    """When a reader is mailed no more: after setbacks with `issues` different issues, none of which
    arrived in between, the first and the last at least `days` apart."""

    kind: SetbackKind
    counts: tuple[SetbackKind, ...]  # which setbacks count
    issues: int
    days: int
    reason: SuppressionReason


# The table. What is not in it (OURS) is never the reader's fault.
RULES = (
    Rule(COMPLAINT, (COMPLAINT,), 1, 0, SuppressionReason.COMPLAINT),
    Rule(HARD, (HARD,), 1, 0, SuppressionReason.BOUNCED),
    Rule(DISABLED, (DISABLED,), 2, 0, SuppressionReason.BOUNCED),
    Rule(SOFT, (SOFT, DISABLED), 3, 14, SuppressionReason.BOUNCED),
)
AT_ONCE = {rule.kind: rule for rule in RULES if rule.issues == 1}
IN_TIME = tuple(rule for rule in RULES if rule.issues > 1)

# What a report is: a setback, or nothing that speaks against its reader.
SETBACKS: Mapping[Kind, SetbackKind] = {
    Kind.HARD: HARD,
    Kind.SOFT: SOFT,
    Kind.COMPLAINT: COMPLAINT,
}
# Feedback (RFC 5965 3.1, RFC 6591) in which nobody says that they do not want our mail.
NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "virus"})
MAILBOX_DISABLED = ".2.1"  # RFC 3463 3.3


@dataclass(frozen=True, slots=True)
class Past:
    """A setback of a reader's: its kind, its issue, and when."""

    kind: SetbackKind
    issue_number: int
    at: datetime


def of_report(report: Report) -> SetbackKind | None:
    """What a report is; None for what speaks against nobody (delayed, vacation, a person)."""
    if report.kind is Kind.COMPLAINT and (report.feedback_type or "").lower() in NO_COMPLAINT:
        return None
    found = SETBACKS.get(report.kind)
    if found in (HARD, SOFT) and report.ours:
        return OURS
    return _finer(found, report.status) if found is SOFT else found


def of_refusal(status: str | None, words: str | None) -> SetbackKind:
    """What a refused delivery is, by the relay's last words. What was put off until it was given up
    is soft; what was never about the reader is ours."""
    code, _blank, text = (words or "").partition(" ")
    if not code.isdigit():
        return OURS  # it could not be made, or every conversation broke off
    verdict = judge(Reply(Stage.CONTENT, int(code), text))
    if verdict.blame is Blame.HARD:
        return HARD
    refused = verdict.outcome is Outcome.REFUSED and verdict.blame is Blame.SOFT
    if refused or verdict.outcome is Outcome.DEFERRED:
        return _finer(SOFT, status)
    return OURS


def broken(setbacks: Iterable[Past]) -> tuple[Rule, list[int]] | None:
    """The rule that a reader's setbacks, with issues in a row, fulfil; and with which issues."""
    known = list(setbacks)
    for rule in IN_TIME:
        counted = [one for one in known if one.kind in rule.counts]
        issues = sorted({one.issue_number for one in counted})
        moments = [one.at for one in counted]
        if len(issues) >= rule.issues and _span(moments) >= timedelta(days=rule.days):
            return rule, issues
    return None


def _finer(kind: SetbackKind, status: str | None) -> SetbackKind:
    return DISABLED if (status or "").endswith(MAILBOX_DISABLED) else kind


def _span(moments: list[datetime]) -> timedelta:
    return max(moments) - min(moments) if moments else timedelta()
