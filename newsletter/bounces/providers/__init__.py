"""What mail providers post to us about our mail: bytes in, reports out, no database.

A signature proves that the provider says it, no more. What proves which message it speaks of is
ours: `intake.of_report` checks it, as in mail.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from newsletter.bounces.dsn.judging import BASIC, Failure, judge_failure
from newsletter.bounces.dsn.plaintext import one_line
from newsletter.bounces.dsn.wording import meaning_of
from newsletter.bounces.report import MAX_REASON, Kind, Report


class Refused(Exception):
    """It does not come from the provider, or is too old."""


class Unreadable(Exception):
    """It is no JSON object."""


def opened(body: bytes | str) -> dict[str, Any]:
    """The JSON object that was sent. Raises Unreadable."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(found, dict):
        raise Unreadable
    return found


def inside(value: Any, *path: str) -> Any:
    """What stands at `path`; None where there is no such thing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def text(value: Any, *path: str) -> str:
    """The text, or number, at `path`, such as every database takes; "" when there is none."""
    found = inside(value, *path)
    known = isinstance(found, str | int) and not isinstance(found, bool)
    return str(found).encode("utf-8", "replace").decode() if known else ""


def failure(about: Report, said: Kind, words: str, stated: str = "") -> Report:
    """A failure in the other side's words, by the table for mail. It is never worse than the
    provider says, and what the provider says where the words say nothing."""
    judged = judge_failure(Failure(None, words, stated=stated))
    silent = not (judged.status or BASIC.search(words) or meaning_of(words))
    return replace(
        about,
        kind=said if silent or said is not Kind.HARD else judged.kind,
        status=judged.status,
        reason=one_line(words)[:MAX_REASON].strip() or None,
        ours=about.ours or judged.ours,
    )
