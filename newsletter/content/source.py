"""One file of the shelf as bytes: UTF-8, characters, and the cut between front matter and body.

Knows nothing of YAML or Markdown. Whatever is wrong becomes a `Note`; nothing raises.
"""

from typing import NamedTuple

from newsletter.content.safety import FORBIDDEN, first_forbidden, strip
from newsletter.i18n import Said

LARGEST = 200_000  # bytes in a file
MOST_NOTES = 20  # lines with forbidden characters that are listed one by one
NOT_UTF8 = Said("Deze regel is geen UTF-8; bewaar het bestand in de codering UTF-8.")


class Note(NamedTuple):
    """What is wrong at a line (1-based, of the file) and how to mend it, in one sentence."""

    line: int
    message: Said

    @property
    def said(self) -> Said:
        """The sentence with its line."""
        return Said("regel %(line)s: %(message)s", line=self.line, message=self.message)


class Source(NamedTuple):
    """A file cut in two. `header` starts at line 2, `body` at `body_line`; both without forbidden
    characters. Without front matter `header` is None and a note says so."""

    header: str | None
    body: str
    body_line: int
    notes: tuple[Note, ...]


def read(data: bytes) -> Source:
    """Decode and cut a whole file."""
    text, notes = plain(data)
    if notes and not text:
        return Source(None, "", 1, notes)
    header, body, body_line, note = _cut(text.split("\n"))
    return Source(header, body, body_line, (*notes, *([note] if note else [])))


def plain(data: bytes) -> tuple[str, tuple[Note, ...]]:
    """Decode a whole file; without forbidden characters, and empty when it cannot be read."""
    if len(data) > LARGEST:
        most = LARGEST // 1000
        return _unreadable(
            1, Said("Het bestand is groter dan %(most)s kB; maak het korter.", most=most)
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unreadable(line, NOT_UTF8)
    return strip(text), tuple(_forbidden_characters(text))


def _unreadable(line: int, message: Said) -> tuple[str, tuple[Note, ...]]:
    return "", (Note(line, message),)


def _forbidden_characters(text: str) -> list[Note]:
    notes = []
    # Not splitlines(): that also splits at characters that are refused here.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if FORBIDDEN.search(line):
            message = Said(
                "In deze regel staat het onzichtbare teken %(character)s; haal het weg.",
                character=first_forbidden(line),
            )
            notes.append(Note(number, message))
    return notes[:MOST_NOTES]


def _cut(lines: list[str]) -> tuple[str | None, str, int, Note | None]:
    if lines[0].rstrip() != "---":
        opening = Said("Het bestand moet beginnen met een regel ---, en daaronder de kop.")
        return None, "\n".join(lines), 1, Note(1, opening)
    for index, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:index]), "\n".join(lines[index + 1 :]), index + 2, None
    message = Said("De kop die hier begint, houdt niet op; zet er een regel --- onder.")
    return None, "", 1, Note(1, message)
