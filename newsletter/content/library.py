"""The shelf read from the content folder and checked as a whole.

Files are read anew whenever they change; nothing needs to be restarted or told. One `Library` may
be used by many threads.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from newsletter.content import frontmatter, names, source
from newsletter.content.files import Files, NotAFile
from newsletter.content.frontmatter import FrontMatter, PageMatter, Read
from newsletter.content.gallery import Gallery
from newsletter.content.intros import Greeting, Intros
from newsletter.content.markdown import Body, Picture, convert
from newsletter.content.shelf import Item, ItemText, Page
from newsletter.content.source import Note
from newsletter.content.topics import Topics
from newsletter.content.topics import read as read_topics
from newsletter.errors import Finding, FixContent
from newsletter.i18n import DEFAULT, LOCALES, Said

BRUSSELS = ZoneInfo("Europe/Brussels")
# A translation tells the same: these facts are equal in all languages of an item.
SHARED = ("date", "topics", "country", "sdgs", "deadline", "image")
Matter = TypeVar("Matter", bound=FrontMatter | PageMatter)
_Where = tuple[Path, int, Said]
NO_STORY = Said("Onder de kop staat geen tekst; schrijf hier het verhaal.")


class Text(NamedTuple, Generic[Matter]):
    """One file, read. `front` is None and `notes` say why when its front matter is wrong."""

    path: Path
    slug: str
    locale: str
    front: Matter | None
    lines: dict[str, int]
    body: Body
    body_line: int
    notes: tuple[Note, ...]
    pictures: tuple[Picture, ...] = ()


class Library:
    """All content under `folder`; event times without an offset are on the clocks of `zone`.
    With `cadences`, an intro of another one gets a hint."""

    def __init__(
        self, folder: Path, zone: ZoneInfo = BRUSSELS, cadences: Collection[str] | None = None
    ) -> None:
        self.folder = folder
        self._files = Files(folder)
        self.gallery = Gallery(self._files)
        self._intros = Intros(self._files, cadences)
        self._read_item = partial(frontmatter.read_item, zone=zone)
        self._pages_read: tuple[object, list[Text[PageMatter]]] = (None, [])

    def topics(self) -> dict[str, dict[str, str]]:
        """Names of the topics: `topics()["milieu"]["fr"]`, in the order of the file.
        Raises FixContent when topics.toml is wrong."""
        found = self._topics()
        if found.notes:
            path = self.folder / "topics.toml"
            raise FixContent(*_said(self._findings((path, *note) for note in found.notes)))
        return found.names

    def items(self) -> list[Item]:
        """All items, newest first, drafts too. Raises FixContent with all there is to mend."""
        texts, findings = self._inspect()
        if findings:
            raise FixContent(*_said(findings))
        return _newest_first(_group(texts))

    def sound_items(self) -> list[Item]:
        """Items that can be read, newest first, whatever is wrong with others: for pages."""
        return _newest_first(_group(self._texts("items", self._read_item)))

    def check(self) -> list[Finding]:
        """Everything there is to mend on the shelf, by file and line."""
        return self._inspect()[1]

    def tried(self, path: Path, data: bytes) -> Text[FrontMatter]:
        """A text of an item as it would be read with these bytes; its notes are all there is to
        mend in it alone, in the order of its lines."""
        text = _read(path, names.split(path.name), self._read_item, True, data)
        topics = self._topics()
        found = [*self._unfit_pictures([text]), *_empty([text])]
        if not topics.notes:
            found += _unknown_topics([text], topics.names)
        notes = {*text.notes, *(Note(line, message) for _path, line, message in found)}
        return text._replace(notes=tuple(sorted(notes)))

    def hints(self) -> list[Finding]:
        """What may have been forgotten; it stops nothing."""
        found: list[_Where] = [
            (text.path, picture.line, _no_credit(picture))
            for text in self._texts("items", self._read_item)
            for picture in text.pictures
            if not picture.credited
        ]
        return self._findings([*found, *((path, *note) for path, note in self._intros.unused())])

    def intros(self, cadence: str | None) -> dict[str, Greeting]:
        """The editors' intros for an issue of a cadence (None: for all readers), by locale."""
        return self._intros.of(cadence)

    def pages(self, locale: str) -> list[Page]:
        """All pages that can be read, by `order`, each in `locale` where it exists."""
        texts = self._pages()
        found = [_page(texts, name, locale) for name in sorted({text.slug for text in texts})]
        return sorted((page for page in found if page), key=lambda page: page.order)

    def page(self, name: str, locale: str) -> Page | None:
        """One page in `locale`, else in Dutch, else in the first language it has; None: no page."""
        return _page(self._pages(), name, locale)

    def _inspect(self) -> tuple[list[Text[FrontMatter]], list[Finding]]:
        topics = self._topics()
        found: list[_Where] = [(self.folder / "topics.toml", *note) for note in topics.notes]
        items = self._texts("items", self._read_item, found)
        pages = self._texts("pages", frontmatter.read_page, found)
        found += [(text.path, *note) for text in items for note in text.notes]
        found += [(text.path, *note) for text in pages for note in text.notes]
        if not topics.notes:  # a broken topics.toml makes every topic unknown
            found += _unknown_topics(items, topics.names)
        found += self._unfit_pictures(items)
        found += [(path, *note) for path, note in self._intros.check()]
        found += [*_doubles(items), *_doubles(pages), *_contradictions(items), *_incomplete(items)]
        return items, self._findings(found)

    def _pages(self) -> list[Text[PageMatter]]:
        """All of them; read anew when a name, time or size has changed, since every page asks."""
        state, known = self._files.state("pages"), self._pages_read
        if known[0] != state:
            self._pages_read = known = (state, self._texts("pages", frontmatter.read_page))
        return known[1]

    def _topics(self) -> Topics:
        try:
            return self._files.load(self.folder / "topics.toml", read_topics)
        except FileNotFoundError:
            missing = Said('Dit bestand ontbreekt; maak het, met regels [thema] en nl = "…".')
            return Topics({}, (Note(1, missing),))
        except NotAFile as error:
            return Topics({}, (Note(1, *error.said),))

    def _texts(
        self,
        folder: str,
        read: Callable[[str], Read[Matter]],
        found: list[_Where] | None = None,
    ) -> list[Text[Matter]]:
        """All files of a folder; what cannot be a text at all is added to `found`."""
        texts, found = [], [] if found is None else found
        for path in self._files.under(folder):
            if names.is_leftover(path.name):
                continue
            name = names.split(path.name)
            if name.fault:
                found.append((path, 1, name.fault))
            if not path.name.endswith(".md"):
                continue
            try:
                texts.append(
                    self._files.load(path, partial(_read, path, name, read, folder == "items"))
                )
            except NotAFile as error:
                found += [(path, 1, told) for told in error.said]
            except FileNotFoundError:
                continue
        return texts

    def _unfit_pictures(self, texts: Iterable[Text[FrontMatter]]) -> Iterator[_Where]:
        for text in texts:
            for picture in text.pictures:
                if fault := self.gallery.fault(picture.name, lead=picture.lead):
                    yield text.path, picture.line, names.picture_said(picture.name, fault)

    def _findings(self, found: Iterable[_Where]) -> list[Finding]:
        return [
            Finding(path.relative_to(self.folder.parent), line, message)
            for path, line, message in sorted(set(found))
        ]


