"""The fence, by which a copy of the server or a restored backup is known."""

import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import newsletter.db

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    fence = op.create_table(
        "fence",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lineage", sa.String(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.String(), nullable=True),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("raised_at", newsletter.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fence")),
    )
    # 0 only where nothing can have been sent: a file outside then is of a database that is gone.
    query = sa.text("SELECT EXISTS (SELECT 1 FROM subscribers)")
    used = op.get_bind().execute(query).scalar_one()
    row = {"id": 1, "lineage": secrets.token_hex(16), "counter": int(bool(used))}
    op.bulk_insert(fence, [row])


def downgrade() -> None:
    op.drop_table("fence")
