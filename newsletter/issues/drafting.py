"""What editors typed and have not saved; the only writer of `drafts`.

`Draft.base` is the text of the file when it was opened, whole, so that what others wrote meanwhile
can be merged; "" for a new file. A draft is the one of the page (`tab`) that wrote it last: another
page of the same editor replaces it only when that is what it showed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import Draft

AT_WORK = timedelta(minutes=10)


class Text(NamedTuple):
    """A text of an item, as one editor writes it."""

    editor_id: int
    slug: str
    locale: str


class Elsewhere(FixRequest):
    """The editor typed something else into this text, in another tab or on another device."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "In een ander tabblad of op een ander toestel schreef jij ook aan deze tekst. "
                "Dat is bijgehouden, en wat hier staat niet: kopieer het, of bewaar eerst die "
                "andere tekst."
            )
        )


def kept(session: Session, text: Text) -> Draft | None:
    """What an editor typed into a text."""
    return session.scalar(select(Draft).where(_is(text)))


def mine(session: Session, editor_id: int) -> Sequence[Draft]:
    """All that an editor typed and has not saved, the newest first."""
    query = select(Draft).where(Draft.editor_id == editor_id)
    return session.scalars(query.order_by(Draft.saved_at.desc())).all()


def slugs(session: Session) -> set[str]:
    """The items that somebody typed into, saved or not."""
    return set(session.scalars(select(Draft.slug)))


def at_work(session: Session, text: Text, now: datetime) -> Sequence[int]:
    """Other editors who typed into this text a moment ago."""
    here = (Draft.slug == text.slug, Draft.locale == text.locale)
    since = (Draft.editor_id != text.editor_id, Draft.saved_at > now - AT_WORK)
    return session.scalars(select(Draft.editor_id).where(*here, *since)).all()


def keep(
    session: Session, text: Text, base: str, typed: str, now: datetime, tabs: Sequence[str] = ("",)
) -> None:
    """Keep what was typed; nothing when it is what the file was. `tabs`: the page it was typed in,
    and the one that wrote the draft it began from. Raises Elsewhere."""
    draft = session.scalar(select(Draft).where(_is(text)).with_for_update())
    if draft and draft.tab not in tabs and draft.text != typed:
        raise Elsewhere
    if typed == base:
        return drop(session, text, tabs)
    draft = draft or Draft(editor_id=text.editor_id, slug=text.slug, locale=text.locale)
    draft.base, draft.text, draft.tab, draft.saved_at = base, typed, tabs[0], now
    session.add(draft)
    return session.flush()


def drop(session: Session, text: Text, tabs: Sequence[str]) -> None:
    """Forget what was typed in these pages."""
    session.execute(delete(Draft).where(_is(text), Draft.tab.in_(tabs)))


def _is(text: Text) -> ColumnElement[bool]:
    mine = (Draft.editor_id == text.editor_id, Draft.slug == text.slug, Draft.locale == text.locale)
    return and_(*mine)
