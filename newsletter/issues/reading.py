"""Reading what was published, for the archive: issues that went out, and items as last sent out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, bindparam, exists, func, select, tuple_
from sqlalchemy.orm import Session

from newsletter.db import Plain, moment
from newsletter.i18n import DEFAULT
from newsletter.models import (
    Issue,
    IssueState,
    ItemNumber,
    Piece,
    Published,
    Subject,
    SubjectKind,
)

PUBLIC = (IssueState.SENDING, IssueState.PAUSED, IssueState.STOPPED, IssueState.SENT)
PAGE = 20  # items
FURTHEST = 10_000  # pages
_IS_PUBLIC = (Issue.planned_at.is_not(None), Issue.state.in_(PUBLIC))
_WITHDRAWN = ItemNumber.withdrawn_at.is_not(None)
# Asked for every page: plain, since through SQLAlchemy it would cost eight times as much.
_STAMP = f"""
    SELECT count(*), max(planned_at),
        (SELECT coalesce(max(id), 0) FROM pieces), (SELECT coalesce(max(id), 0) FROM editions),
        (SELECT count(*) FROM item_numbers WHERE withdrawn_at IS NOT NULL),
        (SELECT max(withdrawn_at) FROM item_numbers WHERE withdrawn_at IS NOT NULL)
    FROM issues WHERE planned_at IS NOT NULL AND state IN ({", ".join(f"'{s}'" for s in PUBLIC)})
