"""The schema: up, down, up again; models and migrations agree; the constraints hold."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from newsletter.db import Database, connect, is_current, migrate, migration_config
from newsletter.models import Base


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = connect(empty_url)
    yield database
    database.engine.dispose()


def test_upgrade_downgrade_upgrade(empty: Database) -> None:
    assert not is_current(empty)
    migrate(empty)
    assert is_current(empty)
    tables = set(inspect(empty.engine).get_table_names())
    assert tables == set(Base.metadata.tables) | {"alembic_version"}
    with empty.engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")
    assert inspect(empty.engine).get_table_names() == ["alembic_version"]
    migrate(empty)
    assert is_current(empty)


def test_alembic_check_finds_nothing(empty: Database) -> None:
    migrate(empty)
    with empty.engine.begin() as connection:
        command.check(migration_config(connection))


def test_only_erased_subscribers_have_no_address(database: Database) -> None:
    insert = (
        "INSERT INTO subscribers (email, canonical, locale, cadence, topic_choice_id, state,"
        " created_at) VALUES (:email, :email, 'nl', 'monthly', 1, :state, '2026-11-23')"
    )
    with database.write() as session:
        session.execute(text("INSERT INTO topic_choices (id, topics) VALUES (1, '')"))
        session.execute(text(insert), {"email": None, "state": "erased"})
    for email, state in ((None, "active"), ("a@b.be", "erased"), ("a@b.be", "nonsense")):
        with pytest.raises(IntegrityError), database.engine.begin() as connection:
            connection.execute(text(insert), {"email": email, "state": state})


def test_a_naive_time_is_refused(database: Database) -> None:
    from newsletter.models import Slot

    naive = datetime(2026, 11, 23)  # noqa: DTZ001 (the mistake itself)
    with database.write() as session:
        session.add(Slot(cadence="monthly", slot=naive, ran_at=naive, outcome=""))
        with pytest.raises(Exception, match="without a zone"):
            session.flush()
        session.rollback()


@pytest.mark.sqlite("on PostgreSQL who reads to write locks the row; a transaction alone does not")
def test_two_writers_lose_no_update(database: Database) -> None:
    """SQLite's default transactions lost 304 of 360 such updates (LIBRARIES.md)."""
    from concurrent.futures import ThreadPoolExecutor

    others = [connect(str(database.engine.url)) for _ in range(4)]
    with database.write() as session:
        session.execute(text("INSERT INTO topic_choices (id, topics) VALUES (1, '0')"))

    def count_up(one: Database) -> None:
        for _ in range(25):
            with one.write() as session:
                found = session.execute(text("SELECT topics FROM topic_choices")).scalar_one()
                session.execute(text("UPDATE topic_choices SET topics = :n"), {"n": int(found) + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, others))
    with database.read() as session:
        assert session.execute(text("SELECT topics FROM topic_choices")).scalar_one() == "100"
    for one in others:
        one.engine.dispose()
