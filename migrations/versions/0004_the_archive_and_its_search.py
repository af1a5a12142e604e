"""The archive: what was published, what it is about, and the words it is found by."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

import newsletter.db
from newsletter.issues import searching

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TIME = newsletter.db.UtcDateTime(timezone=True)
COLUMNS = ("head", "words", "parts")


def upgrade() -> None:
    op.create_table(
        "published",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("piece_id", sa.Integer(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("dated", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in COLUMNS),
        sa.ForeignKeyConstraint(["piece_id"], ["pieces.id"]),
        sa.ForeignKeyConstraint(["issue_number"], ["issues.number"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug", "locale"),
    )
    op.create_index("ix_published_order", "published", ["locale", "updated_at", "id"])
    kind = sa.Enum(
        "topic",
        "country",
        "place",
        "sdg",
        name="subjectkind",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    op.create_table(
        "subjects",
        sa.Column("kind", kind, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "locale", "slug"),
    )
    op.create_index("ix_subjects_slug", "subjects", ["slug"])
    _make_index()
    # Names its columns one by one, so that later ones do not matter here.
    searching.rebuild(Session(op.get_bind()))


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE published_words")
    op.drop_table("subjects")
    op.drop_table("published")


def _make_index() -> None:
    """The database itself keeps the index in step with the table, whoever writes that."""
    if op.get_bind().dialect.name == "sqlite":
        _make_words()
        return
    head, *others = (
        f"setweight(to_tsvector('simple'::regconfig, {column}), '{weight}')"
        for column, weight in zip(COLUMNS, "ABD", strict=True)
    )
    kept = {"head_document": head, "document": " || ".join((head, *others))}
    for name, vector in kept.items():
        generated = f"GENERATED ALWAYS AS ({vector}) STORED"
        op.execute(f"ALTER TABLE published ADD {name} tsvector {generated}")
    op.execute("CREATE INDEX ix_published_document ON published USING gin (document)")


def _make_words() -> None:
    names = ", ".join(COLUMNS)
    old, new = (", ".join(f"{row}.{name}" for name in COLUMNS) for row in ("old", "new"))
    forget = (
        f"INSERT INTO published_words (published_words, rowid, {names})"  # noqa: S608
        f" VALUES ('delete', old.id, {old});"
    )
    learn = f"INSERT INTO published_words (rowid, {names}) VALUES (new.id, {new});"  # noqa: S608
    op.execute(
        f"CREATE VIRTUAL TABLE published_words USING fts5 ({names},"
        " content='published', content_rowid='id', tokenize='unicode61')"
    )
    for verb, steps in (
        ("INSERT", learn),
        ("DELETE", forget),
        (f"UPDATE OF {names}", forget + learn),
    ):
        name = f"published_{verb.split()[0].lower()}"
        op.execute(f"CREATE TRIGGER {name} AFTER {verb} ON published BEGIN {steps} END")
