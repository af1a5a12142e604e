"""Reading what was published, for the archive: issues that went out and their frozen pieces."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from newsletter.delivery.message import Gap, gap
from newsletter.issues.rendering import render_edition
from newsletter.links import Links
from newsletter.models import Issue, IssueState, Piece
from newsletter.settings import Settings

PUBLIC = (IssueState.SENDING, IssueState.PAUSED, IssueState.STOPPED, IssueState.SENT)


def published(session: Session) -> list[Issue]:
    """Issues that readers can have received, newest first."""
    query = select(Issue).where(Issue.planned_at.is_not(None), Issue.state.in_(PUBLIC))
    return list(session.scalars(query.order_by(Issue.number.desc())))


def published_issue(session: Session, number: int) -> Issue | None:
    """One issue, if readers can have received it."""
    issue = session.get(Issue, number)
    return issue if issue and issue.planned_at and issue.state in PUBLIC else None


def issue_pieces(session: Session, number: int, locale: str) -> list[Piece]:
    """The pieces of an issue for readers of `locale`, in order."""
    mine = (Piece.issue_number == number, Piece.locale == locale)
    return list(session.scalars(select(Piece).where(*mine).order_by(Piece.position)))


def latest_piece(session: Session, slug: str, locale: str) -> Piece | None:
    """An item as it was last sent out, or None when it never was."""
    return session.scalar(_sent_pieces(slug, locale).limit(1))


def web_copy(session: Session, settings: Settings, number: int, locale: str) -> str:
    """The mail of an issue as a page: nobody's links, but the ways to the site's front page."""
    issue = session.get_one(Issue, number)
    pieces = issue_pieces(session, number, locale)
    html = render_edition(settings, issue, pieces, locale).html
    links = Links(settings.base_url)
    for personal in (
        links.unsubscribe(gap(Gap.UNSUBSCRIBE)),
        links.preferences(locale, gap(Gap.PREFERENCES)),
    ):
        html = html.replace(personal, links.home(locale))
    return html


def issues_with(session: Session, slug: str) -> Sequence[int]:
    """Numbers of the published issues that held an item, newest first."""
    pieces = _sent_pieces(slug, "nl")
    return [piece.issue_number for piece in session.scalars(pieces)]


def _sent_pieces(slug: str, locale: str) -> Select[Piece]:
    return (
        select(Piece)
        .join(Issue, Issue.number == Piece.issue_number)
        .where(Issue.planned_at.is_not(None), Issue.state.in_(PUBLIC))
        .where(Piece.slug == slug, Piece.locale == locale)
        .order_by(Piece.issue_number.desc())
    )
