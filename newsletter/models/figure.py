"""Counts that stand ready for the desk: nothing in them leads to a person."""

from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import BIG_ID


class Figure(Base):
    """How many of something there were; made again from the other tables at will."""

    __tablename__ = "figures"

    name: Mapped[str] = mapped_column(primary_key=True)  # what is counted: "joined", "domain" …
    period: Mapped[str] = mapped_column(primary_key=True)  # a day in TIMEZONE, an issue, or empty
    key: Mapped[str] = mapped_column(primary_key=True)  # of what sort: a state, a topic, a reply
    times: Mapped[int] = mapped_column(BIG_ID)
