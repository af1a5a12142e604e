"""Consent that stays and is chained, requests of every form, pauses, limits and tallies."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

import newsletter.db

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KINDS = ("confirm", "already", "preferences", "welcome", "goodbye", "proof", "trouble")
NEW_KINDS = ("reminder", "new_address", "address_changed", "erased", "alarm")
KEPT = ("consents", "seals")  # whose rows are never changed and never deleted
# What REPLACE would put a new row in the place of; SQLite fires no DELETE trigger for it.
SAME = {
    "consents": "id = NEW.id",
    "seals": "number = NEW.number OR consent_id = NEW.consent_id",
}
BATCH = 1000
TIME = newsletter.db.UtcDateTime(timezone=True)

DETAILS = sa.table(
    "consent_details",
    *(sa.column(name) for name in ("consent_id", "salt", "email", "ip", "user_agent")),
)
ORIGINS = sa.table(
    "consent_origins", *(sa.column(name) for name in ("consent_id", "salt", "ip", "user_agent"))
)
CONSENTS = sa.table(
    "consents", *(sa.column(name) for name in ("id", "details_hash", "origin_hash"))
)


def upgrade() -> None:
    _kinds(*KINDS, *NEW_KINDS)
    op.add_column("subscribers", sa.Column("paused_until", TIME, nullable=True))
    people = sa.table("subscribers", sa.column("state", sa.String), sa.column("left_at", TIME))
    blocked = (people.c.state == "suppressed", people.c.left_at.is_(None))
    op.execute(people.update().where(*blocked).values(left_at=datetime.now(UTC)))
    op.rename_table("signup_requests", "requests")
    op.drop_index(op.f("ix_signup_requests_canonical"), "requests")
    op.create_index(op.f("ix_requests_canonical"), "requests", ["canonical"])
    with op.batch_alter_table("requests") as table:
        kind = sa.Enum(
            "signup",
            "link",
            name="requestkind",
            native_enum=False,
            create_constraint=True,
            length=16,
        )
        table.add_column(sa.Column("kind", kind, nullable=False, server_default="signup"))
        table.add_column(sa.Column("facts", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("requests") as table:
        table.alter_column("kind", server_default=None)
        table.alter_column("facts", server_default=None)
    _make_tables()
    _split_details()
    _keep()


def downgrade() -> None:
    _keep_no_more()
    _join_details()
    for name in ("seals", "address_changes", "survey_answers", "limits", "tallies"):
        op.drop_table(name)
    op.execute("DELETE FROM requests WHERE kind = 'link'")
    with op.batch_alter_table("requests") as table:
        table.drop_constraint(op.f("ck_requests_requestkind"), type_="check")
        table.drop_column("kind")
        table.drop_column("facts")
    op.drop_index(op.f("ix_requests_canonical"), "requests")
    op.rename_table("requests", "signup_requests")
    op.create_index(op.f("ix_signup_requests_canonical"), "signup_requests", ["canonical"])
    op.drop_column("subscribers", "paused_until")
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


def _make_tables() -> None:
    subscriber = sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"])
    op.create_table(
        "seals",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("consent_id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("sealed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("consent_id"),
    )
    op.create_table(
        "address_changes",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("canonical", sa.String(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        subscriber,
        sa.PrimaryKeyConstraint("subscriber_id"),
    )
    reason = sa.Enum(
        "too_much",
        "not_for_me",
        "never_asked",
        "elsewhere",
        "other",
        name="leavingreason",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    op.create_table(
        "survey_answers",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("reason", reason, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"]),
        sa.PrimaryKeyConstraint("subscriber_id"),
    )
    op.create_table(
        "limits",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("used_until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tallies",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "name"),
    )


def _split_details() -> None:
    """IP and browser get a hash and a salt of their own, so that they can go before the address."""
    op.create_table(
        "consent_origins",
        sa.Column("consent_id", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("ip", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"]),
        sa.PrimaryKeyConstraint("consent_id"),
    )
    op.add_column("consents", sa.Column("origin_hash", sa.String(), nullable=True))
    op.add_column("consents", sa.Column("facts", sa.JSON(), nullable=False, server_default="{}"))
    # SQLite could only by making the table anew, which the rows that refer to it forbid.
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("consents", "facts", server_default=None)
    _each(sa.select(DETAILS), _split)
    with op.batch_alter_table("consent_details") as table:
        table.drop_column("ip")
        table.drop_column("user_agent")


def _split(row: Any) -> None:
    hashes = {"details_hash": _hash(row.salt, {"email": row.email})}
    if row.ip is not None or row.user_agent is not None:
        salt = secrets.token_bytes(16)
        origin = {"ip": row.ip or "", "user_agent": row.user_agent or ""}
        hashes["origin_hash"] = _hash(salt, origin)
        op.execute(ORIGINS.insert().values(consent_id=row.consent_id, salt=salt, **origin))
    op.execute(CONSENTS.update().where(CONSENTS.c.id == row.consent_id).values(**hashes))


def _join_details() -> None:
    op.add_column("consent_details", sa.Column("ip", sa.String(), nullable=True))
    op.add_column("consent_details", sa.Column("user_agent", sa.String(), nullable=True))
    joined = DETAILS.outerjoin(ORIGINS, ORIGINS.c.consent_id == DETAILS.c.consent_id)
    _each(
        sa.select(
            DETAILS.c.consent_id,
            DETAILS.c.salt,
            DETAILS.c.email,
            ORIGINS.c.ip,
            ORIGINS.c.user_agent,
        ).select_from(joined),
        _join,
    )
    op.drop_table("consent_origins")
    op.drop_column("consents", "origin_hash")
    op.drop_column("consents", "facts")


def _join(row: Any) -> None:
    origin = {"ip": row.ip, "user_agent": row.user_agent}
    whole = _hash(row.salt, {"email": row.email} | origin)
    mine = CONSENTS.c.id == row.consent_id
    op.execute(CONSENTS.update().where(mine).values(details_hash=whole))
    op.execute(DETAILS.update().where(DETAILS.c.consent_id == row.consent_id).values(**origin))


def _each(query: sa.Select[Any], change: Callable[[Any], None]) -> None:
    for row in _rows(query):
        change(row)


def _rows(query: sa.Select[Any]) -> Iterator[Any]:
    """All rows, read batch by batch, since they are changed meanwhile."""
    seen = -1
    ordered = query.where(DETAILS.c.consent_id > sa.bindparam("seen"))
    ordered = ordered.order_by(DETAILS.c.consent_id).limit(BATCH)
    while batch := op.get_bind().execute(ordered, {"seen": seen}).all():
        yield from batch
        seen = batch[-1].consent_id


def _hash(salt: bytes, values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(salt + text.encode()).hexdigest()


def _keep() -> None:
    """The database itself refuses to change or delete a proof, or a link of its chain."""
    if op.get_bind().dialect.name == "sqlite":
        for table in KEPT:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_stay_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
                )
            op.execute(
                f"CREATE TRIGGER {table}_stay_replace BEFORE INSERT ON {table} "  # noqa: S608
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {SAME[table]}) "
                f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% are append-only', TG_TABLE_NAME; END $$"
    )
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _keep_no_more() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in KEPT:
            for verb in ("update", "delete", "replace"):
                op.execute(f"DROP TRIGGER {table}_stay_{verb}")
        return
    for table in KEPT:
        op.execute(f"DROP TRIGGER {table}_stay ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
