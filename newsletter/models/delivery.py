"""The ledger's tables: deliveries, cursors and leases; written by `delivery.ledger` only."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import BIG_ID, personal, words


class DeliveryState(StrEnum):
    """pending → claimed → accepted | deferred | refused | withdrawn."""

    PENDING = "pending"
    CLAIMED = "claimed"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


# Due at once, whatever a clock that is set back may say.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)

OPEN = text("state IN ('pending', 'claimed', 'deferred')")
WAITING = text("state IN ('pending', 'deferred')")
CLOSED = text("state IN ('refused', 'withdrawn')")  # few, and counted while an issue runs
BOUNCED = text("bounced_at IS NOT NULL")
LEASED = text("lease_id IS NOT NULL")  # as a foreign key check asks for it


class Delivery(Base):
    """One edition to one subscriber: exactly one row for each (issue, subscriber)."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("issue_number", "subscriber_id"),
        # At most one open row for each subscriber, whatever the code above believes.
        Index(
            "uq_deliveries_open",
            "subscriber_id",
            unique=True,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        ),
        Index(
            "ix_deliveries_waiting",
            "issue_number",
            "due_at",
            "id",
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        ),
        Index("ix_deliveries_lease", "lease_id", sqlite_where=LEASED, postgresql_where=LEASED),
        Index(
            "ix_deliveries_closed",
            "issue_number",
            "state",
            sqlite_where=CLOSED,
            postgresql_where=CLOSED,
        ),
        Index(
            "ix_deliveries_bounced", "issue_number", sqlite_where=BOUNCED, postgresql_where=BOUNCED
        ),
        Index("ix_deliveries_subscriber", "subscriber_id"),
        # The edition is one of this issue; and who is planned has a cursor, which holds on to the
        # subscriber's row: asking for that here too would take longer than all the rest of a plan.
        ForeignKeyConstraint(
            ["edition_id", "issue_number"], ["editions.id", "editions.issue_number"]
        ),
        CheckConstraint("(state = 'claimed') = (lease_id IS NOT NULL)", name="claimed_has_a_lease"),
    )

    id: Mapped[int] = mapped_column(BIG_ID, primary_key=True)
    issue_number: Mapped[int]
    subscriber_id: Mapped[int] = mapped_column(info=personal("welke nummers iemand kreeg"))
    edition_id: Mapped[int]
    state: Mapped[DeliveryState] = mapped_column(words(DeliveryState))
    due_at: Mapped[datetime | None]  # when to try; None: held for a person
    first_tried_at: Mapped[datetime | None]
    attempts: Mapped[int]
    lease_id: Mapped[int | None] = mapped_column(ForeignKey("leases.id"))
    opened_at: Mapped[datetime | None]  # content may have left; without an outcome: in doubt
    in_doubt: Mapped[int]  # how often nobody knew whether it arrived
    settled_at: Mapped[datetime | None]
    status: Mapped[str | None]  # enhanced or basic code of the last reply
    reply: Mapped[str | None] = mapped_column(  # the relay's words, with addresses masked
        info=personal("antwoord van de mailserver, zonder adres")
    )
    bounced_at: Mapped[datetime | None]


class Cursor(Base):
    """The highest item number a subscriber has received."""

    __tablename__ = "cursors"

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), primary_key=True)
    number: Mapped[int]


class Lease(Base):
    """The right of one process to work its claimed rows, renewed while it lives."""

    __tablename__ = "leases"
    # An id is never used again: it is the fence.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]  # host and process id, for people to read
    expires_at: Mapped[datetime]


class Quota(Base):
    """How far a rate is used up: of the relay, of a domain of readers, or of the warm-up; one row
    for all hosts."""

    __tablename__ = "quotas"

    name: Mapped[str] = mapped_column(primary_key=True)  # "*" (the relay), "*warm-up", or a domain
    free_at: Mapped[datetime]  # when the next message may go
    booked_until: Mapped[datetime | None]  # until when messages of a domain have been put off
    slowed_at: Mapped[datetime | None]  # when a domain asked us to be slower
    day: Mapped[int | None]  # of the warm-up: its last day on which something left, from 1
    day_began_at: Mapped[datetime | None]  # when the first message of that day left
    allowance: Mapped[int | None]  # how many messages that day has
