"""Files of the shelf that every host shows."""

from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base


class SharedFile(Base):
    """A file as it is on the host with the content folder."""

    __tablename__ = "shared_files"

    name: Mapped[str] = mapped_column(primary_key=True)  # below the folder: pages/privacy.nl.md
    sha256: Mapped[str]
    data: Mapped[bytes]
