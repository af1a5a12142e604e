"""Alembic's door: runs on the connection `newsletter.schema.migrate` hands over, or on its own."""

from alembic import context
from sqlalchemy import Connection

from newsletter import settings
from newsletter.db import connect
from newsletter.models import Base
from newsletter.schema import note_floor

INDEXES = ("published_words", "document", "head_document", "ix_published_document")
OTHERS = ("procrastinate_", "schema_floor")


def is_ours(_thing: object, name: str | None, _kind: str, reflected: bool, _model: object) -> bool:
    """What the database keeps by itself for the archive's search (0004) is in no model; nor is
    what migrations and Procrastinate keep for themselves (0013)."""
    return not (reflected and name and name.startswith((*INDEXES, *OTHERS)))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        user_module_prefix="newsletter.db.",
        include_object=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()
        note_floor(connection, context.script)


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with connect(settings.load().database_url).engine.begin() as own:
        run(own)
