"""Repeats: a call is told once more, in the last issue that comes before its deadline."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.orm import Session

from newsletter.content.shelf import Item
from newsletter.issues import slots
from newsletter.models import Issue, IssueState, ItemNumber, Piece
from newsletter.settings import Settings


def due(
    session: Session,
    settings: Settings,
    cadence: str | None,
    published: Sequence[Item],
    now: datetime,
) -> list[str]:
    """Of the published items that are ready, those to be told once more in an issue compiled now.

    That is a call which readers of `cadence` had in an issue before the present slot, when their
    next one comes on its last day or later. Once only, whatever the cadence: the second number
    reaches the others by their cursors.
    """
    if cadence is None or cadence not in settings.cadences:
        return []
    next_day = slots.following(settings, cadence, now).astimezone(settings.timezone).date()
    ending = [item.slug for item in published if _ends_by(item, next_day)]
    earlier = _planned_before(session, cadence, ending, slots.latest(settings, cadence, now))
    twice = told(session, ending)
    return [slug for slug in ending if slug in earlier and slug not in twice]


def told(session: Session, slugs: Iterable[str]) -> frozenset[str]:
    """Of the slugs, those that have their second number."""
    query = select(ItemNumber.slug).where(ItemNumber.repeat, ItemNumber.slug.in_(list(slugs)))
    return frozenset(session.scalars(query))


def went_out(cadence: str | None) -> tuple[ColumnElement[bool], ...]:
    """Issues for readers of `cadence` (None: for any) that were planned, and not stopped: an issue
    that somebody stopped gave its readers nothing."""
    mine = true() if cadence is None else Issue.cadence == cadence
    theirs = or_(mine, Issue.cadence.is_(None))
    return Issue.planned_at.is_not(None), Issue.state != IssueState.STOPPED, theirs


def _ends_by(item: Item, day: date) -> bool:
    deadline = item.original.front.deadline
    return deadline is not None and deadline <= day


def _planned_before(
    session: Session, cadence: str | None, slugs: Sequence[str], slot: datetime
) -> set[str]:
    """What readers had last in an issue before `slot`: nobody is told twice in a few days."""
    query = (
        select(Piece.slug)
        .join(Issue, Issue.number == Piece.issue_number)
        .where(*went_out(cadence), Piece.slug.in_(slugs))
        .group_by(Piece.slug)
        .having(func.max(Issue.planned_at) < slot)
    )
    return set(session.scalars(query))
