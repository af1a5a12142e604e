"""Figures: counts that stand ready; indexes of the few deliveries that were refused or bounced."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

CLOSED = sa.text("state IN ('refused', 'withdrawn')")
BOUNCED = sa.text("bounced_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "figures",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("times", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", "period", "key"),
    )
    op.create_index("ix_suppressions_since", "suppressions", ["since", "address_key"])
    _index("ix_deliveries_closed", ["issue_number", "state"], CLOSED)
    _index("ix_deliveries_bounced", ["issue_number"], BOUNCED)


def downgrade() -> None:
    op.drop_index("ix_deliveries_bounced", "deliveries")
    op.drop_index("ix_deliveries_closed", "deliveries")
    op.drop_index("ix_suppressions_since", "suppressions")
    op.drop_table("figures")


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "deliveries", columns, sqlite_where=where, postgresql_where=where)
