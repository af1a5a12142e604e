"""The editors' own words above the news: `content/intros/CADENCE.LOCALE.md`, Markdown only."""

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from newsletter.content import names, source
from newsletter.content.files import Files, NotAFile
from newsletter.content.markdown import Body, convert
from newsletter.content.source import Note
from newsletter.i18n import LOCALES, Said

FOLDER = "intros"
ALL = "all-readers"  # for issues that go to the readers of every cadence; no cadence is called so
LONGEST = 1200  # characters
_ANCHOR = "intro-"  # no slug ends with a hyphen, so no footnote of an item has the same id
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_RULE = re.compile(r" {0,3}(=+|-+)\s*")


class Greeting(NamedTuple):
    """One intro: as it was written, and as it is read."""

    markdown: str
    body: Body


class _Read(NamedTuple):
    greeting: Greeting
    notes: tuple[Note, ...]


def greet(markdown: str, locale: str) -> tuple[Greeting, tuple[Note, ...]]:
    """An intro, and what an editor has to mend in it, by line."""
    markdown = "\n".join(line.rstrip() for line in markdown.splitlines()).strip("\n")
    body, notes, *_rest = convert(markdown, locale, anchor=_ANCHOR)
    headings = set(_headings(markdown))
    found = [note for note in notes if note.line not in headings]
    message = Said("Een inleiding heeft geen tussenkoppen; maak hier een zin van.")
    found += [Note(line, message) for line in headings]
    if not body.text.strip():
        message = Said("De inleiding is leeg; schrijf een paar zinnen of haal ze weg.")
        found.append(Note(1, message))
    if len(markdown) > LONGEST:
        line = markdown.count("\n", 0, LONGEST) + 1
        message = Said(
            "De inleiding telt %(count)s tekens; maak er hoogstens %(most)s van.",
            count=len(markdown),
            most=LONGEST,
        )
        found.append(Note(line, message))
    return Greeting(markdown, body), tuple(sorted(found))


class Intros:
    """The intros in the files of a shelf. `cadences`: those that there are, if that is known."""

    def __init__(self, files: Files, cadences: Collection[str] | None) -> None:
        self._files, self._cadences = files, cadences

    def of(self, cadence: str | None) -> dict[str, Greeting]:
        """The sound ones of a cadence (None: of issues for all readers), by locale."""
        found = {}
        for locale in LOCALES:
            path = self._files.root / FOLDER / f"{cadence or ALL}.{locale}.md"
            try:
                read = self._read(path, locale)
            except (NotAFile, FileNotFoundError):
                continue
            if not read.notes:
                found[locale] = read.greeting
        return found

    def check(self) -> Iterator[tuple[Path, Note]]:
        """Everything there is to mend in the folder."""
        for path in self._files.under(FOLDER):
            if names.is_leftover(path.name):
                continue
            if fault := self._name_fault(path):
                yield path, Note(1, fault)
                continue
            try:
                notes = self._read(path, path.name.split(".")[1]).notes
            except NotAFile as error:
                notes = (Note(1, *error.said),)
            except FileNotFoundError:
                continue
            yield from ((path, note) for note in notes)

    def unused(self) -> Iterator[tuple[Path, Note]]:
        """Intros of cadences that there are not: misspelt, or of another day's settings."""
        for path in self._files.under(FOLDER) if self._cadences is not None else ():
            known = (*(self._cadences or ()), ALL)
            cadence = path.name.partition(".")[0]
            if not names.is_leftover(path.name) and cadence not in known:
                message = Said(
                    "Geen enkel nummer gebruikt dit: “%(cadence)s” is geen ritme. Begin de naam "
                    "met een van deze: %(known)s.",
                    cadence=cadence,
                    known=", ".join(known),
                )
                yield path, Note(1, message)

    def _read(self, path: Path, locale: str) -> _Read:
        return self._files.load(path, partial(_read, locale))

    def _name_fault(self, path: Path) -> Said | None:
        if path.parent != self._files.root / FOLDER:
            return Said("Inleidingen staan in content/intros zelf; zet het bestand daar.")
        _cadence, *rest = path.name.split(".")
        if len(rest) != 2 or rest[1] != "md" or rest[0] not in LOCALES:
            return Said(
                "Noem het RITME.TAAL.md, zoals monthly.nl.md; de talen zijn %(known)s.",
                known=", ".join(LOCALES),
            )
        return None


def _read(locale: str, data: bytes) -> _Read:
    text, notes = source.plain(data)
    greeting, faults = greet(text, locale)
    # A file that cannot be read as text has that one fault.
    return _Read(greeting, (*notes, *(faults if text or not notes else ())))


def _headings(markdown: str) -> Iterator[int]:
    """Lines that Markdown takes for headings."""
    lines = markdown.split("\n")
    for number, line in enumerate(lines, start=1):
        below = lines[number] if number < len(lines) else ""
        if _HEADING.match(line) or (line.strip() and _RULE.fullmatch(below)):
            yield number
