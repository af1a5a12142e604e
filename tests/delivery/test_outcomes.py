"""STANDARDS.md 4a, line by line: what a reply means for a delivery and for an address."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.outcomes import Blame, Outcome, Reply, Stage, judge, retry_at
from newsletter.settings import Settings

ACCEPTED, DEFERRED, REFUSED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED
OURS, SLOW_DOWN, UNSENT = Outcome.OURS, Outcome.SLOW_DOWN, Outcome.UNSENT
NONE, SOFT, HARD = Blame.NONE, Blame.SOFT, Blame.HARD

TABLE = [
    # stage, code, text, outcome, blame
    ("content", 250, "2.0.0 queued", ACCEPTED, NONE),
    ("content", 252, "will try", ACCEPTED, NONE),
    ("rcpt", 450, "try later", DEFERRED, NONE),
    ("rcpt", 451, "4.7.1 please try again in five minutes", DEFERRED, NONE),
    ("content", 451, "4.3.0 aborted", DEFERRED, NONE),
    ("rcpt", 451, "4.4.1 no route", DEFERRED, NONE),
    ("rcpt", 421, "4.7.0 [TSS04] deferred", SLOW_DOWN, NONE),
    ("rcpt", 421, "4.7.28 Gmail has detected an unusual rate; try again later", SLOW_DOWN, NONE),
    ("content", 421, "RP-001 the mail server exceeded its rate", SLOW_DOWN, NONE),
    ("content", 451, "4.7.500 server busy", SLOW_DOWN, NONE),
    ("rcpt", 450, "4.2.1 the user receives mail at a rate too high", SLOW_DOWN, NONE),
    ("rcpt", 550, "5.2.1 the user receives mail too quickly", SLOW_DOWN, NONE),
    ("rcpt", 454, "4.7.0 TLS not available", SLOW_DOWN, NONE),
    ("rcpt", 451, "4.7.1 Greylisting in action", DEFERRED, NONE),
    ("rcpt", 450, "4.2.0 greylisted, come back in 300 seconds", DEFERRED, NONE),
    ("rcpt", 452, "4.2.2 mailbox is full", DEFERRED, SOFT),
    ("rcpt", 552, "5.2.2 mailbox is full", REFUSED, SOFT),
    ("rcpt", 552, "mailbox is full", REFUSED, SOFT),
    ("rcpt", 452, "4.5.3 too many recipients", DEFERRED, NONE),
    ("rcpt", 552, "too many recipients", DEFERRED, NONE),
    ("rcpt", 550, "5.1.1 no such user", REFUSED, HARD),
    ("rcpt", 550, "5.1.2 no such domain", REFUSED, HARD),
    ("rcpt", 550, "5.1.3 bad address", REFUSED, HARD),
    ("rcpt", 550, "5.1.6 has moved", REFUSED, HARD),
    ("rcpt", 556, "5.1.10 null MX", REFUSED, HARD),
    ("rcpt", 551, "user not local", REFUSED, HARD),
    ("rcpt", 553, "mailbox name not allowed", REFUSED, HARD),
    ("rcpt", 521, "host accepts no mail", REFUSED, HARD),
    ("rcpt", 556, "domain accepts no mail", REFUSED, HARD),
    ("rcpt", 550, "5.2.1 mailbox disabled", REFUSED, SOFT),
    ("rcpt", 550, "5.7.1 blocked by policy", REFUSED, SOFT),
    ("content", 554, "transaction failed", REFUSED, SOFT),
    ("rcpt", 550, "no", REFUSED, SOFT),
    ("rcpt", 550, "5.4.6 loop", REFUSED, SOFT),
    ("content", 550, "5.7.25 no PTR", OURS, NONE),
    ("content", 550, "5.7.26 unauthenticated", OURS, NONE),
    ("content", 550, "5.7.515 access denied", OURS, NONE),
    ("content", 550, "5.7.1 blocked (SC-001)", OURS, NONE),
    ("content", 552, "5.3.4 too big", OURS, NONE),
    ("content", 552, "message size exceeds the limit", OURS, NONE),
    ("content", 550, "5.6.0 malformed", OURS, NONE),
    ("content", 554, "Invalid Subject header", OURS, NONE),
    ("content", 552, "5.2.3 message size exceeds this mailbox's limit", REFUSED, SOFT),
    ("rcpt", 530, "5.7.0 authentication required", OURS, NONE),
    ("rcpt", 554, "5.7.1 <unknown[1.2.3.4]>: Client host rejected: access denied", OURS, NONE),
    ("rcpt", 553, "5.6.7 needs SMTPUTF8", REFUSED, NONE),
    ("mail", 530, "5.7.0 authentication required", OURS, NONE),
    ("mail", 550, "5.7.1 sender refused", OURS, NONE),
    ("rcpt", 535, "bad credentials", OURS, NONE),
    ("rcpt", 554, "5.7.1 <a@b.be>: Relay access denied", OURS, NONE),
    ("mail", 421, "4.3.2 shutting down", UNSENT, NONE),
    ("mail", 452, "4.3.1 no space", UNSENT, NONE),
    ("rcpt", 421, "4.3.2 shutting down", UNSENT, NONE),
    ("content", 421, "closing", UNSENT, NONE),
    ("data", 250, "what content?", DEFERRED, NONE),
]


@pytest.mark.parametrize(("stage", "code", "text", "outcome", "blame"), TABLE)
def test_smt_03_04_08_09_14_the_table(
    stage: str, code: int, text: str, outcome: Outcome, blame: Blame
) -> None:
    verdict = judge(Reply(Stage(stage), code, text))
    assert (verdict.outcome, verdict.blame) == (outcome, blame)


@pytest.mark.parametrize("detail", ["7.23", "7.24", "7.26", "7.27", "7.29", "7.30", "7.31", "7.40"])
def test_a_temporary_word_about_us_tells_the_editors_and_goes_on(detail: str) -> None:
    verdict = judge(Reply(Stage.CONTENT, 421, f"4.{detail} mend your DNS"))
    assert (verdict.outcome, verdict.tell) == (SLOW_DOWN, True)


@pytest.mark.parametrize(
    ("code", "text"), [(550, "4.2.1 disabled for now"), (450, "5.1.1 no user")]
)
def test_where_the_codes_disagree_the_more_temporary_one_counts(code: int, text: str) -> None:
    assert judge(Reply(Stage.RCPT, code, text)).outcome is DEFERRED


@pytest.mark.parametrize("stage", list(Stage))
def test_silence_is_in_doubt_only_after_the_content(stage: Stage) -> None:
    in_doubt = stage is Stage.CONTENT
    expected = Outcome.IN_DOUBT if in_doubt else UNSENT
    assert judge(Reply(stage, None, "")).outcome is expected


@given(st.sampled_from(Stage), st.integers(100, 599), st.text(max_size=60))
def test_every_reply_has_a_verdict(stage: Stage, code: int, text: str) -> None:
    verdict = judge(Reply(stage, code, text))
    assert (verdict.outcome is ACCEPTED) == (stage is Stage.CONTENT and 200 <= code < 300)
    if code < 500:
        assert verdict.outcome not in (REFUSED, OURS), "what is temporary ends nothing"


def test_smt_05_retries_twice_in_the_first_hour_then_every_two_to_three(
    settings: Settings, now: datetime
) -> None:
    waits = [[retry_at(settings, n, now) - now for _ in range(50)] for n in range(1, 6)]
    first_hour = [max(one) for one in waits[:2]]
    assert sum(first_hour, timedelta(0)) <= timedelta(hours=1)
    for later in waits[2:]:
        assert timedelta(hours=2) <= min(later) <= max(later) <= timedelta(hours=3)
    assert len(set(waits[0])) > 40, "they do not all come at once"


def test_smt_05_the_waits_are_settings(settings: Settings, now: datetime) -> None:
    mine = replace(settings, retry_minutes=(1.0, 100.0))
    assert retry_at(mine, 1, now) - now < timedelta(minutes=2)
    assert retry_at(mine, 7, now) - now >= timedelta(minutes=80), "the last one repeats"
