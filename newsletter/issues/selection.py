"""Choosing items: what readers of a cadence have not had, and never a vanished published one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.delivery import ledger
from newsletter.errors import FixContent, FixRequest
from newsletter.models import Issue, IssueState, ItemNumber, Piece
from newsletter.settings import Settings


@dataclass(frozen=True, slots=True)
class Selection:
    """The items of an issue in order, the lead first; `news` says whether any is new to readers."""

    items: Sequence[Item]
    news: bool


def select_items(
    session: Session,
    settings: Settings,
    library: Library,
    cadence: str | None,
    slugs: Sequence[str],
    today: date,
) -> Selection:
    """What an issue compiled now holds: new items, and those some reader has not had yet.

    Whatever lies between the lowest cursor and the newest number must be in it, since a cursor says
    that everything below it was received. Raises FixContent for a vanished item, FixRequest for a
    slug that cannot be sent.
    """
    ready = {item.slug: item for item in library.items() if is_ready(item, today)}
    numbered = _numbers(session)
    _refuse_vanished(library, numbered)
    chosen = _named(library, ready, slugs) if slugs else [s for s in ready if s not in numbered]
    carried = _carried(session, settings, cadence, numbered, today)
    missed = _not_yet_in(session, cadence, carried)
    wanted = dict.fromkeys([*chosen, *(slug for slug in carried if slug in ready)])
    items = [ready[slug] for slug in wanted]
    if not slugs:
        items.sort(key=lambda item: (item.original.front.date, item.slug), reverse=True)
    news = any(slug not in numbered or slug in missed for slug in wanted)
    return Selection(items, news)


def is_ready(item: Item, today: date) -> bool:
    """Ready, dated today or before, and a call not past its deadline."""
    front = item.original.front
    open_call = front.deadline is None or front.deadline >= today
    return item.status == "ready" and front.date <= today and open_call


def backlog_floor(
    session: Session, settings: Settings, cadence: str | None, issue_number: int | None = None
) -> int:
    """The highest item number too old to be carried: at most BACKLOG issues before this one are."""
    same = or_(Issue.cadence == cadence, Issue.cadence.is_(None))
    earlier = (
        select(Issue.top)
        .where(*_went_out(), Issue.number != (issue_number or 0), same)
        .order_by(Issue.planned_at.desc())
        .offset(settings.backlog)
        .limit(1)
    )
    return session.scalar(earlier) or 0


def _went_out() -> tuple[ColumnElement[bool], ...]:
    """Planned, and not stopped: an issue that somebody stopped gave its readers nothing."""
    return Issue.planned_at.is_not(None), Issue.state != IssueState.STOPPED


def _numbers(session: Session) -> dict[str, int]:
    query = select(ItemNumber.slug, ItemNumber.number).where(ItemNumber.withdrawn_at.is_(None))
    return dict(session.execute(query.order_by(ItemNumber.number)).all())


def _refuse_vanished(library: Library, numbered: dict[str, int]) -> None:
    """An item that was sent stays on the shelf: its number is its place in every cursor."""
    known = {item.slug for item in library.items()}
    if vanished := sorted(set(numbered) - known):
        raise FixContent(
            *(
                f"The published item {slug!r} has vanished from the content folder; "
                "put its file back (a slug is never renamed)."
                for slug in vanished
            )
        )


def _named(library: Library, ready: dict[str, Item], slugs: Sequence[str]) -> list[str]:
    known = {item.slug for item in library.items()}
    for slug in slugs:
        if slug not in known:
            raise FixRequest(
                f"There is no item {slug!r} on the shelf; see `newsletter items list`."
            )
        if slug not in ready:
            raise FixRequest(
                f"The item {slug!r} cannot be sent: it is a draft, dated later than today, "
                "or past its deadline."
            )
    return list(dict.fromkeys(slugs))


def _carried(
    session: Session,
    settings: Settings,
    cadence: str | None,
    numbered: dict[str, int],
    today: date,
) -> list[str]:
    """Numbered items that some reader of the cadence has not received; who pauses is none."""
    midnight = datetime.combine(today, time(), settings.timezone)  # when a pause ends
    lowest = ledger.lowest_cursor(session, cadence, midnight)
    if lowest is None:
        return []
    floor = max(lowest, backlog_floor(session, settings, cadence))
    return [slug for slug, number in numbered.items() if number > floor]


def _not_yet_in(session: Session, cadence: str | None, slugs: Sequence[str]) -> set[str]:
    """Of `slugs`, those that were never in a planned issue for this cadence."""
    query = (
        select(Piece.slug)
        .join(Issue, Issue.number == Piece.issue_number)
        .where(*_went_out(), Piece.slug.in_(slugs))
    )
    if cadence is not None:
        query = query.where(or_(Issue.cadence == cadence, Issue.cadence.is_(None)))
    return set(slugs) - set(session.scalars(query))
