"""What somebody signs in with: password, codes and passkeys, as the desk's doors change them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from newsletter.editors import signing
from newsletter.models import Editor, Passkey

# What a sign-in may change of an editor, and what the log calls it; None: it goes without saying.
CHANGES: Mapping[str, str | None] = {
    "password": "editor.password",
    "fs_uniquifier": None,
    "tf_primary_method": "editor.codes",
    "tf_totp_secret": "editor.codes",
    "totp_counter": None,
    "mf_recovery_codes": "editor.recovery",
    "fs_webauthn_user_handle": None,
    "subject": "editor.login",
}


def change(session: Session, editor_id: int, values: Mapping[str, Any]) -> list[str]:
    """Write these columns of an editor; returns what the log calls that, each once."""
    assert values.keys() <= CHANGES.keys()  # noqa: S101 (no door writes anything else)
    if values:
        session.execute(update(Editor).where(Editor.id == editor_id).values(**values))
    return sorted({action for name in values if (action := CHANGES[name])})


def set_password(session: Session, editor: Editor, password: str, now: datetime) -> None:
    """A new password, as its hash: what was mailed or signed in before ends."""
    editor.password, editor.fs_uniquifier = password, uuid.uuid4().hex
    signing.end_all(session, editor.id, now)


def take_away(session: Session, editor: Editor) -> None:
    """Nothing opens the desk for this editor any more, nor does a link that was mailed."""
    for name in CHANGES:
        setattr(editor, name, None)
    editor.fs_uniquifier = uuid.uuid4().hex
    session.execute(delete(Passkey).where(Passkey.editor_id == editor.id))


def use_code(session: Session, editor_id: int, counter: int) -> bool:
    """Take the code of a moment; False when it, or a later one, was taken before."""
    unused = (Editor.totp_counter.is_(None)) | (Editor.totp_counter < counter)
    mine = update(Editor).where(Editor.id == editor_id, unused).values(totp_counter=counter)
    return session.scalar(mine.returning(Editor.id)) is not None


def use_recovery_code(session: Session, editor_id: int, hashes: Sequence[str]) -> bool:
    """Take a recovery code, of which these are the keyed hashes; False when it is not one any
    more."""
    editor = session.get_one(Editor, editor_id, with_for_update=True)
    kept = [one for one in editor.mf_recovery_codes or () if one not in hashes]
    used = len(kept) < len(editor.mf_recovery_codes or ())
    if used:
        editor.mf_recovery_codes = kept
    return used


def passkeys(session: Session, editor_id: int) -> Sequence[Passkey]:
    """The passkeys of an editor, the oldest first."""
    mine = select(Passkey).where(Passkey.editor_id == editor_id)
    return session.scalars(mine.order_by(Passkey.id)).all()


def passkey(session: Session, credential_id: bytes) -> Passkey | None:
    """The passkey with this id."""
    return session.scalar(select(Passkey).where(Passkey.credential_id == credential_id))


def add_passkey(session: Session, values: Mapping[str, Any]) -> None:
    """Keep a new passkey."""
    session.add(Passkey(**values))
    session.flush()


def use_passkey(session: Session, credential_id: bytes, values: Mapping[str, Any]) -> None:
    """Note what a passkey said of itself when it was used."""
    used = update(Passkey).where(Passkey.credential_id == credential_id)
    session.execute(used.values(**values))


def remove_passkey(session: Session, credential_id: bytes) -> None:
    """Forget a passkey."""
    session.execute(delete(Passkey).where(Passkey.credential_id == credential_id))
