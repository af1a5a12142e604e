"""Rendering: the frozen pieces of an issue as one edition, HTML and text.

Nothing here reads a clock, a database or a file of the shelf: what a piece says was frozen when
the issue was compiled. What differs per reader stays a gap (`newsletter.delivery.message`).
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from newsletter.i18n import translate
from newsletter.issues.blocks import NAMELESS, Block, Blocks
from newsletter.issues.blocks import encoded_size as encoded_size
from newsletter.issues.intros import Foreword
from newsletter.issues.stories import Story, leading
from newsletter.models import Issue, Piece
from newsletter.settings import Settings

SUBJECT_LENGTH = 78
SIZE_AIM = 80_000  # octets of the HTML part on the wire; Gmail clips at about 102 kB (HTM-16)
PREHEADER_LENGTH = 90
BETWEEN = Block("; ", "", 2)  # the titles in the preheader


@dataclass(frozen=True, slots=True)
class RenderedEdition:
    """What readers get: subject, HTML document with CSS inlined, text part; with gaps."""

    subject: str
    html: str
    text: str
    hash: str = ""  # SHA-256 of what it is made of; it begins with the edition's name


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks one after another, between what makes a section of them."""

    blocks: Sequence[Block]
    start: Sequence[Block] = ()
    end: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """An edition as the blocks it is joined from. `frame`: above the preheader, down to the
    stories, below them; `names`: the titles in the preheader, `others` around them."""

    subject: str
    frame: Sequence[Block]
    others: Sequence[Block]
    names: Sequence[Block]
    sections: Sequence[Section]
    hash: str

    def blocks(self) -> Sequence[Block]:
        """All of them, in the order of the HTML."""
        top, head, foot = self.frame
        return [top, *self._preheader(), head, *self._stories(), foot]

    @property
    def size(self) -> int:
        """Octets of the HTML as it will travel: a sum, but for the preheader, which is one line."""
        line = "".join(block.html for block in self._preheader())
        return encoded_size(line) + sum(block.size for block in [*self.frame, *self._stories()])

    def edition(self) -> RenderedEdition:
        """The blocks, joined."""
        blocks = self.blocks()
        html = "".join(block.html for block in blocks)
        text = "".join(block.text for block in blocks).strip()
        lines = re.sub("\n{3,}", "\n\n", text) + "\n"
        name = edition_name(self.hash)
        html, lines = (part.replace(NAMELESS, name) for part in (html, lines))
        return RenderedEdition(self.subject, html, lines, self.hash)

    def _preheader(self) -> Sequence[Block]:
        if not self.names:
            return []
        before, after = self.others
        names = [block for name in self.names for block in (BETWEEN, name)]
        return [before, *names[1:], after]

    def _stories(self) -> Iterator[Block]:
        for section in self.sections:
            yield from (*section.start, *section.blocks, *section.end)


def render_edition(
    settings: Settings,
    issue: Issue,
    pieces: Sequence[Piece],
    locale: str,
    older_link: bool = False,
    intro: Foreword | None = None,
) -> RenderedEdition:
    """The edition of `pieces` (at least one, in order) for `locale`, under the editors' `intro`.

    When the HTML would grow beyond SIZE_AIM, the last pieces are printed as titles with links.
    """
    return lay_out(Blocks(settings, issue, locale, intro), pieces, older_link).edition()


def edition_hash(
    number: int, locale: str, hashes: Iterable[str], older_link: bool, intro: Foreword | None
) -> str:
    """SHA-256 of what an edition is made of, `hashes` those of its pieces: the same makes the same,
    to the byte."""
    parts = [str(number), locale, str(older_link), intro.hash if intro else "", *hashes]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def edition_name(hash: str) -> str:
    """What an edition is called in addresses; it says nothing of its readers."""
    return hash[: len(NAMELESS)]


def lay_out(blocks: Blocks, pieces: Sequence[Piece], older_link: bool = False) -> Layout:
    """Where each of `pieces` stands in their edition, which is no larger than SIZE_AIM where
    titles instead of summaries can make it so."""
    stories = [blocks.story(piece) for piece in pieces]
    hashes = [story.piece.hash for story in stories]
    hash = edition_hash(blocks.number, blocks.locale, hashes, older_link, blocks.intro)
    lead = leading(stories)
    stories.sort(key=lambda story: story is not lead)

    def printed(full: int) -> Layout:
        return _printed(blocks, stories, full, older_link, hash)

    full = len(stories)
    layout = printed(full)
    if layout.size > SIZE_AIM:
        full = bisect_right(range(full), SIZE_AIM, key=lambda n: printed(n).size) - 1
        layout = printed(max(0, full))
    return layout


def _printed(
    blocks: Blocks, stories: Sequence[Story], full: int, older_link: bool, hash: str
) -> Layout:
    """The first of `stories` is the lead; the first `full` ones are printed whole."""
    lead, *others = [
        story if index < full else story.brief() for index, story in enumerate(stories)
    ]
    news = [story for story in others if not story.only_agenda]
    shorts = [story for story in news if story.whole]
    titles = [story for story in news if not story.whole]
    dated = [story for story in [lead, *others] if story.dates]
    dated.sort(key=lambda story: (story.day, story.piece.slug))
    sections = [
        Section([blocks.block("foreword")] if blocks.intro else []),
        Section([blocks.block("lead", lead)]),
        Section([blocks.block("short", story) for story in shorts]),
        *_titles(blocks, titles),
        *_agenda(blocks, lead, dated),
    ]
    if older_link:
        sections.append(Section([blocks.block("older")]))
    subject = _subject(blocks.number, lead.piece.title, blocks.locale)
    named = _named(lead, [*shorts, *titles, *dated])
    return Layout(
        subject,
        frame=blocks.around("frame", subject=subject),
        others=blocks.around("others"),
        names=[blocks.block("name", story) for story in named],
        sections=sections,
        hash=hash,
    )


def _titles(blocks: Blocks, titles: Sequence[Story]) -> Iterator[Section]:
    if titles:
        rows = [blocks.block("title", story) for story in titles]
        yield Section(rows, start=[blocks.block("more")])


def _agenda(blocks: Blocks, lead: Story, dated: Sequence[Story]) -> Iterator[Section]:
    """Dates in order of time; what is told nowhere else is told there."""
    if dated:
        before, after = blocks.around("agenda")
        rows = [
            blocks.block(
                "event",
                story,
                first=index == 0,
                told=story.only_agenda and story.whole and story is not lead,
            )
            for index, story in enumerate(dated)
        ]
        yield Section(rows, [before], [after])


def _named(lead: Story, others: Sequence[Story]) -> Sequence[Story]:
    """The stories after the lead whose titles fit in one short sentence."""
    fitting: list[Story] = []
    room = PREHEADER_LENGTH
    for story in others:
        room -= len(story.piece.title) + 2
        if story is lead or story in fitting or (fitting and room < 0):
            break
        fitting.append(story)
    return fitting


def _subject(number: int, title: str, locale: str) -> str:
    text = translate(locale, "Fiabel-nieuws %(number)s: %(title)s", number=number, title=title)
    if len(text) <= SUBJECT_LENGTH:
        return text
    return text[: SUBJECT_LENGTH - 1].rpartition(" ")[0].rstrip(" ,;:–-") + "…"
