"""No bytes whatever stop the reader, and what it says fits where it will be kept.

Few examples here, the same each time; `make chaos` looks further, by chance (HYPOTHESIS_EXAMPLES).
"""

import os
import random
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, example, given, seed
from hypothesis import settings as amount
from hypothesis import strategies as st

from newsletter.bounces import dsn
from newsletter.bounces.dsn import sorting
from newsletter.bounces.dsn.opening import LIMIT
from newsletter.bounces.report import MAX_REASON, Kind, Report

WANTED = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
START = int(os.environ.get("HYPOTHESIS_SEED") or random.SystemRandom().randrange(10**6))
CHOSEN = amount(
    max_examples=WANTED or 60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SAMPLES = [file.read_bytes() for file in sorted((Path(__file__).parent / "samples").iterdir())]
# What tells the reader something, to be put together by chance.
PIECES = st.sampled_from(
    [
        *(
            b"From: ",
            b"To: ",
            b"Subject: ",
            b"Content-Type: ",
            b"Return-Path: <>\n",
            b"\n",
            b"\n\n",
        ),
        *(b"multipart/report; report-type=delivery-status; boundary=b\n", b"--b\n", b"--b--", b"b"),
        *(b"message/delivery-status\n\n", b"message/rfc822\n\n", b"message/feedback-report\n\n"),
        *(
            b"text/html; charset=utf-7\n\n",
            b"text/plain; charset=utf-16\n\n",
            b"text/plain; charset=",
        ),
        *(b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n"),
        *(
            b"Final-Recipient: rfc822;",
            b"Action: failed\n",
            b"Status: 5.1.1\n",
            b"an@school.example",
        ),
        *(
            b"<an@school.example>:\n",
            b"MAILER-DAEMON@x",
            b"=?utf-8?b?",
            b"?=",
            b"=?x?q?=00",
            b"5.1.1",
        ),
        *(
            b"\x00",
            b"\xff\xfe",
            b"\r",
            b"\xe2\x80\xa8",
            b"+2AA-",
            b"Feedback-Type: abuse\n",
            b"550 ",
        ),
        *(b"could not be delivered\n", b"unsubscribe", b"In-Reply-To: <", b">", b"- ", b"."),
    ]
)
MADE = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=60).map(b"".join)
SPOILT = st.tuples(
    st.sampled_from(SAMPLES), st.integers(0, 3000), st.integers(0, 40), st.binary(max_size=40)
).map(lambda drawn: drawn[0][: drawn[1]] + drawn[3] + drawn[0][drawn[1] + drawn[2] :])


def fits(report: Report) -> None:
    """A line of text each, of which every database takes every character."""
    for text in (
        *(report.status, report.reason, report.recipient, report.message_id),
        *(report.return_path, report.sender, report.subject, report.feedback_type),
    ):
        assert text != ""
        assert len(text or "") <= MAX_REASON
        assert not any(ord(char) < 32 or ord(char) == 127 for char in text or "")
        (text or "").encode()


def test_no_bytes_stop_the_reader(capsys: pytest.CaptureFixture[str]) -> None:
    @given(st.one_of(st.binary(max_size=400), MADE, SPOILT))
    @example(b"")
    @example(b"Content-Type: multipart/mixed; boundary=\n\n--\n\n--\n")
    def look(raw: bytes) -> None:
        reports = sorting.sort(raw)
        assert reports
        for report in reports:
            fits(report)

    if WANTED:
        with capsys.disabled():
            click.echo(f"\nAny bytes: {WANTED} examples, HYPOTHESIS_SEED={START}")
    seed(START if WANTED else 1)(CHOSEN(look))()


def test_a_report_in_a_report_in_a_report() -> None:
    wrap = b"From: postmaster@x.example\nContent-Type: %s\n\n"
    raw = b"".join(wrap % b"multipart/report; boundary=b" + b"--b\n" for _ in range(5000))
    assert sorting.sort(raw)
    raw = b"".join(
        wrap % b"multipart/mixed; boundary=b%d" % n + b"--b%d\n" % n for n in range(5000)
    )
    assert sorting.sort(raw)


def test_what_is_too_long_is_read_to_a_limit() -> None:
    raw = SAMPLES[0] + b"x" * 20 * LIMIT
    assert dsn.read(raw) == dsn.read(SAMPLES[0])


@pytest.mark.parametrize("piece", [b"- ", b"a", b"<", b"user ", b"a@", b"=?", b"--b\n", b"\n\n"])
def test_repetition_is_no_trap(piece: bytes) -> None:
    """Patterns that can fit in many ways would take hours here."""
    for start in (
        b"From: MAILER-DAEMON@x.example\n\nuser ",
        b"From: ",
        b"Content-Type: text/html\n\n",
    ):
        assert sorting.sort(start + piece * (20_000 // len(piece)))


def test_a_fault_of_ours_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(raw: bytes) -> list[Report]:
        raise ValueError("secret@reader.example")

    monkeypatch.setattr(dsn, "sort", fail)
    assert dsn.read(b"x") == [Report(Kind.UNKNOWN)]
    assert "ValueError" in caplog.text
    assert "secret@reader.example" not in caplog.text
