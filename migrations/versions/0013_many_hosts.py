"""Many hosts: Procrastinate's tables (PostgreSQL), and which programs the schema still suits.

The SQL is the installed package's own. The comment on its table of jobs says up to which of its own
migrations that goes: when a later Procrastinate brings more of them, a later migration of ours runs
those that come after the comment, the `pre` ones apart from the `post` ones, and writes it anew.
"""

from collections.abc import Sequence
from importlib import resources

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

phase = "pre"  # see newsletter/schema.py

FORGET = """
DO $$ DECLARE it record; BEGIN
    FOR it IN SELECT tablename FROM pg_tables
        WHERE schemaname = current_schema() AND tablename LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP TABLE %I CASCADE', it.tablename);
    END LOOP;
    FOR it IN SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE pronamespace = current_schema()::regnamespace
        AND proname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', it.name);
    END LOOP;
    FOR it IN SELECT typname FROM pg_type
        WHERE typnamespace = current_schema()::regnamespace
        AND typname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP TYPE %I CASCADE', it.typname);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.create_table("schema_floor", sa.Column("revision", sa.String(32), nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        sql = resources.files("procrastinate") / "sql"
        newest = max(file.name for file in (sql / "migrations").iterdir())
        _run((sql / "schema.sql").read_text("utf-8"))
        _run(f"COMMENT ON TABLE procrastinate_jobs IS '{newest.removesuffix('.sql')}'")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _run(FORGET)
    op.drop_table("schema_floor")


def _run(sql: str) -> None:
    """On the driver's own connection, which takes many statements and leaves % alone."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 (it is open)
    connection.execute(sql)
