"""A line of the log is the program's, in both formats: what others send cannot forge one, and
neither an address nor a token stands in it, wherever it came from."""

import dataclasses
import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.cli import logs
from newsletter.cli.logs import Redacted
from newsletter.settings import Settings
from newsletter.tracing import bound

FORGED = "2026-11-23 09:00:00,000 ERROR root: forged"
ADDRESS, TOKEN = "ann.jansen@voorbeeld.example", "AAAAAAABAGj-o1xS-2nR5zP0cHnGZ1mQ9w_x"
SECRETS = ("ann.jansen", "voorbeeld.example", TOKEN, TOKEN.lower())
FORMS = pytest.mark.parametrize("form", ["console", "json"])


def line(form: str, text: str, error: Exception | None = None, **extra: Any) -> str:
    told = (type(error), error, None) if error else None
    record = logging.LogRecord("x", logging.ERROR, "", 0, "refused: %s", (text,), told)
    vars(record).update(extra)
    return Redacted(form).format(record)


@FORMS
@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\n\n", "\v", "\f", "\x85", "\u2028", "\x1b[2K\r"]
)
def test_sec_12_nobody_writes_a_line_of_their_own(form: str, end: str) -> None:
    forged = f"jan{end}{FORGED}"
    for written in (
        line(form, forged),
        line(form, "jan", ValueError(forged)),
        line(form, "jan", reply=forged, facts={forged: [forged]}),
    ):
        assert "forged" in written
        assert not any(part.startswith("2026-11-23 09:00") for part in written.splitlines())
        assert not any(sign < " " or "\x7f" <= sign < "\xa0" for sign in written.replace("\n", ""))
        assert form == "console" or len(written.splitlines()) == 1


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Error in /u/AAAAAAABAGj-o1xS-2nR5zP0cHnGZ1mQ9w_x?x", "Error in /u/…?x"),
        ("token=AAAAAAABAGj-o1xS-2nR5zP0cHnGZ1mQ9w_x.", "token=…."),
        ("bounce+0000000001AB34567890abcdef123456@x.example", "…"),
        ("Bearer fnt_abcDEF-_0123456789abcDEF-_0123456789abcDEF-_012", "Bearer …"),
        ("{'secret': 'whsec_a+/bCd0123456789=='}", "{'secret': '…'}"),
        ("(0000000001ab34567890abcdef1234)", "(…)"),
        ("550 <ann.o'neil+x@voorbeeld.example>: no", "550 <…>: no"),
        ('no "ann jansen"@voorbeeld.example here', "no … here"),
        ("email=ann%40voorbeeld.example&x", "email=…&x"),
        ("josé@münchen.example, x", "…, x"),
        ("postgresql://me:word@host/name", "postgresql://me:…/name"),
        ("in a_function_of_thirty_six_small_signs", None),
        ("line 12, in settle_requests_of_the_whole_country", None),
        ("    @contextmanager", None),
    ],
)
def test_sec_11_a_log_line_holds_no_token_and_no_address(said: str, written: str | None) -> None:
    told = f"refused: {said if written is None else written}"
    assert json.loads(line("json", said))["event"] == told
    assert f"] {told} [x]" in line("console", said)


wrapped = st.sampled_from(["{}", "<{}>", '"{}"', "x={}&y", "/u/{}/", "({}, 1)", "mailto:{}?x"])
around = st.text(st.characters(exclude_categories=("L", "N", "Cs")), max_size=8)


@given(st.data())
def test_sec_11_wherever_a_secret_stands(data: st.DataObject) -> None:
    """In the text, in fields, deep within them, in their names, and in a traceback."""
    secret = data.draw(st.sampled_from([ADDRESS, TOKEN, ADDRESS.replace("@", "%40")]))
    said = data.draw(wrapped).format(secret)
    noise = data.draw(around)
    noisy = f"{noise} {said} {noise}"
    deep = {"rows": [{"who": (noisy, said)}], said: 1, "raw": said.encode(), "seen": {said}}
    try:
        raise ValueError(noisy)
    except ValueError:
        record = logging.LogRecord("x", 40, "", 0, noisy.replace("%", "%%"), (), sys.exc_info())
    vars(record).update(reply=said, facts=deep, error=LookupError(said))
    for form in ("console", "json"):
        with bound(request=said):
            written = Redacted(form).format(record)
        assert not any(found in written for found in SECRETS), written
        assert "ValueError" in written
        assert form == "console" or json.loads(written)["level"] == "error"


@FORMS
def test_what_is_bound_stands_in_each_line(form: str) -> None:
    with bound(task="deliver", run="00ff"), bound(lease=7):
        written = line(form, "x")
    assert line(form, "x").count("lease") == 0
    if form == "json":
        found = json.loads(written)
        assert (found["task"], found["run"], found["lease"]) == ("deliver", "00ff", 7)
        assert found["logger"] == "x"
    else:
        assert "lease=7 run=00ff task=deliver" in written


@FORMS
def test_sec_11_a_line_that_cannot_be_made_shows_nothing_of_itself(form: str) -> None:
    """logging itself would show the arguments."""
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%d readers", (ADDRESS,), None)
    assert Redacted(form).format(record) == "A line of x could not be written (TypeError)."


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [
        ("", logging.INFO, logging.WARNING),
        ("debug", logging.DEBUG, logging.DEBUG),
        ("warning", logging.WARNING, logging.WARNING),
        ("error", logging.ERROR, logging.ERROR),
    ],
)
def test_levels(settings: Settings, level: str, ours: int, others: int) -> None:
    chosen = dataclasses.replace(settings, log_level=level)
    configured = logs.configuration(chosen)
    names = logging.getLevelNamesMapping()
    assert names[configured["loggers"]["newsletter"]["level"]] == ours
    assert names[configured["root"]["level"]] == others
    assert names[configured["loggers"]["apscheduler"]["level"]] in (logging.DEBUG, logging.ERROR)
