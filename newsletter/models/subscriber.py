"""People: subscribers, what they chose, what they consented to, and who must not be mailed.

An address, an IP or a name stands only in `subscribers`, `signup_requests`, `consent_details` and
`notices`, where erasure empties it; everything else holds ids and salted or keyed hashes.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import words


class SubscriberState(StrEnum):
    """Where a subscriber stands; only `active` ones get issues."""

    PENDING = "pending"
    ACTIVE = "active"
    LEFT = "left"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


class TopicChoice(Base):
    """One distinct set of topics, shared by all who chose it; '' is every topic."""

    __tablename__ = "topic_choices"

    id: Mapped[int] = mapped_column(primary_key=True)
    topics: Mapped[str] = mapped_column(unique=True)  # sorted keys joined by "|"


class Subscriber(Base):
    """One person's address with its locale, topics, cadence and state."""

    __tablename__ = "subscribers"
    __table_args__ = (
        CheckConstraint(
            "(state = 'erased') = (email IS NULL) AND (email IS NULL) = (canonical IS NULL)",
            name="erased_has_no_address",
        ),
        Index("ix_subscribers_audience", "cadence", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]  # as typed
    canonical: Mapped[str | None] = mapped_column(unique=True)  # domain in lower-case A-labels
    locale: Mapped[str]
    cadence: Mapped[str]
    topic_choice_id: Mapped[int] = mapped_column(ForeignKey("topic_choices.id"))
    state: Mapped[SubscriberState] = mapped_column(words(SubscriberState))
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


class SignupRequest(Base):
    """What the form wrote: one row of one shape for everybody; the clock decides what follows."""

    __tablename__ = "signup_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    canonical: Mapped[str] = mapped_column(index=True)
    locale: Mapped[str]
    cadence: Mapped[str]
    topics: Mapped[str]
    wording: Mapped[str]
    form_url: Mapped[str]
    ip: Mapped[str]
    user_agent: Mapped[str]
    asked_at: Mapped[datetime]


class ConsentEvent(StrEnum):
    """What happened to a consent."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    IMPORTED = "imported"
    ERASED = "erased"


class Consent(Base):
    """One dated, append-only proof (STANDARDS 7a); written by `subscribers.consent` only."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_subscriber", "subscriber_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    event: Mapped[ConsentEvent] = mapped_column(words(ConsentEvent))
    at: Mapped[datetime]
    route: Mapped[str]  # form, page, one-click, command, import …
    locale: Mapped[str]
    cadence: Mapped[str]
    topics: Mapped[str]
    wording: Mapped[str | None]  # id and version of the sentence consented to
    wording_hash: Mapped[str | None]  # SHA-256 of that sentence
    source: Mapped[str | None]  # document of an import, URL of a form
    issue_number: Mapped[int | None]  # the issue that made someone leave
    details_hash: Mapped[str]  # SHA-256(salt ‖ details); unlinkable once the salt is erased


class ConsentDetails(Base):
    """The erasable half of a consent: the address and the request, with the salt of their hash."""

    __tablename__ = "consent_details"

    consent_id: Mapped[int] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    salt: Mapped[bytes]
    email: Mapped[str]
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]


class SuppressionReason(StrEnum):
    """Why an address must not be mailed."""

    BOUNCED = "bounced"
    COMPLAINT = "complaint"
    NEVER = "never"
    ERASED = "erased"
    STAFF = "staff"


class Suppression(Base):
    """An address that must not be mailed, as a keyed hash; it survives erasure."""

    __tablename__ = "suppressions"

    address_key: Mapped[str] = mapped_column(primary_key=True)  # HMAC-SHA-256, hex
    reason: Mapped[SuppressionReason] = mapped_column(words(SuppressionReason))
    since: Mapped[datetime]
    why: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lifted_why: Mapped[str | None]
