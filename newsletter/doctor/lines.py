"""What the doctor says: lines, and DNS records as text to paste."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warn", "fail"]
STRING = 255  # octets of one string of a TXT record (RFC 1035 3.3)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: how it stands, and how to mend what is not ok."""

    name: str
    grade: Grade
    said: str
    mend: str = ""


def ok(name: str, said: str) -> Line:
    """It is as it should be."""
    return Line(name, "ok", said)


def warn(name: str, said: str, mend: str) -> Line:
    """It works, and should be better."""
    return Line(name, "warn", said, mend)


def fail(name: str, said: str, mend: str) -> Line:
    """It does not work, or mail will be refused for it."""
    return Line(name, "fail", said, mend)


def found(lines: Iterable[Line], otherwise: Line) -> list[Line]:
    """The faults of a check, or the one line that says there are none."""
    return list(lines) or [otherwise]


def publish(name: str, kind: str, value: str) -> str:
    """A record of the DNS as a line of a zone file, to paste; a long TXT in several strings."""
    if kind != "TXT":
        return f"{name}. IN {kind} {value}"
    strings = [value[start : start + STRING] for start in range(0, len(value), STRING)]
    return f"{name}. IN TXT " + " ".join(f'"{string}"' for string in strings)
