"""Alembic's door: runs on the connection `newsletter.db.migrate` hands over, or on its own."""

from alembic import context
from sqlalchemy import Connection

from newsletter import settings
from newsletter.db import connect
from newsletter.models import Base


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        user_module_prefix="newsletter.db.",
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with connect(settings.load().database_url).engine.begin() as own:
        run(own)
