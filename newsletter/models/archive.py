"""The archive: every item as it was last sent out, and what it is about.

What words are looked up in is made of `published` by the database itself, outside of these tables:
PostgreSQL's columns `document` and `head_document`, SQLite's FTS5 table `published_words`
(migration 0004).
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import words


class SubjectKind(StrEnum):
    """What an item can be looked up by; `place` is a municipality or its partner."""

    TOPIC = "topic"
    COUNTRY = "country"
    PLACE = "place"
    SDG = "sdg"


class Published(Base):
    """An item for readers of one locale, as it was last sent out."""

    __tablename__ = "published"
    __table_args__ = (
        UniqueConstraint("slug", "locale"),
        Index("ix_published_order", "locale", "updated_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str]
    locale: Mapped[str]  # of the reader
    language: Mapped[str]  # of the text
    piece_id: Mapped[int] = mapped_column(ForeignKey("pieces.id"))
    issue_number: Mapped[int] = mapped_column(ForeignKey("issues.number"))  # the newest with it
    first_at: Mapped[datetime]  # when the first issue with it was planned
    updated_at: Mapped[datetime]  # when the newest was
    dated: Mapped[bool]  # has it an event or a deadline?
    # Words as the search sees them (issues.words), of the title and what it is about, of the text,
    # and the parts of compounds.
    head: Mapped[str]
    words: Mapped[str]
    parts: Mapped[str]


class Subject(Base):
    """One thing an item is about: `key` stands in addresses, `name` is what readers of the locale
    are shown (empty where the key says it: topics, countries, goals)."""

    __tablename__ = "subjects"
    __table_args__ = (Index("ix_subjects_slug", "slug"),)

    kind: Mapped[SubjectKind] = mapped_column(words(SubjectKind), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    locale: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
