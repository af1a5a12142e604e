"""The desk: editors, how they sign in, what they drafted and approved, and the log of changes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import personal, words


class Role(StrEnum):
    """What an editor may do; each may do what those before it may."""

    WRITER = "writer"  # own drafts
    EDITOR = "editor"  # all items; compile and proof
    PUBLISHER = "publisher"  # approve, send, stop
    ADMINISTRATOR = "administrator"  # people, and a look at the settings


class Editor(Base):
    """Somebody who makes the newsletter; the names that begin with fs_, tf_ and mf_ are those that
    Flask-Security looks for."""

    __tablename__ = "editors"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True, info=personal("e-mailadres"))
    name: Mapped[str] = mapped_column(info=personal("naam"))
    locale: Mapped[str] = mapped_column(info=personal("taal"))
    role: Mapped[Role] = mapped_column(words(Role), info=personal("rol"))
    active: Mapped[bool]  # False: signs in no more; what they did stays theirs
    password: Mapped[str | None]  # argon2; None until the invitation is accepted
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)  # a new one ends every sign-in
    tf_primary_method: Mapped[str | None]  # "authenticator", once a code was given
    tf_totp_secret: Mapped[str | None]  # encrypted with a key derived from SECRET_KEYS
    totp_counter: Mapped[int | None]  # of the last code: none is taken twice
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(JSON)  # keyed hashes
    fs_webauthn_user_handle: Mapped[str | None] = mapped_column(unique=True)
    subject: Mapped[str | None] = mapped_column(unique=True)  # who they are to the OIDC provider
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None] = mapped_column(info=personal("laatst gezien"))


class Passkey(Base):
    """A WebAuthn credential of an editor; its columns are those that Flask-Security looks for."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editors.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int]
    transports: Mapped[list[str] | None] = mapped_column(JSON)
    backup_state: Mapped[bool]
    device_type: Mapped[str]
    extensions: Mapped[str | None]
    lastuse_datetime: Mapped[datetime]
    name: Mapped[str] = mapped_column(info=personal("naam van een toestel"))


class SignIn(Base):
    """One signed-in browser of an editor, until it signs out, is revoked or is left alone."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editors.id"), index=True)
    key_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256 of what the cookie holds
    method: Mapped[str]  # password, passkey, oidc
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(info=personal("laatst gezien"))
    ended_at: Mapped[datetime | None]
    ip: Mapped[str] = mapped_column(info=personal("netwerk van een IP-adres"))  # cut short
    user_agent: Mapped[str] = mapped_column(info=personal("browser en systeem, in woorden"))


class Draft(Base):
    """What an editor typed and has not saved, kept by itself; one for each text of an item."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("editor_id", "slug", "locale"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    editor_id: Mapped[int] = mapped_column(ForeignKey("editors.id"))
    slug: Mapped[str]  # wherever its file is moved to
    locale: Mapped[str]
    tab: Mapped[str]  # the page in a browser that wrote it; "" for none
    base: Mapped[str]  # the whole file it began from, to merge with; "" for a new one
    text: Mapped[str]  # the whole file, front matter too
    saved_at: Mapped[datetime]


class Approval(Base):
    """One publisher's yes to an issue as it was then; it counts while the hash is still right."""

    __tablename__ = "approvals"
    __table_args__ = (UniqueConstraint("issue_number", "editor_id", "hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_number: Mapped[int] = mapped_column(ForeignKey("issues.number"))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("editors.id"))  # None: command line
    hash: Mapped[str]  # SHA-256 of pieces, intro, templates, audience rule and time
    at: Mapped[datetime]


class Entry(Base):
    """A line of the audit log: who changed what; the database refuses to change or delete it."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject"), Index("ix_audit_at", "at"))

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 …
    at: Mapped[datetime]
    actor: Mapped[str]  # "editor 3", "clock", "command line"
    action: Mapped[str]  # "issue.approve", "item.save" …
    subject: Mapped[str]  # "issue 12", "item elke-geboorte-telt", "subscriber 7" …
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # what else is to be known; names nobody
    hash: Mapped[str]  # HMAC-SHA-256 over this line and the hash of the one before
