"""The desk: editors and how they sign in, drafts, approvals, and the log of changes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import newsletter.db

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TIME = newsletter.db.UtcDateTime(timezone=True)
KINDS = ("confirm", "reminder", "already", "preferences", "welcome", "goodbye", "new_address")
KINDS += ("address_changed", "erased", "proof", "trouble", "alarm")
NEW_KINDS = ("invitation", "new_password", "access_changed")


def upgrade() -> None:
    _kinds(*KINDS, *NEW_KINDS)
    _make_people()
    _make_work()
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_index("ix_audit_at", "audit", ["at"])
    _keep()


def downgrade() -> None:
    for name in ("audit", "approvals", "drafts", "sign_ins", "passkeys", "editors"):
        op.drop_table(name)  # its triggers go with it
    gone = ", ".join(repr(kind) for kind in NEW_KINDS)
    op.execute(f"DELETE FROM notices WHERE kind IN ({gone})")  # noqa: S608
    _kinds(*KINDS)


def _kinds(*kinds: str) -> None:
    """Which letters there are."""
    name = op.f("ck_notices_noticekind")
    words = ", ".join(repr(kind) for kind in kinds)
    with op.batch_alter_table("notices") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, sa.text(f"kind IN ({words})"))


def _make_people() -> None:
    roles = ("writer", "editor", "publisher", "administrator")
    role = sa.Enum(*roles, name="role", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "editors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("role", role, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password", sa.String(), nullable=True),
        sa.Column("fs_uniquifier", sa.String(), nullable=False),
        sa.Column("tf_primary_method", sa.String(), nullable=True),
        sa.Column("tf_totp_secret", sa.String(), nullable=True),
        sa.Column("totp_counter", sa.Integer(), nullable=True),
        sa.Column("mf_recovery_codes", sa.JSON(), nullable=True),
        sa.Column("fs_webauthn_user_handle", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        *(sa.UniqueConstraint(name) for name in ("email", "fs_uniquifier")),
        *(sa.UniqueConstraint(name) for name in ("fs_webauthn_user_handle", "subject")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("editor_id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("transports", sa.JSON(), nullable=True),
        sa.Column("backup_state", sa.Boolean(), nullable=False),
        sa.Column("device_type", sa.String(), nullable=False),
        sa.Column("extensions", sa.String(), nullable=True),
        sa.Column("lastuse_datetime", TIME, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["editor_id"], ["editors.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("credential_id"),
    )
    op.create_index(op.f("ix_passkeys_editor_id"), "passkeys", ["editor_id"])
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("editor_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ip", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["editor_id"], ["editors.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index(op.f("ix_sign_ins_editor_id"), "sign_ins", ["editor_id"])


def _make_work() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("editor_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("tab", sa.String(), nullable=False),
        sa.Column("base", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("saved_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["editor_id"], ["editors.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("editor_id", "slug", "locale"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=False),
        sa.Column("editor_id", sa.Integer(), nullable=True),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["issue_number"], ["issues.number"]),
        sa.ForeignKeyConstraint(["editor_id"], ["editors.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issue_number", "editor_id", "hash"),
    )


def _keep() -> None:
    """The database itself refuses to change or delete a line of the log (as in 0003)."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute(
            "CREATE TRIGGER audit_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    # What REPLACE would put a new row in the place of fires no DELETE trigger.
    taken = "WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) "
    for verb, when in (("UPDATE", ""), ("DELETE", ""), ("INSERT", taken)):
        op.execute(
            f"CREATE TRIGGER audit_stay_{verb.lower()} BEFORE {verb} ON audit {when}"
            "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        )
