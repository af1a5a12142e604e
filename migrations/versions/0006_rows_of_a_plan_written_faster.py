"""A delivery names its edition and that edition's issue as one key, and is asked for no more.

PostgreSQL asks for each row and each key apart: three keys took most of the time of a plan. That a
subscriber stays is asked by their cursor, without which nobody is planned.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

BOTH = "fk_deliveries_edition_id_issue_number"
APART = (  # as 0001 made them
    ("edition_id", "editions", "id"),
    ("issue_number", "issues", "number"),
    ("subscriber_id", "subscribers", "id"),
)


def upgrade() -> None:
    op.create_index("ix_editions_issue", "editions", ["id", "issue_number"], unique=True)
    with op.batch_alter_table("deliveries") as table:
        for column, _table, _key in APART:
            table.drop_constraint(op.f(f"fk_deliveries_{column}"), type_="foreignkey")
        table.create_foreign_key(
            op.f(BOTH), "editions", ["edition_id", "issue_number"], ["id", "issue_number"]
        )


def downgrade() -> None:
    with op.batch_alter_table("deliveries") as table:
        table.drop_constraint(op.f(BOTH), type_="foreignkey")
        for column, target, key in APART:
            table.create_foreign_key(op.f(f"fk_deliveries_{column}"), target, [column], [key])
    op.drop_index("ix_editions_issue", "editions")
