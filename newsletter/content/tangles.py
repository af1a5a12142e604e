"""Text that would take seconds or minutes to read, found before it is read: Python-Markdown tries
every pair of brackets, and reads a paragraph once for each of its lines."""

import re

from newsletter.content.safety import strip
from newsletter.content.source import Note
from newsletter.i18n import Said

MOST_BRACKETS = 300  # in one paragraph
MOST_TOGETHER = 300  # lines of one paragraph, list or table without an empty line
MOST_LINES = 6000  # in a text
SIGNS, MOST_SIGNS = "|<>&[*_`", 6000  # of each, in a text
MOST_NESTED = 12  # quotes and lists that open on one line
_MARK = re.compile(r">|[-*+][ \t]|[0-9]{1,9}\.[ \t]")
_OPENING = re.compile(rf"(?:[ \t]*(?:{_MARK.pattern}))*")
_RULE = re.compile(r"[-*_ \t]*")


def first_tangle(markdown: str) -> Note | None:
    """What to do about the first of them, at its line of the text; None: there is none."""
    text = strip(markdown)
    return _too_much(text) or _nested(text) or _together(text)


def _too_much(text: str) -> Note | None:
    if text.count("\n") > MOST_LINES:
        said = Said("Deze tekst heeft meer dan %(most)s regels; maak hem korter.", most=MOST_LINES)
        return Note(1, said)
    for sign in SIGNS:
        if text.count(sign) > MOST_SIGNS:
            said = Said(
                "Deze tekst heeft meer dan %(most)s keer het teken “%(sign)s”; maak hem korter.",
                most=MOST_SIGNS,
                sign=sign,
            )
            return Note(1, said)
    return None


def _nested(text: str) -> Note | None:
    for number, line in enumerate(text.split("\n"), start=1):
        if _depth(line) > MOST_NESTED:
            said = Said(
                "Op deze regel zitten meer dan %(most)s citaten en lijsten in elkaar.",
                most=MOST_NESTED,
            )
            return Note(number, said)
    return None


def _depth(line: str) -> int:
    """How many quotes and lists open on a line; a rule of dashes or stars opens none."""
    opening = _OPENING.match(line)
    return len(_MARK.findall(opening[0])) if opening and not _RULE.fullmatch(line) else 0


def _together(text: str) -> Note | None:
    line = 1
    for block in text.split("\n\n"):
        start = line + len(block) - len(block.lstrip("\n"))
        if block.count("[") > MOST_BRACKETS:
            said = Said(
                "Deze alinea heeft meer dan %(most)s haken “[”; splits ze op.", most=MOST_BRACKETS
            )
            return Note(start, said)
        if block.strip("\n").count("\n") >= MOST_TOGETHER:
            said = Said(
                "Deze alinea heeft meer dan %(most)s regels; splits ze op.", most=MOST_TOGETHER
            )
            return Note(start, said)
        line += block.count("\n") + 2
    return None
