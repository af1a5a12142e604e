"""What was mailed, as a page: an edition with nobody's own links."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.delivery.message import Gap, gap
from newsletter.issues import intros
from newsletter.issues.planning import base_editions, piece_ids
from newsletter.issues.reading import Withdrawn, published_issue, withdrawn_from
from newsletter.issues.rendering import edition_hash, edition_name, render_edition
from newsletter.links import Links
from newsletter.models import Edition, Issue, Piece
from newsletter.settings import Settings


class Copy(NamedTuple):
    """A mail to look at; `withdrawn` is what stood in it and was withdrawn after that. `html` is
    empty when nothing else is left."""

    html: str
    withdrawn: Sequence[Withdrawn]


def copy(
    session: Session, settings: Settings, number: int, locale: str, name: str = ""
) -> Copy | None:
    """The edition of this name (`rendering.edition_name`), as it was sent; None: there is none.

    Without a name it is that of readers of every topic; where nobody was, as it would have been.
    """
    issue = published_issue(session, number)
    if issue is None:
        return None
    mine = select(Piece).where(Piece.issue_number == number, Piece.locale == locale)
    pieces = session.scalars(mine.order_by(Piece.position)).all()
    edition = _find(session, number, locale, name, pieces)
    intro = intros.of(session, issue).get(locale)
    if edition:
        ids, hash = set(edition.piece_ids.rstrip("+").split(",")), edition.hash
        pieces = [piece for piece in pieces if str(piece.id) in ids]
    else:
        hash = edition_hash(number, locale, (piece.hash for piece in pieces), False, intro)
        if name not in ("", edition_name(hash)):
            return None
    slugs = {piece.slug for piece in pieces}
    gone = [one for one in withdrawn_from(session, number, locale) if one.piece.slug in slugs]
    if edition and not gone:
        return Copy(_nobodys(settings, edition.html, locale), [])
    left = [piece for piece in pieces if piece.slug not in {one.piece.slug for one in gone}]
    if not left:
        return Copy("", gone)
    older = edition is not None and edition.piece_ids.endswith("+")
    made = render_edition(settings, issue, left, locale, older, intro)
    links = Links(settings.base_url)
    own, asked = (links.mail_copy(locale, number, edition_name(one)) for one in (made.hash, hash))
    return Copy(_nobodys(settings, made.html.replace(own, asked), locale), gone)


def proof(
    session: Session, settings: Settings, number: int, locale: str, now: datetime
) -> str | None:
    """The mail of an issue as readers of every topic would get it; None: not in this locale."""
    issue = session.get(Issue, number)
    editions = base_editions(session, settings, issue, now) if issue else {}
    return _nobodys(settings, editions[locale][0].html, locale) if locale in editions else None


def _find(
    session: Session, number: int, locale: str, name: str, pieces: Sequence[Piece]
) -> Edition | None:
    whole = Edition.piece_ids == piece_ids(pieces)
    named = Edition.hash.startswith(name) if name else whole
    mine = (Edition.issue_number == number, Edition.locale == locale, named)
    return session.scalar(select(Edition).where(*mine).limit(1))


def _nobodys(settings: Settings, html: str, locale: str) -> str:
    """The ways to the site's front page instead of a reader's own links."""
    links = Links(settings.base_url)
    for personal in (
        links.unsubscribe(gap(Gap.UNSUBSCRIBE)),
        links.preferences(locale, gap(Gap.PREFERENCES)),
    ):
        html = html.replace(personal, links.home(locale))
    return html
