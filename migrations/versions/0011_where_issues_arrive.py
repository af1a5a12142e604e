"""Where issues arrive: seen at our own readers with other providers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import newsletter.db

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TIME = newsletter.db.UtcDateTime(timezone=True)
PLACES = ("inbox", "spam", "missing", "unknown")


def upgrade() -> None:
    place = sa.Enum(*PLACES, name="seedplace", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "sightings",
        sa.Column("issue_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subscriber_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("place", place, nullable=False),
        sa.Column("sent_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("issue_number", "subscriber_id"),
    )


def downgrade() -> None:
    op.drop_table("sightings")
