"""A line of the log is the program's: what others send cannot forge one."""

import logging

import pytest

from newsletter.cli.serve.logs import LOGGING, Redacted

FORGED = "2026-11-23 09:00:00,000 ERROR root: forged"
FORMAT = LOGGING["formatters"]["generic"]["format"]  # type: ignore[index]


def line(text: str, error: Exception | None = None) -> str:
    told = (type(error), error, None) if error else None
    record = logging.LogRecord("x", logging.ERROR, "", 0, "refused: %s", (text,), told)
    return Redacted(FORMAT).format(record)


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\n\n", "\v", "\f", "\x85", "\u2028", "\x1b[2K\r"]
)
def test_sec_12_nobody_writes_a_line_of_their_own(end: str) -> None:
    for written in (line(f"jan{end}{FORGED}"), line("jan", ValueError(f"jan{end}{FORGED}"))):
        assert "forged" in written
        assert not any(part.startswith("2026-11-23 09:00") for part in written.splitlines())
        assert not any(sign < " " or "\x7f" <= sign < "\xa0" for sign in written.replace("\n", ""))
