"""Whom at the desk a letter is for, as things are when it goes."""

import hashlib

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.models import Editor, Notice, NoticeKind

TO_DESK = (NoticeKind.INVITATION, NoticeKind.NEW_PASSWORD, NoticeKind.ACCESS_CHANGED)


def editor_of(session: Session, notice: Notice) -> Editor | None:
    """Who makes the newsletter and gets this letter; None when nobody, or no longer.

    A letter for a new password names only an address: the page that asked for it does the same
    work for every address (SEC-07).
    """
    if notice.kind not in TO_DESK or notice.email is None:
        return None
    mine = func.lower(Editor.email) == notice.email.lower()
    editor = session.scalar(select(Editor).where(mine, Editor.active))
    invited = notice.kind is NoticeKind.INVITATION
    return None if editor is not None and invited and has_come(editor) else editor


def has_come(editor: Editor) -> bool:
    """Has somebody accepted the invitation: by a password, or through the association's login?"""
    return editor.password is not None or editor.subject is not None


def bound(editor: Editor) -> str:
    """What a mailed link is bound to: it ends when the editor is let go, chooses a password, or
    comes through the association's login."""
    seen = f"{editor.fs_uniquifier} {editor.password or ''} {editor.subject or ''}"
    return hashlib.sha256(seen.encode()).hexdigest()
