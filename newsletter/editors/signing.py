"""Signed-in browsers: each is a row, which its cookie names by a secret that is not kept."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from newsletter.models import Editor, SignIn
from newsletter.settings import Settings

NOTED = timedelta(minutes=1)  # how much later than it says somebody may have been seen


def begin(
    session: Session,
    editor_id: int,
    key: str,
    now: datetime,
    *,
    method: str,
    place: str,
    browser: str,
) -> SignIn:
    """A browser signs in; `key` is the secret in its cookie."""
    row = SignIn(
        editor_id=editor_id,
        key_hash=hashed(key),
        method=method,
        created_at=now,
        seen_at=now,
        ip=place,
        user_agent=browser,
    )
    session.add(row)
    session.get_one(Editor, editor_id).seen_at = now
    session.flush()
    return row


def found(
    session: Session, settings: Settings, key: str, now: datetime
) -> tuple[SignIn, Editor] | None:
    """The sign-in that a cookie names and whose it is, if it still counts."""
    query = select(SignIn, Editor).join(Editor).where(SignIn.key_hash == hashed(key))
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    sign_in, editor = row
    sound = counts(settings, sign_in, now) and editor.active
    return (sign_in, editor) if sound else None


def counts(settings: Settings, sign_in: SignIn, now: datetime) -> bool:
    """Was it neither ended, nor left alone too long, nor begun too long ago?"""
    idle = timedelta(minutes=settings.desk_idle_minutes)
    whole = timedelta(hours=settings.desk_session_hours)
    if sign_in.ended_at is not None:
        return False
    return now - sign_in.seen_at < idle and now - sign_in.created_at < whole


def is_stale(sign_in: SignIn, now: datetime) -> bool:
    """Is it time to note again that somebody was seen?"""
    return now - sign_in.seen_at >= NOTED


def seen(session: Session, sign_in_id: int, now: datetime) -> None:
    """Note that somebody is still there."""
    session.execute(update(SignIn).where(SignIn.id == sign_in_id).values(seen_at=now))


def listed(session: Session, settings: Settings, editor_id: int, now: datetime) -> Sequence[SignIn]:
    """The browsers in which an editor is signed in now, the latest seen first."""
    query = select(SignIn).where(SignIn.editor_id == editor_id, SignIn.ended_at.is_(None))
    rows = session.scalars(query.order_by(SignIn.seen_at.desc())).all()
    return [row for row in rows if counts(settings, row, now)]


def end(session: Session, editor_id: int, sign_in_id: int, now: datetime) -> bool:
    """End one sign-in of an editor; False when there is no such one."""
    mine = (SignIn.editor_id == editor_id, SignIn.id == sign_in_id, SignIn.ended_at.is_(None))
    gone = update(SignIn).where(*mine).values(ended_at=now).returning(SignIn.id)
    return session.scalar(gone) is not None


def end_all(session: Session, editor_id: int, now: datetime, but: str | None = None) -> None:
    """End all sign-ins of an editor, except that of the cookie with the key `but`."""
    session.flush()
    others = [SignIn.editor_id == editor_id, SignIn.ended_at.is_(None)]
    if but is not None:
        others.append(SignIn.key_hash != hashed(but))
    session.execute(update(SignIn).where(*others).values(ended_at=now))


def forget(session: Session, before: datetime, limit: int) -> int:
    """Delete at most so many sign-ins of which nothing was seen since; returns how many."""
    old = select(SignIn.id).where(SignIn.seen_at < before).limit(limit)
    return len(session.scalars(delete(SignIn).where(SignIn.id.in_(old)).returning(SignIn.id)).all())


def hashed(key: str) -> str:
    """What is kept of a cookie's secret."""
    return hashlib.sha256(key.encode()).hexdigest()
