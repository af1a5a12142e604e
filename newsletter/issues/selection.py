"""Choosing items: what readers of a cadence have not had, and never a vanished published one."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from newsletter.content.frontmatter import DRAFT
from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.delivery import ledger
from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import Said
from newsletter.issues import repeats
from newsletter.issues.repeats import went_out
from newsletter.models import Issue, ItemNumber, Piece
from newsletter.settings import Settings


@dataclass(frozen=True, slots=True)
class Selection:
    """The items of an issue in order, the lead first; `news` says whether any is new to readers.

    `repeats` are slugs of calls that are told once more, before their deadline.
    """

    items: Sequence[Item]
    news: bool
    repeats: frozenset[str]


def select_items(
    session: Session,
    settings: Settings,
    library: Library,
    cadence: str | None,
    slugs: Sequence[str],
    now: datetime,
) -> Selection:
    """What an issue compiled now holds: new items, and those some reader has not had yet.

    Whatever lies between the lowest cursor and the newest number must be in it, since a cursor says
    that everything below it was received. Raises FixContent for a vanished item, FixRequest for a
    slug that cannot be sent.
    """
    today = now.astimezone(settings.timezone).date()
    withdrawn = _withdrawn(session)
    ready = {
        item.slug: item
        for item in library.items()
        if is_ready(item, today) and item.slug not in withdrawn
    }
    numbered = _numbers(session)
    _refuse_vanished(library, numbered)
    chosen = (
        _named(library, ready, slugs, today) if slugs else [s for s in ready if s not in numbered]
    )
    carried = _carried(session, settings, cadence, numbered, today)
    missed = _not_yet_in(session, cadence, {slug: numbered[slug] for slug in carried})
    due = repeats.due(session, settings, cadence, [ready[s] for s in numbered if s in ready], now)
    wanted = dict.fromkeys([*chosen, *(slug for slug in carried if slug in ready), *due])
    items = [ready[slug] for slug in wanted]
    if not slugs:
        fresh = {slug for slug in wanted if slug not in numbered}
        items = in_order(items, list(library.topics()), fresh)
    told = frozenset(due) | repeats.told(session, wanted)
    news = any(slug not in numbered or slug in missed or slug in due for slug in wanted)
    return Selection(items, news, told)


def in_order(items: Sequence[Item], topics: Sequence[str], fresh: Set[str]) -> list[Item]:
    """The lead, which is the newest of the `fresh` slugs, then by topic, the newest first.

    What is dated gets its own place at the end when an edition is laid out.
    """
    newest = sorted(items, key=lambda item: (item.original.front.date, item.slug), reverse=True)
    newest.sort(key=lambda item: item.slug not in fresh)
    rest = sorted(newest[1:], key=lambda item: (item.original.front.date, item.slug), reverse=True)
    rest.sort(key=lambda item: min(topics.index(key) for key in item.original.front.topics))
    return [*newest[:1], *rest]


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
        .where(*went_out(None), Issue.number != (issue_number or 0), same)
        .order_by(Issue.planned_at.desc())
        .offset(settings.backlog)
        .limit(1)
    )
    return session.scalar(earlier) or 0


def _numbers(session: Session) -> dict[str, int]:
    """The number of each published item; of one that was told once more, the second."""
    query = select(ItemNumber.slug, ItemNumber.number).where(ItemNumber.withdrawn_at.is_(None))
    return dict(session.execute(query.order_by(ItemNumber.number)).all())


def _withdrawn(session: Session) -> set[str]:
    query = select(ItemNumber.slug).where(ItemNumber.withdrawn_at.is_not(None))
    return set(session.scalars(query))


def _refuse_vanished(library: Library, numbered: dict[str, int]) -> None:
    """An item that was sent stays on the shelf: its number is its place in every cursor."""
    known = {item.slug for item in library.items()}
    if vanished := sorted(set(numbered) - known):
        raise FixContent(
            *(
                Said(
                    "Het verschenen artikel “%(slug)s” is weg uit de map content; zet het bestand "
                    "terug (een naam verandert nooit).",
                    slug=slug,
                )
                for slug in vanished
            )
        )


def _named(
    library: Library, ready: dict[str, Item], slugs: Sequence[str], today: date
) -> list[str]:
    known = {item.slug: item for item in library.items()}
    for slug in slugs:
        if slug not in known:
            raise FixRequest(
                f"There is no item {slug!r} on the shelf; see `newsletter items list`."
            )
        if slug not in ready:
            raise FixRequest(f"The item {slug!r} cannot be sent: {_why_not(known[slug], today)}.")
    return list(dict.fromkeys(slugs))


def _why_not(item: Item, today: date) -> str:
    front = item.original.front
    if item.status == DRAFT:
        return "it is a draft; set its status to ready"
    if front.date > today:
        return f"it is dated {front.date}, later than today; wait, or change its date"
    if front.deadline and front.deadline < today:
        return f"its deadline was {front.deadline}; leave it out, or change its deadline"
    return "it was withdrawn after it was sent, for good; tell it anew under another slug"


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


def _not_yet_in(session: Session, cadence: str | None, numbers: Mapping[str, int]) -> set[str]:
    """Of the slugs, those whose number was never in a planned issue for this cadence."""
    query = (
        select(Piece.item_number)
        .join(Issue, Issue.number == Piece.issue_number)
        .where(*went_out(cadence), Piece.item_number.in_(numbers.values()))
    )
    had = set(session.scalars(query))
    return {slug for slug, number in numbers.items() if number not in had}
