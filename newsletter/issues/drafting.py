"""What editors typed and have not saved; the only writer of `drafts`.

`Draft.base` is the text of the file when it was opened, whole, so that what others wrote meanwhile
can be merged; "" for a new file.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter.models import Draft

AT_WORK = timedelta(minutes=10)


def kept(session: Session, editor_id: int, path: str) -> Draft | None:
    """What an editor typed into a file."""
    mine = (Draft.editor_id == editor_id, Draft.path == path)
    return session.scalar(select(Draft).where(*mine))


def mine(session: Session, editor_id: int) -> Sequence[Draft]:
    """All that an editor typed and has not saved, the newest first."""
    query = select(Draft).where(Draft.editor_id == editor_id)
    return session.scalars(query.order_by(Draft.saved_at.desc())).all()


def slugs(session: Session) -> set[str]:
    """The items that somebody typed into, saved or not."""
    return {
        path.rpartition("/")[2].partition(".")[0] for path in session.scalars(select(Draft.path))
    }


def at_work(session: Session, editor_id: int, path: str, now: datetime) -> Sequence[int]:
    """Other editors who typed into this file a moment ago."""
    since = (Draft.path == path, Draft.editor_id != editor_id, Draft.saved_at > now - AT_WORK)
    return session.scalars(select(Draft.editor_id).where(*since)).all()


def keep(session: Session, editor_id: int, path: str, base: str, text: str, now: datetime) -> None:
    """Keep what was typed; nothing when it is what the file was."""
    if text == base:
        return drop(session, editor_id, path)
    draft = kept(session, editor_id, path) or Draft(editor_id=editor_id, path=path)
    draft.base, draft.text, draft.saved_at = base, text, now
    session.add(draft)
    return session.flush()


def drop(session: Session, editor_id: int, path: str) -> None:
    """Forget what was typed."""
    session.execute(delete(Draft).where(Draft.editor_id == editor_id, Draft.path == path))
