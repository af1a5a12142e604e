"""Handing in a text of an item: checked before it is written, so that what somebody saves on the
desk never keeps an issue from being compiled."""

from collections.abc import Callable
from dataclasses import dataclass

from newsletter.content import history, matter, merging, receiving, writing
from newsletter.content.frontmatter import DRAFT
from newsletter.content.library import Library
from newsletter.content.matter import NotAForm
from newsletter.content.source import Note
from newsletter.content.translations import shared
from newsletter.errors import FixRequest, NewsletterError
from newsletter.i18n import DEFAULT, LOCALES, Said, _


class Faults(NewsletterError):
    """What has to be mended before a text can be saved, by line of the file."""

    def __init__(self, *notes: Note) -> None:
        super().__init__(*(note.said for note in notes))
        self.notes = notes


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: for the history of the shelf. `only_drafts`: readers may not get to see it."""

    name: str
    email: str
    only_drafts: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written: the version of the text, the files that changed, and why Git could not."""

    version: str
    paths: tuple[str, ...]
    fault: str | None


def submit(library: Library, path: str, ours: bytes, base: bytes, author: Author) -> Saved:
    """Save a text that was `base` when it was opened; the facts of a Dutch text go into its
    translations too. Raises Faults, writing.Conflict, FixRequest, TryLater."""
    folder, (stem, locale) = library.folder, split(path)
    _judge(library, path, ours, base, author)
    with writing.writing(folder) as pen:
        if locale != DEFAULT and not writing.read(folder, f"{stem}.{DEFAULT}.md"):
            raise FixRequest(_("Schrijf en bewaar eerst de Nederlandse tekst."))
        version = pen.put(path, ours, base)
        if locale == DEFAULT and pen.written:
            for other in LOCALES:
                if other != DEFAULT:
                    pen.amend(f"{stem}.{other}.md", _with_facts_of(ours))
        fault = _commit(library, pen.written, author, "Save")
    return Saved(version, tuple(pen.written), fault)


def withdraw(library: Library, path: str, base: bytes, author: Author) -> Saved:
    """Take a file away that is `base` still; the Dutch text goes last. Raises as `submit` does."""
    folder, (stem, locale) = library.folder, split(path)
    with writing.writing(folder) as pen:
        others = (f"{stem}.{other}.md" for other in LOCALES if other != DEFAULT)
        if locale == DEFAULT and any(writing.read(folder, other) for other in others):
            raise FixRequest(_("Verwijder eerst de vertalingen."))
        pen.remove(path, base)
        fault = _commit(library, pen.written, author, "Delete")
    return Saved("", tuple(pen.written), fault)


def illustrate(library: Library, data: bytes, filename: str, author: Author) -> tuple[str, Saved]:
    """Take in a picture: its name, and what was written. Raises FixContent for what is none of
    those we take, TryLater."""
    with writing.writing(library.folder) as pen:
        name = receiving.receive(pen, data, filename)
        path = f"{receiving.FOLDER}/{name}"
        # Also one that was there already: Git may not have had it.
        fault = _commit(library, [path], author, "Add")
    return name, Saved("", tuple(pen.written), fault)


def split(path: str) -> tuple[str, str]:
    """ "items/2026/11/slug.nl.md" as all before the language, and the language."""
    stem, locale = path.removesuffix(".md").rsplit(".", 1)
    return stem, locale


def _judge(library: Library, path: str, ours: bytes, base: bytes, author: Author) -> None:
    text = library.tried(writing.place(library.folder, path), ours)
    notes = list(text.notes)
    if merging.has_marks(*(one.decode("utf-8", "replace") for one in (ours, base))):
        marks = Said("De tekens <<<<<<<, ======= of >>>>>>> staan nog in de tekst; haal ze weg.")
        notes.append(Note(1, marks))
    if notes or text.front is None:
        raise Faults(*notes)
    if author.only_drafts and text.front.status != DRAFT:
        raise FixRequest(_("Jij schrijft kladversies; een redacteur zet ze klaar."))


def _with_facts_of(dutch: bytes) -> Callable[[bytes], bytes]:
    def edit(theirs: bytes) -> bytes:
        try:
            text = theirs.decode()
            facts = shared(matter.values(dutch.decode()), matter.values(text))
            return matter.written(text, facts).encode()
        except (NotAForm, UnicodeDecodeError):
            return theirs  # what cannot be read is told by the check of the shelf

    return edit


def _commit(library: Library, paths: list[str], author: Author, verb: str) -> str | None:
    names = ", ".join(path.rpartition("/")[2].removesuffix(".md") for path in paths)
    return history.commit(library.folder, paths, author.name, author.email, f"{verb} {names}")
