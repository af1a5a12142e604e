"""The proof of consent: rows that stay and name nobody, and the half that erasure deletes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import personal, words


class ConsentEvent(StrEnum):
    """What happened to a consent."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    IMPORTED = "imported"
    ERASED = "erased"


class Consent(Base):
    """One dated proof (STANDARDS 7a); the database refuses to change or delete it."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_subscriber", "subscriber_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    event: Mapped[ConsentEvent] = mapped_column(words(ConsentEvent))
    at: Mapped[datetime] = mapped_column(info=personal("datum en wijze van toestemming"))
    route: Mapped[str]  # form, page, one-click, command, import …
    locale: Mapped[str]
    cadence: Mapped[str]
    topics: Mapped[str]
    wording: Mapped[str | None]  # id and version of the sentence consented to
    wording_hash: Mapped[str | None]  # SHA-256 of that sentence
    source: Mapped[str | None]  # document of an import, URL of a form
    issue_number: Mapped[int | None]  # the issue that made someone leave
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # what else proves it; names nobody
    details_hash: Mapped[str]  # SHA-256(salt ‖ address); unlinkable once the salt is erased
    origin_hash: Mapped[str | None]  # SHA-256(salt ‖ IP and browser), likewise


class ConsentDetails(Base):
    """The erasable half of a consent: the address, with the salt of its hash."""

    __tablename__ = "consent_details"

    consent_id: Mapped[int] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    salt: Mapped[bytes]
    email: Mapped[str] = mapped_column(info=personal("e-mailadres"))


class ConsentOrigin(Base):
    """Where a consent came from; cut short, and without its salt, after ORIGIN_DAYS."""

    __tablename__ = "consent_origins"

    consent_id: Mapped[int] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    salt: Mapped[bytes | None]
    ip: Mapped[str] = mapped_column(info=personal("IP-adres"))
    user_agent: Mapped[str] = mapped_column(info=personal("browserregel"))


class Seal(Base):
    """A link of the chain over all consents: the hash of the one before, and of one consent."""

    __tablename__ = "seals"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 …
    consent_id: Mapped[int] = mapped_column(ForeignKey("consents.id"), unique=True)
    hash: Mapped[str]  # hex
    sealed_at: Mapped[datetime]
