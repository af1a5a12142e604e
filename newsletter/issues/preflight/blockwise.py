"""Preflight of hundreds of editions of the same blocks: each block is read once.

A block is read by all rules, alone in its frame and section (`_small`). An edition of blocks in
which nothing was found then needs only a look at what depends on its composition:

- Rules about an element and what it stands in (most of FMT, HTM and PRV, gaps, leftovers): all of
  that was in the small edition too.
- Rules about what has to be somewhere (the text part says the same, an anchor leads somewhere, the
  footer is complete): what was found beside the block alone is there in company, too.
- Rules about what stands before or beside: headings, ids, where a title in another language comes
  first. These, the size, and whether every piece is told, are looked at here for each edition.

What is not vouched for is not faulty yet: the full check (`preflight.check`) decides that. A test
puts every fault of the corpus into blocks and proves that none is vouched for.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from newsletter.issues.blocks import Block
from newsletter.issues.preflight.envelope import SIZE_LIMIT, squeezed
from newsletter.issues.preflight.finding import Mail
from newsletter.issues.preflight.rules import findings
from newsletter.issues.preflight.tree import HEADINGS, parse
from newsletter.issues.rendering import Layout, RenderedEdition
from newsletter.models import Piece
from newsletter.settings import Settings

# Between the texts of two blocks, so that nothing is found half in the one and half in the other:
# a letter, since other signs are passed over, and one that no text of ours has.
SEAM = "\nꙮ\n"


@dataclass(frozen=True, slots=True)
class _Facts:
    """What has to agree with other blocks: ids, levels of headings, words of links and spans."""

    ids: Sequence[str]
    levels: Sequence[int]
    labels: frozenset[str]
    says_title: bool  # of the piece it tells, in both parts


class Blockwise:
    """Which editions of one issue and locale are sound, on the day of `now`."""

    def __init__(
        self, settings: Settings, locale: str, now: datetime, known: Collection[str] | None
    ) -> None:
        self._settings, self._locale, self._now, self._known = settings, locale, now, known
        self._sound: set[Block] = set()
        self._facts: dict[Block, _Facts] = {}

    def vouches_for(self, layout: Layout, pieces: Sequence[Piece]) -> bool:
        """Is it certain that `check` finds nothing that stops the edition of `pieces`?"""
        facts = {block: self._facts_of(block) for block in layout.blocks()}
        return (
            layout.size < SIZE_LIMIT
            and _told(layout, facts, pieces)
            and _headed(facts)
            and _named_once(facts)
            and _marked(facts)
            and self._sound_by_block(layout)
        )

    def _facts_of(self, block: Block) -> _Facts:
        if block not in self._facts:
            self._facts[block] = _read(block)
        return self._facts[block]

    def _sound_by_block(self, layout: Layout) -> bool:
        if self._sound.issuperset(layout.blocks()):
            return True
        for small in _small(layout):
            blocks = list(small.blocks())
            if not self._sound.issuperset(blocks):
                if any(finding.grade == "stop" for finding in findings(self._mail(small))):
                    return False
                self._sound.update(blocks)
        return True

    def _mail(self, small: Layout) -> Mail:
        blocks = list(small.blocks())
        told = {block.story.piece.slug: block.story.piece for block in blocks if block.story}
        # A name in the preheader stands in the text part where its story is told.
        said = [block.story.piece.title for block in small.names if block.story]
        text = SEAM.join([*(block.text for block in blocks), *said])
        html, pieces = "".join(block.html for block in blocks), list(told.values())
        edition = RenderedEdition(small.subject, html, text)
        root = parse(html)
        return Mail(self._settings, self._locale, edition, pieces, root, self._now, self._known)


def _small(layout: Layout) -> Iterator[Layout]:
    """The editions that have one block of this one, in its section."""
    bare = replace(layout, names=[], sections=[])
    for section in layout.sections:
        for block in section.blocks:
            yield replace(bare, sections=[replace(section, blocks=[block])])
    for name in layout.names:
        yield replace(bare, names=[name])


def _read(block: Block) -> _Facts:
    root = parse(block.html)
    title = squeezed(_title(block))
    return _Facts(
        ids=[node.attributes["id"] for node in root.walk() if "id" in node.attributes],
        levels=[int(node.tag[1]) for node in root.find(*HEADINGS)],
        labels=frozenset(node.text() for node in root.find("a", "span")),
        says_title=title in squeezed(root.text()) and title in squeezed(block.text),
    )


def _told(layout: Layout, facts: Mapping[Block, _Facts], pieces: Sequence[Piece]) -> bool:
    """Is every piece told, under its title, in both parts? (FMT-05)"""
    stories = (block for section in layout.sections for block in section.blocks)
    told = {block.story.piece.slug for block in stories if block.story and facts[block].says_title}
    return told.issuperset(piece.slug for piece in pieces)


def _headed(facts: Mapping[Block, _Facts]) -> bool:
    """Is there one h1, and no level skipped from block to block? (HTM-03)"""
    levels = [level for one in facts.values() for level in one.levels]
    steps = pairwise([0, *levels])
    return levels.count(1) == 1 and all(level <= before + 1 for before, level in steps)


def _named_once(facts: Mapping[Block, _Facts]) -> bool:
    """Is no id there twice? (HTM-11)"""
    ids = [name for one in facts.values() for name in one.ids]
    return len(ids) == len(set(ids))


def _marked(facts: Mapping[Block, _Facts]) -> bool:
    """Is a title in another language named only by blocks that tell such a story? (HTM-01: the rule
    looks at the first place of a title, and each block is read with its own.)"""
    languages = defaultdict[str, set[str | None]](set)
    for block in facts:
        if block.story and block.story.lang:
            languages[_title(block)].add(block.story.lang)
    return all(
        block.story is not None
        and title == _title(block)
        and languages[title] == {block.story.lang}
        for block, one in facts.items()
        for title in languages.keys() & one.labels
    )


def _title(block: Block) -> str:
    return " ".join(block.story.piece.title.split()) if block.story else ""
