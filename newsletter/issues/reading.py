"""Reading what was published, for the archive: issues that went out, and items as last sent out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from newsletter.delivery.message import Gap, gap
from newsletter.i18n import DEFAULT
from newsletter.issues.rendering import render_edition
from newsletter.links import Links
from newsletter.models import Edition, Issue, IssueState, Piece, Published, Subject, SubjectKind
from newsletter.settings import Settings

PUBLIC = (IssueState.SENDING, IssueState.PAUSED, IssueState.STOPPED, IssueState.SENT)
PAGE = 20  # items
FURTHEST = 10_000  # pages
_IS_PUBLIC = (Issue.planned_at.is_not(None), Issue.state.in_(PUBLIC))
_NEWEST_PIECE = select(func.coalesce(func.max(Piece.id), 0)).scalar_subquery()
_STAMP = select(func.count(), _NEWEST_PIECE, func.max(Issue.planned_at)).where(*_IS_PUBLIC)
DATED_AT_MOST = 500  # items in a calendar
# What the page of every item asks is built once: building costs as much as asking.
_LATEST = (
    select(Piece, Published.first_at, Published.updated_at)
    .join(Published, Published.piece_id == Piece.id)
    .where(Published.slug == bindparam("slug"), Published.locale == bindparam("locale"))
)
_LANGUAGES = select(Published.language).where(Published.slug == bindparam("slug"))
_HELD = select(Piece.issue_number).where(Piece.slug == bindparam("slug"), Piece.locale == DEFAULT)
_ISSUES_WITH = (
    select(Issue).where(*_IS_PUBLIC, Issue.number.in_(_HELD)).order_by(Issue.number.desc())
)
_PLACES = select(Subject).where(
    Subject.slug == bindparam("slug"),
    Subject.locale == bindparam("locale"),
    Subject.kind == SubjectKind.PLACE,
)


class About(NamedTuple):
    """What a list of items is about: a topic, country, place or goal."""

    kind: SubjectKind
    key: str


class Told(NamedTuple):
    """A piece in the archive, with when the first and the newest issue with it were sent."""

    piece: Piece
    first_at: datetime
    updated_at: datetime


class Entry(NamedTuple):
    """An item for the site map: the text of a locale in which it is written."""

    slug: str
    locale: str
    updated_at: datetime


class Count(NamedTuple):
    """A subject, its name (empty where the key says it), and how many items are about it."""

    kind: SubjectKind
    key: str
    name: str
    items: int


class Stamp(NamedTuple):
    """What changes when anything in the archive does; `at` is when it last did."""

    issues: int
    newest_piece: int
    at: datetime | None


def stamp(session: Session) -> Stamp:
    """The stamp of this moment: one look-up, whatever the archive holds."""
    return Stamp(*session.execute(_STAMP).one())


def published(session: Session) -> list[Issue]:
    """Issues that readers can have received, newest first."""
    query = select(Issue).where(*_IS_PUBLIC)
    return list(session.scalars(query.order_by(Issue.number.desc())))


def published_issue(session: Session, number: int) -> Issue | None:
    """One issue, if readers can have received it."""
    issue = session.get(Issue, number)
    return issue if issue and issue.planned_at and issue.state in PUBLIC else None


def neighbours(session: Session, number: int) -> tuple[int | None, int | None]:
    """The numbers of the published issues before and after one."""
    older = select(func.max(Issue.number)).where(*_IS_PUBLIC, Issue.number < number)
    newer = select(func.min(Issue.number)).where(*_IS_PUBLIC, Issue.number > number)
    return session.scalar(older), session.scalar(newer)


def issue_pieces(session: Session, number: int, locale: str) -> list[Piece]:
    """The pieces of an issue for readers of `locale`, in order."""
    mine = (Piece.issue_number == number, Piece.locale == locale)
    return list(session.scalars(select(Piece).where(*mine).order_by(Piece.position)))


def latest_piece(session: Session, slug: str, locale: str) -> Told | None:
    """An item as it was last sent out, or None when it never was."""
    found = session.execute(_LATEST, {"slug": slug, "locale": locale}).one_or_none()
    return Told(*found) if found else None


def written_in(session: Session, slug: str) -> set[str]:
    """The languages in which an item was sent out."""
    return set(session.scalars(_LANGUAGES, {"slug": slug}))


def issues_with(session: Session, slug: str) -> Sequence[Issue]:
    """The published issues that held an item, newest first."""
    return session.scalars(_ISSUES_WITH, {"slug": slug}).all()


def items(
    session: Session, locale: str, about: About | None, page: int, size: int = PAGE
) -> list[Told]:
    """A page (from 1) of the items, those that were sent out last first."""
    query = _told(locale, about).order_by(Published.updated_at.desc(), Published.id)
    start = (min(max(page, 1), FURTHEST) - 1) * size
    return [Told(*row) for row in session.execute(query.offset(start).limit(size))]


def dated_items(session: Session, locale: str, about: About | None) -> list[Told]:
    """Items with an event or a deadline, the newest DATED_AT_MOST."""
    query = _told(locale, about).where(Published.dated)
    newest = query.order_by(Published.updated_at.desc(), Published.id).limit(DATED_AT_MOST)
    return [Told(*row) for row in session.execute(newest)]


def count(session: Session, locale: str, about: About) -> Count | None:
    """How many items are about something; None when none is."""
    mine = (Subject.kind == about.kind, Subject.key == about.key, Subject.locale == locale)
    items, name = session.execute(select(func.count(), func.max(Subject.name)).where(*mine)).one()
    return Count(*about, name, items) if items else None


def subjects(session: Session, locale: str) -> list[Count]:
    """Everything the archive is about, by kind and key."""
    columns = (Subject.kind, Subject.key)
    query = select(*columns, func.max(Subject.name), func.count()).where(Subject.locale == locale)
    found = session.execute(query.group_by(*columns).order_by(*columns))
    return [Count(*row) for row in found]


def places_of(session: Session, slug: str, locale: str) -> list[Subject]:
    """The municipality and the partner of an item, in no order."""
    return list(session.scalars(_PLACES, {"slug": slug, "locale": locale}))


def entries(session: Session) -> list[Entry]:
    """Every item in the languages it is written in, by slug."""
    columns = (Published.slug, Published.locale, Published.updated_at)
    own = select(*columns).where(Published.language == Published.locale)
    return [Entry(*row) for row in session.execute(own.order_by(Published.slug, Published.id))]


def web_copy(session: Session, settings: Settings, number: int, locale: str) -> str:
    """The mail of an issue as a page: nobody's links, but the ways to the site's front page.

    It is the edition that readers of every topic got; where nobody did, that edition as it would
    have been.
    """
    issue = session.get_one(Issue, number)
    pieces = issue_pieces(session, number, locale)
    whole = ",".join(str(piece.id) for piece in pieces)
    html = session.scalar(
        select(Edition.html)
        .where(Edition.issue_number == number, Edition.locale == locale)
        .where(Edition.piece_ids == whole)
    ) or (render_edition(settings, issue, pieces, locale).html)
    links = Links(settings.base_url)
    for personal in (
        links.unsubscribe(gap(Gap.UNSUBSCRIBE)),
        links.preferences(locale, gap(Gap.PREFERENCES)),
    ):
        html = html.replace(personal, links.home(locale))
    return html


def _told(locale: str, about: About | None = None) -> Select[Piece, datetime, datetime]:
    query = (
        select(Piece, Published.first_at, Published.updated_at)
        .join(Published, Published.piece_id == Piece.id)
        .where(Published.locale == locale)
    )
    if about is None:
        return query
    slugs = select(Subject.slug).where(
        Subject.kind == about.kind, Subject.key == about.key, Subject.locale == locale
    )
    return query.where(Published.slug.in_(slugs))
