"""Planning: each reader gets the edition for locale, topics and cursor as they are right now."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.errors import FixContent
from newsletter.issues import preflight
from newsletter.issues.compiler import piece_hash
from newsletter.issues.rendering import RenderedEdition, render_edition
from newsletter.issues.selection import backlog_floor
from newsletter.models import Edition, Issue, ItemNumber, Piece, TopicChoice
from newsletter.settings import Settings


def plan_issue(session: Session, settings: Settings, issue: Issue, now: datetime) -> int:
    """Number the items, assemble the editions real readers need, write their rows.

    Returns how many rows. Also run again later for readers whose older row had to settle first.
    Raises FixContent when an edition does not pass preflight; the caller's transaction ends then.
    """
    first = issue.top is None
    ledger.take_stock(session)
    _carry(session, settings, issue, now)
    if first:
        _number_items(session, issue)
        issue.top = _top(session, issue)
        issue.planned_at = issue.planned_at or now
        ledger.withdraw_older(session, issue, now)
    top = issue.top or 0
    planned, window = 0, timedelta(hours=settings.delivery_window)
    due_at = ledger.spread(session, now, window) if window else ledger.at_once()
    choices = {row.id: row.topics for row in session.scalars(select(TopicChoice))}
    pieces = {locale: _pieces(session, issue, locale) for locale in _locales(session, issue)}
    floor = backlog_floor(session, settings, issue.cadence, issue.number)
    for group in ledger.groups(session, issue, top, now):
        mine = [
            piece
            for piece in pieces[group.locale]
            if _matches(piece, choices[group.topic_choice_id], max(group.cursor, floor))
            and not _over(piece, settings, now)
        ]
        if mine:
            older = group.cursor < floor
            edition_id = _edition(session, settings, issue, group.locale, mine, older, now)
            planned += ledger.plan(session, issue, top, group, edition_id, due_at)
        else:
            ledger.skip(session, issue, top, group)
    if planned:
        ledger.withdraw_paused(session, issue, now)
    return planned


def base_editions(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> dict[str, tuple[RenderedEdition, list[Piece]]]:
    """The whole issue as each locale's readers with every topic would get it, for preflight."""
    found = {}
    for locale in _locales(session, issue):
        pieces = [p for p in _pieces(session, issue, locale) if not _over(p, settings, now)]
        if pieces:
            found[locale] = (render_edition(settings, issue, pieces, locale), pieces)
    return found


def _locales(session: Session, issue: Issue) -> Sequence[str]:
    query = select(Piece.locale).where(Piece.issue_number == issue.number).distinct()
    return session.scalars(query.order_by(Piece.locale)).all()


def _pieces(session: Session, issue: Issue, locale: str) -> list[Piece]:
    mine = (Piece.issue_number == issue.number, Piece.locale == locale)
    return list(session.scalars(select(Piece).where(*mine).order_by(Piece.position)))


def _carry(session: Session, settings: Settings, issue: Issue, now: datetime) -> None:
    """Take in, as it was frozen last, whatever a reader of this moment has not had.

    Readers change cadence, end a pause, and other cadences publish while an issue is held or sent;
    without this a cursor moved to this issue's top would jump over their items.
    """
    lowest = ledger.lowest_cursor(session, issue.cadence, now)
    if lowest is None:
        return
    floor = max(lowest, backlog_floor(session, settings, issue.cadence, issue.number))
    mine = select(Piece.slug).where(Piece.issue_number == issue.number)
    missing = select(ItemNumber).where(
        ItemNumber.number > floor,
        ItemNumber.withdrawn_at.is_(None),
        ItemNumber.slug.not_in(mine),
    )
    if issue.top is not None:
        missing = missing.where(ItemNumber.number <= issue.top)
    position = (
        session.scalar(select(func.max(Piece.position)).where(Piece.issue_number == issue.number))
        or 0
    )
    for number in session.scalars(missing.order_by(ItemNumber.number)).all():
        position += 1
        for piece in _frozen_last(session, number.slug):
            session.add(_copy(piece, issue.number, position, number.number))
    session.flush()


