"""The engine's own tables: those of the package that is locked, and none of ours."""

from importlib import resources

import pytest
from sqlalchemy import text

from newsletter.db import connect
from tests.postgres import Shared

pytestmark = pytest.mark.postgresql


def test_the_database_has_all_of_the_packages_migrations(shared: Shared) -> None:
    """Fails when a newer Procrastinate brings further ones. Then add a migration of ours that runs
    those after the comment, `pre` and `post` ones apart, and writes the comment anew (0013)."""
    database = connect(shared.url)
    with database.read() as session:
        asked = text("SELECT obj_description('procrastinate_jobs'::regclass)")
        comment = session.execute(asked).scalar_one()
    database.engine.dispose()
    files = resources.files("procrastinate") / "sql" / "migrations"
    names = sorted(file.name.removesuffix(".sql") for file in files.iterdir())
    assert comment == names[-1]