def _said(findings: Iterable[Finding]) -> Iterator[Said]:
    return (finding.said for finding in findings)


def _no_credit(picture: Picture) -> Said:
    if picture.lead:
        return Said(
            "Bij de foto “%(picture)s” staat niet van wie ze is; zeg het in “image_credit”.",
            picture=picture.name,
        )
    return Said(
        "Bij de foto “%(picture)s” staat niet van wie ze is; zeg het achter haar naam, tussen "
        "aanhalingstekens.",
        picture=picture.name,
    )


def _read(
    path: Path,
    name: names.Name,
    read: Callable[[str], Read[Matter]],
    pictures: bool,
    data: bytes,
) -> Text[Matter]:
    cut = source.read(data)
    if cut.header is None:
        return Text(path, name.slug, name.locale, None, {}, Body("", ""), 1, cut.notes)
    front = read(cut.header)
    language, above = name.locale or DEFAULT, cut.body_line - 1
    body, faults, placed = convert(cut.body, language, name.slug, pictures=pictures)
    below = tuple(Note(note.line + above, note.message) for note in faults)
    return Text(
        path,
        name.slug,
        name.locale,
        front.value,
        dict(front.lines),
        body,
        cut.body_line,
        notes=(*cut.notes, *front.notes, *below),
        pictures=(*_lead(front), *(one._replace(line=one.line + above) for one in placed)),
    )