def _frozen_last(session: Session, slug: str) -> Sequence[Piece]:
    """The pieces of an item in the newest issue that was planned with it."""
    issue_number = (
        select(Piece.issue_number)
        .where(Piece.slug == slug, Piece.item_number.is_not(None))
        .order_by(Piece.issue_number.desc())
        .limit(1)
        .scalar_subquery()
    )
    mine = (Piece.slug == slug, Piece.issue_number == issue_number)
    return session.scalars(select(Piece).where(*mine)).all()


def _copy(piece: Piece, issue_number: int, position: int, item_number: int) -> Piece:
    names = {column.name for column in Piece.__table__.columns} - {"id"}
    values = {name: getattr(piece, name) for name in names}
    changed = {"issue_number": issue_number, "position": position, "item_number": item_number}
    return Piece(**values | changed)


def _number_items(session: Session, issue: Issue) -> None:
    """An item gets the next number when it is first planned, and keeps it for ever."""
    pieces = session.scalars(
        select(Piece).where(Piece.issue_number == issue.number).order_by(Piece.position)
    ).all()
    slugs = dict.fromkeys(piece.slug for piece in pieces)
    known = select(ItemNumber).where(ItemNumber.slug.in_(slugs), ItemNumber.repeat.is_(False))
    numbers = {row.slug: row.number for row in session.scalars(known)}
    newest = ledger.newest_number(session)
    for slug in slugs:
        if slug not in numbers:
            newest += 1
            numbers[slug] = newest
            session.add(
                ItemNumber(number=newest, slug=slug, repeat=False, issue_number=issue.number)
            )
    session.flush()
    for piece in pieces:
        piece.item_number = numbers[piece.slug]
    session.flush()


def _top(session: Session, issue: Issue) -> int:
    query = select(Piece.item_number).where(Piece.issue_number == issue.number)
    return max(number for number in session.scalars(query) if number is not None)


def _matches(piece: Piece, topics: str, cursor: int) -> bool:
    wanted = set(topics.split("|")) if topics else None
    chosen = wanted is None or bool(wanted & set(piece.topics.split("|")))
    return chosen and piece.item_number is not None and piece.item_number > cursor


def _over(piece: Piece, settings: Settings, now: datetime) -> bool:
    today = now.astimezone(settings.timezone).date()
    return piece.deadline is not None and piece.deadline < today


def _edition(
    session: Session,
    settings: Settings,
    issue: Issue,
    locale: str,
    pieces: Sequence[Piece],
    older: bool,
    now: datetime,
) -> int:
    """The edition of these pieces: the one that stands, or a new one that passes preflight."""
    piece_ids = ",".join(str(piece.id) for piece in pieces) + ("+" if older else "")
    same = (
        Edition.issue_number == issue.number,
        Edition.locale == locale,
        Edition.piece_ids == piece_ids,
    )
    if (found := session.scalar(select(Edition.id).where(*same))) is not None:
        return found
    rendered = render_edition(settings, issue, pieces, locale, older_link=older)
    refuse_faults(settings, rendered, pieces, now)
    edition = Edition(
        issue_number=issue.number,
        locale=locale,
        piece_ids=piece_ids,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        hash=_edition_hash(rendered, pieces),
    )
    session.add(edition)
    session.flush()
    return edition.id


def refuse_faults(
    settings: Settings, edition: RenderedEdition, pieces: Sequence[Piece], now: datetime
) -> None:
    """An edition with a finding of grade `stop` is not sent: raises FixContent with all of them."""
    findings = preflight.check(settings, edition, pieces, now)
    if stops := [str(finding) for finding in findings if finding.grade == "stop"]:
        raise FixContent(*stops)


def _edition_hash(rendered: RenderedEdition, pieces: Sequence[Piece]) -> str:
    whole = [rendered.subject, rendered.html, rendered.text, *(piece_hash(p) for p in pieces)]
    return hashlib.sha256("\0".join(whole).encode()).hexdigest()
