"""Arranging: what the next run would hold, and the order of an issue that is not planned yet.

A change of the order ends the approvals of an issue by itself: they are of its order, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.content.frontmatter import DRAFT
from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import DEFAULT, Said
from newsletter.issues import slots
from newsletter.issues.selection import select_items
from newsletter.models import Issue, ItemNumber, Piece
from newsletter.settings import Settings


class LeftOut(StrEnum):
    """Why an item is not in the next run."""

    DRAFT = "draft"
    FUTURE = "future"  # dated later than today
    OVER = "over"  # its deadline has passed
    WITHDRAWN = "withdrawn"
    HAD = "had"  # all readers have had it


@dataclass(frozen=True, slots=True)
class NextRun:
    """What an issue compiled now would hold, in order. `slot`: when the clock compiles the next
    one. `problems` says why nothing can be compiled, fault by fault, or is empty."""

    cadence: str
    slot: datetime
    items: Sequence[Item]
    repeats: frozenset[str]
    news: bool
    left_out: Sequence[tuple[Item, LeftOut]]
    problems: Sequence[Said]


@dataclass(frozen=True, slots=True)
class Place:
    """An item of an issue, where it stands: the first is the lead."""

    slug: str
    title: str
    languages: Sequence[str]  # in which it has a text


def next_run(
    session: Session, settings: Settings, library: Library, cadence: str, now: datetime
) -> NextRun:
    """What the next run of a cadence would hold as things are now, and why not the other items."""
    slot = slots.following(settings, cadence, now)
    try:
        chosen = select_items(session, settings, library, cadence, (), now)
    except FixContent as error:
        return NextRun(cadence, slot, [], frozenset(), False, [], error.said)
    items = chosen.items if chosen.news else []
    inside, today = {item.slug for item in items}, now.astimezone(settings.timezone).date()
    withdrawn = set(_withdrawn(session))
    others = [item for item in library.sound_items() if item.slug not in inside]
    left_out = [(item, _why(item, today, withdrawn)) for item in others]
    return NextRun(cadence, slot, items, chosen.repeats, chosen.news, left_out, ())


def places(session: Session, number: int) -> list[Place]:
    """The items of an issue in their order, with their Dutch titles."""
    columns = (Piece.slug, Piece.locale, Piece.language, Piece.title)
    mine = select(*columns).where(Piece.issue_number == number)
    rows = session.execute(mine.order_by(Piece.position, Piece.id)).all()
    found = dict.fromkeys(row.slug for row in rows)
    return [
        Place(
            slug,
            next(row.title for row in rows if row.slug == slug and row.locale == DEFAULT),
            sorted({row.language for row in rows if row.slug == slug}),
        )
        for slug in found
    ]


def reorder(session: Session, number: int, slugs: Sequence[str]) -> bool:
    """Put the items of an issue in this order, the lead first; False when they stood so already.

    Raises FixRequest when it is planned, or when these are not exactly its items.
    """
    issue = session.get(Issue, number, with_for_update=True)
    if issue is None or issue.planned_at is not None:
        raise FixRequest(f"There is no issue {number} that is not on its way yet.")
    present = [place.slug for place in places(session, number)]
    if sorted(present) != sorted(slugs):
        raise FixRequest("These are not the items of the issue; look at it once more.")
    if list(slugs) == present:
        return False
    order = {slug: position for position, slug in enumerate(slugs)}
    for piece in session.scalars(select(Piece).where(Piece.issue_number == number)):
        piece.position = order[piece.slug]
    session.flush()
    return True


def moved(slugs: Sequence[str], slug: str, to: int) -> list[str]:
    """The order in which `slug` has come to the place `to` (from 0), or as near as there is one."""
    others = [one for one in slugs if one != slug]
    place = min(max(to, 0), len(others))
    return [*others[:place], *([slug] if slug in slugs else []), *others[place:]]


def _withdrawn(session: Session) -> Sequence[str]:
    gone = select(ItemNumber.slug).where(ItemNumber.withdrawn_at.is_not(None))
    return session.scalars(gone).all()


def _why(item: Item, today: date, withdrawn: set[str]) -> LeftOut:
    front = item.original.front
    if item.slug in withdrawn:
        return LeftOut.WITHDRAWN
    if item.status == DRAFT:
        return LeftOut.DRAFT
    if front.date > today:
        return LeftOut.FUTURE
    return LeftOut.OVER if front.deadline and front.deadline < today else LeftOut.HAD
