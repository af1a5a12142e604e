"""What comes back: setbacks, replies to pass on, and suppressions that say who was erased."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import newsletter.db

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TIME = newsletter.db.UtcDateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = ("confirm", "reminder", "already", "preferences", "welcome", "goodbye", "new_address")
KINDS += ("address_changed", "erased", "proof", "trouble", "alarm")
KINDS += ("invitation", "new_password", "access_changed")
SETBACKS = ("hard", "disabled", "soft", "ours", "complaint")


def upgrade() -> None:
    _kinds(*KINDS, "reply")
    kind = sa.Enum(
        *SETBACKS, name="setbackkind", native_enum=False, create_constraint=True, length=16
    )
    op.create_table(
        "setbacks",
        sa.Column("sent", sa.String(), nullable=False),
        sa.Column("sent_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sent", "sent_id", "kind"),
    )
    op.create_index("ix_setbacks_subscriber", "setbacks", ["subscriber_id"])
    op.create_index("ix_setbacks_issue", "setbacks", ["issue_number", "kind"])
    op.create_table(
        "replies",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.add_column("suppressions", sa.Column("erased_at", TIME, nullable=True))
    op.execute("UPDATE suppressions SET erased_at = since WHERE reason = 'erased'")


def downgrade() -> None:
    op.drop_column("suppressions", "erased_at")
    op.drop_table("replies")
    op.drop_table("setbacks")
    op.execute("DELETE FROM notices WHERE kind = 'reply'")
    _kinds(*KINDS)


def _kinds(*kinds: str) -> None:
    """Which letters there are."""
    name = op.f("ck_notices_noticekind")
    words = ", ".join(repr(kind) for kind in kinds)
    with op.batch_alter_table("notices") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, sa.text(f"kind IN ({words})"))
