"""A front page: the pieces of an issue told for the web, and where each of them stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flask import url_for

from newsletter.issues.stories import Story, leading, tell
from newsletter.models import Piece
from newsletter.web.page import locale, state, topics


class Way(NamedTuple):
    """A link: its words and where it leads."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Tale:
    """A story with its addresses on this site and its topics as they are called today."""

    story: Story
    path: str
    picture: str
    topics: tuple[Way, ...]


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
    names = topics()
    tales = [tale(piece, names) for piece in pieces]
    lead = leading([one.story for one in tales]) if tales else None
    return Sheet(
        lead=next((one for one in tales if one.story is lead), None),
        shorts=tuple(one for one in tales if one.story is not lead and not one.story.only_agenda),
        dated=tuple(
            sorted((one for one in tales if one.story.when), key=lambda one: one.story.day)
        ),
    )


def tale(piece: Piece, names: Mapping[str, str] | None = None) -> Tale:
    """One piece, told in the locale of the page; `names` are those of its topics."""
    story = tell(state().settings, piece, locale())
    names = topics() if names is None else names
    return Tale(
        story=story,
        path=url_for("archive.item", locale=locale(), slug=piece.slug),
        picture=url_for("archive.picture", place=story.land, kind="svg"),
        topics=tuple(
            Way(names[key], subject_path("topics", key))
            for key in piece.topics.split("|")
            if key in names
        ),
    )


def subject_path(kind: str, key: str) -> str:
    """The page of everything about a topic, country, place or goal, in the locale of the page."""
    return url_for("finding.subject", locale=locale(), kind=kind, key=key)
