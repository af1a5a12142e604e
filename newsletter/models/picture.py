"""Pictures of pieces, so that every host can serve them."""

from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base


class Picture(Base):
    """A picture in one size, made ready (content.images); its name never stands for another."""

    __tablename__ = "pictures"

    name: Mapped[str] = mapped_column(primary_key=True)  # holds a hash of the content
    width: Mapped[int]  # px
    height: Mapped[int]
    media_type: Mapped[str]
    data: Mapped[bytes]
