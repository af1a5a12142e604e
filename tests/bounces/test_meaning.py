"""STANDARDS.md 4a and SMT-14: what follows from a setback, whichever way it came in."""

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.bounces import meaning
from newsletter.bounces.meaning import Past
from newsletter.bounces.report import Kind, Report
from newsletter.models import SetbackKind

HARD, DISABLED, SOFT = SetbackKind.HARD, SetbackKind.DISABLED, SetbackKind.SOFT
OURS, COMPLAINT = SetbackKind.OURS, SetbackKind.COMPLAINT
START = datetime(2026, 11, 1, tzinfo=UTC)

REFUSED = [
    ("5.1.1", "550 5.1.1 no such user", HARD),
    ("5.1.2", "550 5.1.2 no such domain", HARD),
    ("5.1.3", "550 5.1.3 bad address", HARD),
    ("5.1.6", "550 5.1.6 has moved", HARD),
    ("5.1.10", "556 5.1.10 null MX", HARD),
    ("521", "521 host accepts no mail", HARD),
    ("556", "556 domain accepts no mail", HARD),
    ("5.2.1", "550 5.2.1 mailbox disabled", DISABLED),
    ("5.2.2", "552 5.2.2 mailbox full", SOFT),
    ("4.2.2", "452 4.2.2 mailbox full", SOFT),  # until it was given up
    ("4.4.1", "451 4.4.1 no route", SOFT),
    ("5.7.1", "550 5.7.1 blocked by policy", SOFT),
    ("554", "554 transaction failed", SOFT),
    ("5.7.26", "550 5.7.26 unauthenticated", OURS),
    ("5.7.1", "550 5.7.1 blocked (SC-001)", OURS),
    ("5.6.0", "550 5.6.0 malformed", OURS),
    ("5.6.7", "553 5.6.7 needs SMTPUTF8", OURS),
    ("4.7.28", "421 4.7.28 unusual rate", OURS),
    (None, "This message could not be made: a gap", OURS),
    (None, "the relay was silent for too long", OURS),
    (None, None, OURS),
]


@pytest.mark.parametrize(("status", "words", "kind"), REFUSED)
def test_smt_09_14_what_a_refusal_is(
    status: str | None, words: str | None, kind: SetbackKind
) -> None:
    assert meaning.of_refusal(status, words) is kind


REPORTED = [
    (Report(Kind.HARD, "5.1.1"), HARD),
    (Report(Kind.HARD), HARD),
    (Report(Kind.SOFT, "5.2.2"), SOFT),
    (Report(Kind.SOFT), SOFT),
    (Report(Kind.SOFT, "5.2.1"), DISABLED),
    (Report(Kind.SOFT, "5.7.26", ours=True), OURS),
    (Report(Kind.DELAYED, "4.4.1"), None),
    (Report(Kind.AUTO_REPLY), None),
    (Report(Kind.UNSUBSCRIBE), None),
    (Report(Kind.HUMAN), None),
    (Report(Kind.UNKNOWN), None),
    (Report(Kind.COMPLAINT), COMPLAINT),
    (Report(Kind.COMPLAINT, feedback_type="abuse"), COMPLAINT),
    (Report(Kind.COMPLAINT, feedback_type="fraud"), COMPLAINT),
    (Report(Kind.COMPLAINT, feedback_type="not-spam"), None),
    (Report(Kind.COMPLAINT, feedback_type="auth-failure"), None),
    (Report(Kind.COMPLAINT, feedback_type="virus"), None),
]


@pytest.mark.parametrize(("report", "kind"), REPORTED)
def test_smt_12_17_18_what_a_report_is(report: Report, kind: SetbackKind | None) -> None:
    assert meaning.of_report(report) is kind


ROWS = [
    # kinds with issue and day; broken?
    ([(SOFT, 1, 0), (SOFT, 2, 7)], None),
    ([(SOFT, 1, 0), (SOFT, 2, 7), (SOFT, 3, 13)], None),  # three issues, not yet two weeks
    ([(SOFT, 1, 0), (SOFT, 2, 7), (SOFT, 3, 14)], SOFT),
    ([(SOFT, 1, 0), (SOFT, 1, 7), (SOFT, 2, 30)], None),  # one issue twice is one issue
    ([(DISABLED, 1, 0)], None),
    ([(DISABLED, 1, 0), (DISABLED, 2, 1)], DISABLED),
    ([(DISABLED, 1, 0), (SOFT, 2, 7), (SOFT, 3, 14)], SOFT),
    ([(OURS, 1, 0), (OURS, 2, 20), (OURS, 3, 40), (OURS, 4, 60)], None),
]


@pytest.mark.parametrize(("rows", "kind"), ROWS)
def test_smt_14_persistence_decides(
    rows: list[tuple[SetbackKind, int, int]], kind: SetbackKind | None
) -> None:
    past = [Past(one, issue, START + timedelta(days=day)) for one, issue, day in rows]
    found = meaning.broken(past)
    assert (found and found[0].kind) == kind
    if found:
        assert found[1] == sorted({one.issue_number for one in past})


def test_every_kind_has_its_rule_or_none_on_purpose() -> None:
    assert {rule.kind for rule in meaning.RULES} == set(SetbackKind) - {OURS}
