"""Real parts for every test: settings, a migrated SQLite file, sessions that roll back."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy.orm import Session

from newsletter import settings as settings_module
from newsletter.db import Database, connect, migrate
from newsletter.settings import Settings

# As root Chromium has no sandbox; it must look nothing up outside this machine.
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
CHROMIUM_ARGUMENTS += ["--disable-background-networking", "--disable-component-update"]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium its tests are skipped, but in CI, where that would hide something."""
    if CHROMIUM or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="there is no Chromium"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    assert CHROMIUM, "there is no Chromium (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate once; each test that commits gets a copy of this file."""
    file = tmp_path_factory.mktemp("migrated") / "newsletter.db"
    database = connect(f"sqlite:///{file}")
    migrate(database)
    database.engine.dispose()
    return file


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load(
        environ={},
        env_file=tmp_path / "no.env",
        INSTANCE_DIR=str(tmp_path / "instance"),
        SECRET_KEY="a key for tests that is long enough",
        BASE_URL="https://nieuws.test",
    )


@pytest.fixture
def database(settings: Settings, migrated_file: Path) -> Iterator[Database]:
    shutil.copy(migrated_file, settings.instance_dir / "newsletter.db")
    database = connect(settings.database_url)
    yield database
    database.engine.dispose()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with Session(database.engine, expire_on_commit=False) as session:
        yield session
        session.rollback()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
