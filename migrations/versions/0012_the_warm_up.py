"""The warm-up: which day of its plan it is, since when, and how many messages that day has."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import newsletter.db

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

COLUMNS = ("day", "day_began_at", "allowance")


def upgrade() -> None:
    op.add_column("quotas", sa.Column("day", sa.Integer(), nullable=True))
    op.add_column(
        "quotas", sa.Column("day_began_at", newsletter.db.UtcDateTime(timezone=True), nullable=True)
    )
    op.add_column("quotas", sa.Column("allowance", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM quotas WHERE name = '*warm-up'")
    for name in COLUMNS:
        op.drop_column("quotas", name)