def _lead(front: Read[Matter]) -> Iterator[Picture]:
    """The picture above the story."""
    if isinstance(front.value, FrontMatter) and front.value.image:
        credited = bool(front.value.image_credit)
        yield Picture(front.lines["image"], front.value.image, credited, lead=True)


def _page(texts: Iterable[Text[PageMatter]], name: str, locale: str) -> Page | None:
    written = {text.locale: text for text in texts if text.slug == name}
    for asked in (locale, DEFAULT, *LOCALES):
        text = written.get(asked)
        if text and text.front:
            front = text.front
            return Page(
                name, asked, front.title, front.summary, front.order, front.updated, text.body
            )
    return None


def _group(texts: Iterable[Text[FrontMatter]]) -> list[Item]:
    """Items made of sound texts that stand in one folder."""
    grouped: dict[str, dict[str, ItemText]] = {}
    homes: dict[str, Path] = {}
    for text in texts:
        if (
            text.front
            and text.locale
            and homes.setdefault(text.slug, text.path.parent) == (text.path.parent)
        ):
            grouped.setdefault(text.slug, {})[text.locale] = ItemText(
                text.slug, text.locale, text.path, text.front, text.body, text.body_line
            )
    return [Item(slug, found) for slug, found in grouped.items()]


def _doubles(texts: Iterable[Text[Matter]]) -> Iterator[_Where]:
    homes: dict[str, Path] = {}
    for text in texts:
        home = homes.setdefault(text.slug, text.path.parent)
        if text.locale and home != text.path.parent:
            message = Said(
                "De naam “%(slug)s” bestaat al in %(place)s; geef dit bestand een andere.",
                slug=text.slug,
                place="/".join(home.parts[-2:]),
            )
            yield text.path, 1, message


def _newest_first(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (-item.original.front.date.toordinal(), item.slug))


def _unknown_topics(
    texts: Iterable[Text[FrontMatter]], known: Mapping[str, object]
) -> Iterator[_Where]:
    for text in texts:
        for topic in text.front.topics if text.front else ():
            if topic not in known:
                message = Said(
                    "Het thema “%(topic)s” bestaat niet; kies uit %(known)s.",
                    topic=topic,
                    known=", ".join(known),
                )
                yield text.path, text.lines["topics"], message


def _contradictions(texts: list[Text[FrontMatter]]) -> Iterator[_Where]:
    lines = {text.path: text.lines for text in texts}
    for item in _group(texts):
        facts = _shared_facts(item.original.front)
        for text in item.texts.values():
            for name, value in _shared_facts(text.front).items():
                if value != facts[name]:
                    message = Said(
                        "“%(key)s” is hier %(here)s, maar %(there)s in %(file)s; maak ze gelijk.",
                        key=name,
                        here=_shown(value),
                        there=_shown(facts[name]),
                        file=item.original.path.name,
                    )
                    yield text.path, lines[text.path].get(name, 1), message


def _incomplete(texts: list[Text[FrontMatter]]) -> Iterator[_Where]:
    """Dutch comes first: it is what readers get where there is no translation."""
    yield from _empty(texts)
    for item in _group(texts):
        if DEFAULT not in item.texts:
            message = Said(
                "Er is geen Nederlandse tekst; schrijf %(file)s ernaast.",
                file=f"{item.slug}.{DEFAULT}.md",
            )
            yield item.original.path, 1, message


def _empty(texts: Iterable[Text[FrontMatter]]) -> Iterator[_Where]:
    for text in texts:
        if text.front and not text.body.text.strip():
            yield text.path, text.body_line, NO_STORY


def _shared_facts(front: FrontMatter) -> dict[str, object]:
    times = (front.event.start, front.event.end) if front.event else ()
    return {**{name: getattr(front, name) for name in SHARED}, "event": times}


def _shown(value: object) -> Said | str:
    return _written(value) or Said("niet ingevuld")


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_written(part) for part in value if part is not None)
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes")
    return value.isoformat() if isinstance(value, date) else str(value or "")
