"""The fence: by which a copy of the server, or a restored backup, is known."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base


class Fence(Base):
    """One row, raised before mail goes; `newsletter.fence` compares it with a file outside."""

    __tablename__ = "fence"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # always 1
    lineage: Mapped[str]  # made with the database, the same in all its copies
    counter: Mapped[int] = mapped_column(BigInteger)  # plans, claims and leases until now
    identity: Mapped[str | None]  # machine and place it is at home; None: it never sent anything
    host: Mapped[str | None]  # the name of the machine that raised it last, for people
    raised_at: Mapped[datetime | None]