"""  # noqa: S608 # nosec B608 # our own words
_IS_GONE = (ItemNumber.slug == Piece.slug, ~ItemNumber.repeat, _WITHDRAWN)  # all numbers at once
_GONE = select(Piece, ItemNumber.withdrawn_at).join(ItemNumber, and_(*_IS_GONE))
DATED_AT_MOST = 500  # items in a calendar
# What the page of every item asks is built once: building costs as much as asking.
_IN_ISSUE = (Piece.issue_number == bindparam("number"), Piece.locale == bindparam("locale"))
_STANDING = select(Piece).where(*_IN_ISSUE, ~exists().where(*_IS_GONE)).order_by(Piece.position)
_GONE_FROM = _GONE.where(*_IN_ISSUE).order_by(Piece.position)
_PUBLISHED = select(Issue).where(*_IS_PUBLIC).order_by(Issue.number.desc())
_OLDER = select(func.max(Issue.number)).where(*_IS_PUBLIC, Issue.number < bindparam("number"))
_NEWER = select(func.min(Issue.number)).where(*_IS_PUBLIC, Issue.number > bindparam("number"))
_BESIDE = select(_OLDER.scalar_subquery(), _NEWER.scalar_subquery())
_TOLD = (
    select(Piece, Published.first_at, Published.updated_at)
    .join(Published, Published.piece_id == Piece.id)
    .where(Published.locale == bindparam("locale"))
)
_LATEST = _TOLD.where(Published.slug == bindparam("slug"))
_NEWEST = _TOLD.order_by(Published.updated_at.desc(), Published.id)
_ABOUT = (
    Subject.kind == bindparam("kind"),
    Subject.key == bindparam("key"),
    Subject.locale == bindparam("locale"),
)
_NEWEST_ABOUT = _NEWEST.where(Published.slug.in_(select(Subject.slug).where(*_ABOUT)))
_COUNT = select(func.count(), func.max(Subject.name)).where(*_ABOUT)
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


class Withdrawn(NamedTuple):
    """A piece that was sent, of an item that was withdrawn after that."""

    piece: Piece
    at: datetime


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
    """What changes when anything in the archive does: pieces and editions are frozen and never
    changed, so their newest numbers say enough. Times are as the database keeps them."""

    issues: int
    newest_at: object
    newest_piece: int
    newest_edition: int
    withdrawn: int
    withdrawn_at: object

    @property
    def at(self) -> datetime | None:
        """When anything last changed; None in an empty archive."""
        found = (self.newest_at, self.withdrawn_at)
        return max((moment(value) for value in found if value is not None), default=None)


def stamp(session: Session) -> Stamp:
    """The stamp of this moment: one look-up, whatever the archive holds."""
    return Stamp(*Plain(session).run(_STAMP, ())[0])


def published(session: Session) -> list[Issue]:
    """Issues that readers can have received, newest first."""
    return list(session.scalars(_PUBLISHED))


def published_issue(session: Session, number: int) -> Issue | None:
    """One issue, if readers can have received it."""
    issue = session.get(Issue, number)
    return issue if issue and issue.planned_at and issue.state in PUBLIC else None


def neighbours(session: Session, number: int) -> tuple[int | None, int | None]:
    """The numbers of the published issues before and after one."""
    older, newer = session.execute(_BESIDE, {"number": number}).one()
    return older, newer


def issue_pieces(session: Session, number: int, locale: str) -> list[Piece]:
    """The pieces of an issue for readers of `locale`, in order, without what was withdrawn."""
    return list(session.scalars(_STANDING, {"number": number, "locale": locale}))


def withdrawn_from(session: Session, number: int, locale: str) -> list[Withdrawn]:
    """What stood in an issue and was withdrawn after that, in order."""
    found = session.execute(_GONE_FROM, {"number": number, "locale": locale})
    return [Withdrawn(piece, at) for piece, at in found if at]


def withdrawn_item(session: Session, slug: str, locale: str) -> Withdrawn | None:
    """An item that was sent out and withdrawn after that, as it was sent last."""
    query = _GONE.join(Issue, Piece.issue_number == Issue.number).where(*_IS_PUBLIC)
    mine = query.where(Piece.slug == slug, Piece.locale == locale)
    found = session.execute(mine.order_by(Piece.id.desc()).limit(1))
    return next((Withdrawn(piece, at) for piece, at in found if at), None)


def latest_piece(session: Session, slug: str, locale: str) -> Told | None:
    """An item as it was last sent out, or None when it never was."""
    found = session.execute(_LATEST, {"slug": slug, "locale": locale}).one_or_none()
    return Told(*found) if found else None


def pages(session: Session, issue: Issue) -> set[str]:
    """What has a page, and what will have one when `issue` is planned: slugs of items, and
    "issues/12"."""
    slugs = session.scalars(select(Published.slug).where(Published.locale == DEFAULT))
    mine = session.scalars(select(Piece.slug).where(Piece.issue_number == issue.number))
    numbers = session.scalars(select(Issue.number).where(*_IS_PUBLIC))
    return {*slugs, *mine, *(f"issues/{number}" for number in (*numbers, issue.number))}


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
    start = (min(max(page, 1), FURTHEST) - 1) * size
    query = (_NEWEST if about is None else _NEWEST_ABOUT).offset(start).limit(size)
    return [Told(*row) for row in session.execute(query, _asked(locale, about))]


class Kept(NamedTuple):
    """An item in a list, with the id that its place in it depends on."""

    id: int
    told: Told


def items_before(
    session: Session, locale: str, before: tuple[datetime, int] | None, limit: int
) -> list[Kept]:
    """The items that were sent out last first; those that come after `before` (when one was sent,
    and its id): what is published meanwhile shifts nothing."""
    order = (Published.updated_at, Published.id)
    query = select(Published.id, Piece, Published.first_at, Published.updated_at)
    mine = query.join(Piece, Piece.id == Published.piece_id).where(Published.locale == locale)
    if before is not None:
        mine = mine.where(tuple_(*order) < before)
    found = session.execute(mine.order_by(*(one.desc() for one in order)).limit(limit))
    return [Kept(id, Told(*told)) for id, *told in found]  # type: ignore[arg-type]


def issues_before(session: Session, number: int | None, limit: int) -> Sequence[Issue]:
    """All issues, whether they are out or not, newest first; those below `number`."""
    query = select(Issue).order_by(Issue.number.desc()).limit(limit)
    return session.scalars(query if number is None else query.where(Issue.number < number)).all()


def dated_items(session: Session, locale: str, about: About | None) -> list[Told]:
    """Items with an event or a deadline, the newest DATED_AT_MOST."""
    query = (_NEWEST if about is None else _NEWEST_ABOUT).where(Published.dated)
    found = session.execute(query.limit(DATED_AT_MOST), _asked(locale, about))
    return [Told(*row) for row in found]


def count(session: Session, locale: str, about: About) -> Count | None:
    """How many items are about something; None when none is."""
    items, name = session.execute(_COUNT, _asked(locale, about)).one()
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


def _asked(locale: str, about: About | None) -> dict[str, str]:
    return {"locale": locale} | (about._asdict() if about else {})
