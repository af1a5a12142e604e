"""People: subscribers, what they chose and asked for, and who must not be mailed.

An address or an IP stands only in `subscribers`, `requests`, `address_changes`, `consent_details`,
`consent_origins` and `notices`, where erasure empties it; everything else holds ids and salted or
keyed hashes.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import personal, words


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
    email: Mapped[str | None] = mapped_column(info=personal("e-mailadres"))  # as typed
    canonical: Mapped[str | None] = mapped_column(  # domain in lower-case A-labels
        unique=True, info=personal("e-mailadres")
    )
    locale: Mapped[str] = mapped_column(info=personal("taal"))
    cadence: Mapped[str] = mapped_column(info=personal("hoe vaak"))
    topic_choice_id: Mapped[int] = mapped_column(
        ForeignKey("topic_choices.id"), info=personal("onderwerpen")
    )
    state: Mapped[SubscriberState] = mapped_column(words(SubscriberState))
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None] = mapped_column(info=personal("datum van bevestiging"))
    left_at: Mapped[datetime | None] = mapped_column(info=personal("datum van uitschrijving"))
    paused_until: Mapped[datetime | None] = mapped_column(  # no issue before this moment
        info=personal("datum tot wanneer de mail pauzeert")
    )


class RequestKind(StrEnum):
    """What somebody asked at a public form."""

    SIGNUP = "signup"
    LINK = "link"  # "mail me the link to my preferences"


class FormRequest(Base):
    """What a public form wrote: one row of one shape for everybody; the clock decides the rest."""

    __tablename__ = "requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[RequestKind] = mapped_column(words(RequestKind))
    email: Mapped[str] = mapped_column(info=personal("e-mailadres"))
    canonical: Mapped[str] = mapped_column(index=True, info=personal("e-mailadres"))
    locale: Mapped[str] = mapped_column(info=personal("taal"))
    cadence: Mapped[str] = mapped_column(info=personal("hoe vaak"))
    topics: Mapped[str] = mapped_column(info=personal("onderwerpen"))
    wording: Mapped[str]
    form_url: Mapped[str]
    ip: Mapped[str] = mapped_column(info=personal("IP-adres"))
    user_agent: Mapped[str] = mapped_column(info=personal("browserregel"))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # what else proves the request
    asked_at: Mapped[datetime]


class AddressChange(Base):
    """A new address that its reader has not confirmed yet."""

    __tablename__ = "address_changes"

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    email: Mapped[str] = mapped_column(info=personal("nieuw e-mailadres"))
    canonical: Mapped[str] = mapped_column(info=personal("nieuw e-mailadres"))
    asked_at: Mapped[datetime]


class LeavingReason(StrEnum):
    """Why somebody left, if they care to say."""

    TOO_MUCH = "too_much"
    NOT_FOR_ME = "not_for_me"
    NEVER_ASKED = "never_asked"
    ELSEWHERE = "elsewhere"
    OTHER = "other"


class SurveyAnswer(Base):
    """The answer to the one question after leaving; the last one counts."""

    __tablename__ = "survey_answers"

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    reason: Mapped[LeavingReason] = mapped_column(
        words(LeavingReason), info=personal("waarom iemand vertrok, als die dat zei")
    )
    at: Mapped[datetime]


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
    __table_args__ = (Index("ix_suppressions_since", "since", "address_key"),)

    address_key: Mapped[str] = mapped_column(  # HMAC-SHA-256, hex
        primary_key=True, info=personal("vingerafdruk van een e-mailadres, met een geheime sleutel")
    )
    reason: Mapped[SuppressionReason] = mapped_column(words(SuppressionReason))
    since: Mapped[datetime]
    why: Mapped[str | None]
    erased_at: Mapped[datetime | None]  # the person was erased, too: again after a restore
    lifted_at: Mapped[datetime | None]
    lifted_why: Mapped[str | None]


class Limit(Base):
    """How far a limit of the public forms is used up; one row for all processes and hosts."""

    __tablename__ = "limits"

    name: Mapped[str] = mapped_column(  # kind and keyed hash of what is limited
        primary_key=True, info=personal("vingerafdruk van een e-mailadres of een IP-adres")
    )
    used_until: Mapped[datetime]  # in the past: nothing is used


class Tally(Base):
    """How often something happened on a day, without a trace of to whom."""

    __tablename__ = "tallies"

    day: Mapped[date] = mapped_column(primary_key=True)  # in TIMEZONE
    name: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]
