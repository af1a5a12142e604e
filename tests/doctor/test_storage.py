"""The database's lines, on both kinds."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from newsletter.db import Database, connect
from newsletter.doctor import storage
from newsletter.settings import Settings
from tests.doctor.conftest import graded, said


def test_a_sound_database(settings: Settings, database: Database) -> None:
    lines = storage.lines(settings, database)
    assert {line.name for line in lines} == {"database", "migrations"}
    words = said(lines)
    if database.engine.name == "sqlite":
        assert graded(lines) == []
        assert "journal_mode wal, synchronous FULL" in words
    else:
        # The server of the tests trades safety for speed, and the doctor sees it.
        assert set(graded(lines)) <= {"database warn"}
        assert "PostgreSQL 1" in words


def test_a_database_without_tables(settings: Settings, empty_url: str) -> None:
    database = connect(empty_url)
    if database.engine.name == "sqlite":
        with database.write() as session:
            session.execute(text("CREATE TABLE other (a)"))
    lines = storage.lines(replace(settings, database_url=empty_url), database)
    database.engine.dispose()
    assert graded(lines, "migrations") == ["migrations fail"]
    assert "newsletter migrate" in said(lines)


def test_looking_makes_no_file(settings: Settings) -> None:
    file = settings.instance_dir / "newsletter.db"
    lines = storage.lines(settings, connect(settings.database_url))
    assert graded(lines) == ["database fail"]
    assert not file.exists()


@pytest.mark.sqlite("PRAGMA journal_mode")
def test_a_disk_that_cannot_log_ahead(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw
        raw.execute("PRAGMA journal_mode=DELETE")
        lines = storage._sqlite(settings, connection)
    assert graded(lines) == ["database fail"]


@pytest.mark.sqlite("WEB_PROCESSES")
def test_several_processes_on_sqlite(settings: Settings, database: Database) -> None:
    many = replace(settings, newsletter_env="production", web_processes=4)
    assert graded(storage.lines(many, database)) == ["database warn"]


@pytest.mark.parametrize(
    ("octets", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (20_000_000, "20 MB"), (10**16, "10000 TB")],
)
def test_sizes_are_for_people(octets: int, words: str) -> None:
    assert storage.shown(octets) == words


def test_a_database_in_memory_has_no_file(settings: Settings, tmp_path: Path) -> None:
    assert storage._missing_file(replace(settings, database_url="sqlite://")) is None
    away = f"sqlite:///{tmp_path / 'gone.db'}"
    assert storage._missing_file(replace(settings, database_url=away)) == tmp_path / "gone.db"
