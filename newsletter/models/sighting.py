"""Where issues arrive at our own readers with other providers; written by `bounces.seeds`."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import words


class SeedPlace(StrEnum):
    """Where an issue was, when it was looked for."""

    INBOX = "inbox"
    SPAM = "spam"
    MISSING = "missing"  # in neither, for SEED_HOURS
    UNKNOWN = "unknown"  # nobody could look: the mailbox did not answer for SEED_HOURS


class Sighting(Base):
    """An issue at one of SEED_MAILBOXES: where it was found, or that it was not."""

    __tablename__ = "sightings"

    issue_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subscriber_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # our own
    provider: Mapped[str]  # host of the mailbox
    place: Mapped[SeedPlace] = mapped_column(words(SeedPlace))
    sent_at: Mapped[datetime]  # when the relay took it
    seen_at: Mapped[datetime | None]  # when it arrived, as the mailbox says
