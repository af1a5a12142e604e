"""What comes back: setbacks, written by `bounces`; and replies to pass on, written by `notices`."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import BIG_ID, personal, words


class SetbackKind(StrEnum):
    """What speaks against mailing somebody; what follows from it: `bounces.meaning`."""

    HARD = "hard"  # there is no such mailbox
    DISABLED = "disabled"  # there is one that takes no mail
    SOFT = "soft"  # full, too late, refused for a reason nobody knows
    OURS = "ours"  # refused for what we are or send: no reader is to blame
    COMPLAINT = "complaint"


class Setback(Base):
    """A message that was refused, came back, or was called spam: of each kind once.

    Its key is what makes each report count once, however often and by how many it is read.
    """

    __tablename__ = "setbacks"
    __table_args__ = (
        Index("ix_setbacks_subscriber", "subscriber_id"),
        Index("ix_setbacks_issue", "issue_number", "kind"),
    )

    sent: Mapped[str] = mapped_column(primary_key=True)  # d: a delivery, n: a notice
    sent_id: Mapped[int] = mapped_column(BIG_ID, primary_key=True, autoincrement=False)
    kind: Mapped[SetbackKind] = mapped_column(words(SetbackKind), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(
        info=personal("welke mail niet aankwam, of een klacht kreeg")
    )
    issue_number: Mapped[int | None]  # of a delivery
    at: Mapped[datetime]


class Reply(Base):
    """A message for people that came in; its content goes as soon as it was passed on."""

    __tablename__ = "replies"

    key: Mapped[str] = mapped_column(primary_key=True)  # keyed hash of the message: once is enough
    content: Mapped[bytes | None] = mapped_column(
        info=personal("mail van een lezer, tot ze doorgestuurd is")
    )
    at: Mapped[datetime]
