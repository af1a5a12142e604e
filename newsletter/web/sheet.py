"""A front page: the pieces of an issue told for the web, and where each of them stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from newsletter.issues.stories import Story, leading, tell
from newsletter.links import Links
from newsletter.models import Piece
from newsletter.web.page import links, locale, path, state, topics


class Way(NamedTuple):
    """A link: its words and where it leads."""

    name: str
    path: str


class Goal(NamedTuple):
    """A goal of the United Nations: its number, its name and its page."""

    number: int
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Tale:
    """A story with its addresses on this site and its topics as they are called today."""

    story: Story
    path: str
    topics: tuple[Way, ...]
    goals: tuple[Goal, ...]

    @property
    def picture(self) -> str:
        """The drawing of its place."""
        return path("archive.picture", place=self.story.land, kind="svg")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One lead with a picture, then short items, then what has a date, the soonest first."""

    lead: Tale | None
    shorts: tuple[Tale, ...]
    dated: tuple[Tale, ...]

    @property
    def all(self) -> tuple[Tale, ...]:
        """Everything once, in this order."""
        seen = {tale.path: tale for tale in (self.lead, *self.shorts, *self.dated) if tale}
        return tuple(seen.values())


def sheet(pieces: Sequence[Piece]) -> Sheet:
    """The front page of these pieces, in the locale of the page."""
    tales = tell_all(pieces)
    lead = leading([one.story for one in tales]) if tales else None
    return Sheet(
        lead=next((one for one in tales if one.story is lead), None),
        shorts=tuple(one for one in tales if one.story is not lead and not one.story.only_agenda),
        dated=tuple(
            sorted((one for one in tales if one.story.dates), key=lambda one: one.story.day)
        ),
    )


def tale(piece: Piece) -> Tale:
    """One piece, told in the locale of the page."""
    return tell_all([piece])[0]


def tell_all(pieces: Iterable[Piece]) -> list[Tale]:
    """Pieces, told in the locale of the page."""
    settings, language, names, to = state().settings, locale(), topics(), links()
    return [_tale(tell(settings, piece, language), language, names, to) for piece in pieces]


def _tale(story: Story, language: str, names: Mapping[str, str], to: Links) -> Tale:
    piece = story.piece
    return Tale(
        story=story,
        path=to.item(language, piece.slug),
        topics=tuple(
            Way(names[key], to.subject(language, "topics", key))
            for key in piece.topics.split("|")
            if key in names
        ),
        goals=tuple(Goal(n, name, to.subject(language, "sdgs", str(n))) for n, name in story.sdgs),
    )


def subject_path(kind: str, key: str) -> str:
    """The page of everything about a topic, country, place or goal, in the locale of the page."""
    return links().subject(locale(), kind, key)
