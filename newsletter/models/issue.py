"""Issues: numbers of items, frozen pieces, assembled editions, and the slots of the clock."""

import datetime as dt
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import words


class IssueState(StrEnum):
    """The way of an issue; `paused` is by itself (and says why), `stopped` by a person."""

    COMPILED = "compiled"
    HELD = "held"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    STOPPED = "stopped"
    SENT = "sent"


class Issue(Base):
    """One appearance of the newsletter."""

    __tablename__ = "issues"

    number: Mapped[int] = mapped_column(primary_key=True)
    cadence: Mapped[str | None]  # None: for the readers of every cadence
    state: Mapped[IssueState] = mapped_column(words(IssueState))
    why: Mapped[str | None]  # why it is held, paused or stopped
    ask_at: Mapped[datetime | None]  # paused: when the relay is asked again; None: by a person
    slot: Mapped[datetime | None]  # the due moment it was compiled for
    by_clock: Mapped[bool]  # sent by the clock, not a person: Auto-Submitted (RFC 3834)
    compiled_at: Mapped[datetime]
    hold_until: Mapped[datetime | None]
    send_at: Mapped[datetime | None]
    planned_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    top: Mapped[int | None]  # highest item number; a reader's cursor after acceptance


GONE = text("withdrawn_at IS NOT NULL")


class ItemNumber(Base):
    """The rising number an item gets when it is first planned; never given twice."""

    __tablename__ = "item_numbers"
    __table_args__ = (
        UniqueConstraint("slug", "repeat"),
        Index(
            "ix_item_numbers_withdrawn", "withdrawn_at", sqlite_where=GONE, postgresql_where=GONE
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slug: Mapped[str]
    repeat: Mapped[bool]  # the second number of a call, for its "last days"
    issue_number: Mapped[int] = mapped_column(ForeignKey("issues.number"))
    withdrawn_at: Mapped[datetime | None]


class Piece(Base):
    """One item rendered for one locale and frozen in an issue."""

    __tablename__ = "pieces"
    __table_args__ = (
        UniqueConstraint("issue_number", "slug", "locale"),
        Index("ix_pieces_slug", "slug", "locale"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_number: Mapped[int] = mapped_column(ForeignKey("issues.number"))
    item_number: Mapped[int | None] = mapped_column(ForeignKey("item_numbers.number"))
    slug: Mapped[str]
    locale: Mapped[str]  # of the reader
    language: Mapped[str]  # of the text: another one than `locale` where a translation is missing
    position: Mapped[int]  # order within the issue, from 0
    topics: Mapped[str]  # sorted keys joined by "|"
    date: Mapped[dt.date]
    deadline: Mapped[dt.date | None]
    title: Mapped[str]
    summary: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # country, sdgs, event, sources …
    html: Mapped[str]  # sanitised body
    text: Mapped[str]  # body as plain text
    hash: Mapped[str]  # SHA-256 of all of the above


class Intro(Base):
    """The editors' own words above the news of an issue, for readers of one locale."""

    __tablename__ = "intros"

    issue_number: Mapped[int] = mapped_column(ForeignKey("issues.number"), primary_key=True)
    locale: Mapped[str] = mapped_column(primary_key=True)
    markdown: Mapped[str]  # as it was written; empty: none, whatever the folder says
    by_hand: Mapped[bool]  # written for this issue alone, not taken from the folder
    html: Mapped[str]  # sanitised
    text: Mapped[str]
    hash: Mapped[str]  # SHA-256 of what a reader sees of it


class Edition(Base):
    """What readers of one locale with one list of pieces get; shared by all of them."""

    __tablename__ = "editions"
    __table_args__ = (
        UniqueConstraint("issue_number", "locale", "piece_ids"),
        Index("ix_editions_issue", "id", "issue_number", unique=True),  # deliveries name both
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_number: Mapped[int] = mapped_column(ForeignKey("issues.number"))
    locale: Mapped[str]
    piece_ids: Mapped[str]  # in order, joined by ","
    subject: Mapped[str]
    html: Mapped[str]  # whole document, CSS inlined, with gaps (delivery.message)
    text: Mapped[str]
    hash: Mapped[str]


class Slot(Base):
    """One due moment of a cadence; the key makes it run once, whatever clock or DST do."""

    __tablename__ = "slots"

    cadence: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    ran_at: Mapped[datetime]
    outcome: Mapped[str]  # one sentence
    issue_number: Mapped[int | None] = mapped_column(ForeignKey("issues.number"))
