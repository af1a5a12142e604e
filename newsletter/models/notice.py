"""Notices: letters to one person who is waiting for them; written by `notices` only."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import personal, words


class NoticeKind(StrEnum):
    """Which letter it is; each has one pure function in `notices`."""

    CONFIRM = "confirm"
    REMINDER = "reminder"
    ALREADY = "already"
    PREFERENCES = "preferences"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    NEW_ADDRESS = "new_address"
    ADDRESS_CHANGED = "address_changed"
    ERASED = "erased"
    PROOF = "proof"
    TROUBLE = "trouble"
    ALARM = "alarm"
    INVITATION = "invitation"
    NEW_PASSWORD = "new_password"  # noqa: S105 (a letter)
    ACCESS_CHANGED = "access_changed"
    REPLY = "reply"  # somebody's answer, passed on to the editors


class NoticeState(StrEnum):
    """waiting → sent | dropped (refused, given up, or not wanted any more)."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"


DUE = text("state = 'waiting'")


class Notice(Base):
    """One letter in the outbox; the address is emptied as soon as it is settled."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_due", "due_at", sqlite_where=DUE, postgresql_where=DUE),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[NoticeKind] = mapped_column(
        words(NoticeKind), info=personal("welke brief iemand kreeg, en wanneer")
    )
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscribers.id"), index=True)
    email: Mapped[str | None] = mapped_column(info=personal("e-mailadres, tot de brief weg is"))
    locale: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # what the letter says; never an address
    state: Mapped[NoticeState] = mapped_column(words(NoticeState))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    settled_at: Mapped[datetime | None]
    reply: Mapped[str | None]  # the relay's words, with addresses masked
