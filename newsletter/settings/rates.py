"""Rates and shares, from the text of a setting; a ValueError says what it must be."""

import re
from dataclasses import dataclass
from typing import Any

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages in so many seconds."""

    count: int
    seconds: int


def rate(value: Any) -> Rate | None:
    """`600/minute`, or nothing."""
    text = str(value).strip()
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,9})\s*/\s*(second|minute|hour|day)", text)
    if not found or not int(found[1]):
        raise ValueError("must be of the form 600/minute (second, minute, hour or day)")
    return Rate(int(found[1]), SECONDS[found[2]])


def limit(value: Any) -> Rate:
    """`10/hour`; there is always one."""
    found = rate(value)
    if found is None:
        raise ValueError("must be of the form 10/hour (second, minute, hour or day)")
    return found


def share(value: Any) -> float:
    """`2 %`, as a share of 1."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", str(value).strip())
    if not found or float(found[1]) > 100:
        raise ValueError("must be a share such as 2 % or 0.1 %, at most 100 %")
    return float(found[1]) / 100
