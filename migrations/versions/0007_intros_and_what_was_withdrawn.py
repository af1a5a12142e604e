"""Intros of editors above an issue; what was withdrawn leaves the archive's lists."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "intros",
        sa.Column("issue_number", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("markdown", sa.String(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("html", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["issue_number"], ["issues.number"]),
        sa.PrimaryKeyConstraint("issue_number", "locale"),
    )
    gone = sa.text("withdrawn_at IS NOT NULL")  # asked for with every page of the archive
    op.create_index(
        "ix_item_numbers_withdrawn",
        "item_numbers",
        ["withdrawn_at"],
        sqlite_where=gone,
        postgresql_where=gone,
    )
    withdrawn = "SELECT slug FROM item_numbers WHERE withdrawn_at IS NOT NULL"
    for table in ("subjects", "published"):
        op.execute(f"DELETE FROM {table} WHERE slug IN ({withdrawn})")  # noqa: S608


def downgrade() -> None:
    op.drop_index("ix_item_numbers_withdrawn", "item_numbers")
    op.drop_table("intros")
