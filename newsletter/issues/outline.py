"""The outline of an issue: which pieces it holds, with which numbers, for readers of this moment.

Reading only, so that editions can be made from it before the transaction that plans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Group
from newsletter.issues.selection import backlog_floor
from newsletter.models import Issue, ItemNumber, Piece, TopicChoice
from newsletter.settings import Settings

LAST_DAYS = "last_days"  # a fact of a piece: it is told once more, before its deadline


@dataclass(frozen=True, slots=True)
class Outline:
    """`pieces` by locale, in order; `numbers` by slug; `new` are numbers that nothing had yet.

    `carried` are pieces not yet in the issue, `gone` those in it whose item was withdrawn.
    """

    pieces: Mapping[str, Sequence[Piece]]
    numbers: Mapping[str, int]
    new: Sequence[ItemNumber]
    carried: Sequence[Piece]
    gone: Sequence[Piece]
    top: int
    floor: int  # what readers have not had below it is too old to be carried

    def pieces_for(self, group: Group, topics: str, today: datetime) -> list[Piece]:
        """What these readers have not had of their topics ("" is every topic), before its
        deadline; `today` is a moment in TIMEZONE."""
        wanted, above = set(topics.split("|")), max(group.cursor, self.floor)
        return [
            piece
            for piece in self.pieces.get(group.locale, ())
            if self.numbers[piece.slug] > above
            and not is_over(piece, today)
            and (not topics or wanted & set(piece.topics.split("|")))
        ]


def draw(session: Session, settings: Settings, issue: Issue, now: datetime) -> Outline:
    """The outline of `issue` as it would be planned now; changes nothing."""
    found = _in_issue(session, issue)
    slugs = list(dict.fromkeys(piece.slug for piece in found))
    known = _highest(session, slugs)
    dead = _withdrawn(session, slugs) - set(known)
    new = _new_numbers(session, issue, found, known) if issue.top is None else []
    numbers = known | {number.slug: number.number for number in new}
    floor = backlog_floor(session, settings, issue.cadence, issue.number)
    carried = _carried(session, issue, floor, numbers, found, now)
    numbers |= {piece.slug: piece.item_number for piece in carried if piece.item_number}
    if issue.top is not None:
        numbers |= {piece.slug: piece.item_number for piece in found if piece.item_number}
    kept = [piece for piece in found if piece.slug not in dead]
    top = issue.top
    if top is None:
        top = max((numbers[piece.slug] for piece in [*kept, *carried]), default=0)
    return Outline(
        pieces=_by_locale([*kept, *carried]),
        numbers=numbers,
        new=[number for number in new if number.slug not in dead],
        carried=carried,
        gone=[piece for piece in found if piece.slug in dead],
        top=top,
        floor=floor,
    )


def topics_by_choice(session: Session) -> dict[int, str]:
    """Sorted keys joined by "|", or "" for every topic, by the id of a choice."""
    return {row.id: row.topics for row in session.scalars(select(TopicChoice))}


def is_over(piece: Piece, today: datetime) -> bool:
    """A call whose last day has gone; `today` is a moment in TIMEZONE."""
    return piece.deadline is not None and piece.deadline < today.date()


def _in_issue(session: Session, issue: Issue) -> list[Piece]:
    mine = select(Piece).where(Piece.issue_number == issue.number)
    return list(session.scalars(mine.order_by(Piece.position, Piece.id)))


def _by_locale(pieces: Sequence[Piece]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.locale, []).append(piece)
    return dict(sorted(found.items()))


def _highest(session: Session, slugs: Sequence[str]) -> dict[str, int]:
    """Of an item that was told once more, the second number: whoever lacks that one gets it."""
    mine = (ItemNumber.slug.in_(slugs), ItemNumber.withdrawn_at.is_(None))
    query = select(ItemNumber.slug, func.max(ItemNumber.number)).where(*mine)
    return dict(session.execute(query.group_by(ItemNumber.slug)).all())


def _withdrawn(session: Session, slugs: Sequence[str]) -> set[str]:
    mine = (ItemNumber.slug.in_(slugs), ItemNumber.withdrawn_at.is_not(None))
    return set(session.scalars(select(ItemNumber.slug).where(*mine)))


def _new_numbers(
    session: Session, issue: Issue, pieces: Sequence[Piece], known: Mapping[str, int]
) -> list[ItemNumber]:
    """An item gets the next number when it is first planned, and keeps it; one more for its
    last days."""
    repeats = {piece.slug for piece in pieces if piece.facts.get(LAST_DAYS)}
    told = set(session.scalars(select(ItemNumber.slug).where(ItemNumber.repeat)))
    newest, new = ledger.newest_number(session), []
    for slug in dict.fromkeys(piece.slug for piece in pieces):
        if slug not in known or (slug in repeats and slug not in told):
            newest += 1
            new.append(
                ItemNumber(
                    number=newest, slug=slug, repeat=slug in known, issue_number=issue.number
                )
            )
    return new


def _carried(
    session: Session,
    issue: Issue,
    floor: int,
    mine: Mapping[str, int],
    found: Sequence[Piece],
    now: datetime,
) -> list[Piece]:
    """What a reader of this moment has not had, as it was frozen last, to be taken in.

    Readers change cadence, end a pause, and other cadences publish while an issue is held or sent;
    without this a cursor moved to this issue's top would jump over their items.
    """
    lowest = ledger.lowest_cursor(session, issue.cadence, now)
    if lowest is None:
        return []
    number = func.max(ItemNumber.number)
    missing = select(ItemNumber.slug, number).where(
        ItemNumber.number > max(lowest, floor),
        ItemNumber.withdrawn_at.is_(None),
        ItemNumber.slug.not_in(list(mine)),
    )
    if issue.top is not None:
        missing = missing.where(ItemNumber.number <= issue.top)
    rows = session.execute(missing.group_by(ItemNumber.slug).order_by(number)).all()
    position = max((piece.position for piece in found), default=-1)
    return [
        _copy(piece, issue.number, position + index)
        for index, (_slug, last) in enumerate(rows, 1)
        for piece in _frozen_last(session, last)
    ]


def _frozen_last(session: Session, number: int) -> Sequence[Piece]:
    """The pieces of an item in the newest issue that was planned with this number of it."""
    newest = select(func.max(Piece.issue_number)).where(Piece.item_number == number)
    mine = (Piece.item_number == number, Piece.issue_number == newest.scalar_subquery())
    return session.scalars(select(Piece).where(*mine).order_by(Piece.id)).all()


def _copy(piece: Piece, issue_number: int, position: int) -> Piece:
    names = {column.name for column in Piece.__table__.columns} - {"id"}
    values = {name: getattr(piece, name) for name in names}
    return Piece(**values | {"issue_number": issue_number, "position": position})
