"""Rates that all hosts share, pauses that end by themselves, and rows that are due at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import newsletter.db
from newsletter.models import AT_ONCE

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KINDS = ("confirm", "already", "preferences", "welcome", "goodbye", "proof")


def upgrade() -> None:
    op.create_table(
        "quotas",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("free_at", newsletter.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("booked_until", newsletter.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("slowed_at", newsletter.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_quotas")),
    )
    op.add_column(
        "issues", sa.Column("ask_at", newsletter.db.UtcDateTime(timezone=True), nullable=True)
    )
    _kinds(*KINDS, "trouble")
    deliveries = sa.table(
        "deliveries",
        sa.column("state", sa.String),
        sa.column("due_at", newsletter.db.UtcDateTime(timezone=True)),
    )
    op.execute(
        deliveries.update()
        .where(deliveries.c.state == "pending", deliveries.c.due_at.is_not(None))
        .values(due_at=AT_ONCE)
    )


def downgrade() -> None:
    op.execute("DELETE FROM notices WHERE kind = 'trouble'")
    _kinds(*KINDS)
    op.drop_column("issues", "ask_at")
    op.drop_table("quotas")


def _kinds(*kinds: str) -> None:
    """Which letters there are."""
    name = op.f("ck_notices_noticekind")
    words = ", ".join(repr(kind) for kind in kinds)
    with op.batch_alter_table("notices") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, sa.text(f"kind IN ({words})"))
