"""Real parts for every test: settings, a migrated database of both kinds, a browser."""

import contextlib
import gc
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy.orm import Session

from newsletter import settings as settings_module
from newsletter.db import Database, connect
from newsletter.schema import migrate
from newsletter.settings import Settings
from tests.faults.nursery import Nursery
from tests.faults.programs import Forked
from tests.postgres import OLDEST, Server, Shared, binaries, running
from tests.shared import remember_routes, remember_statements

# As root Chromium has no sandbox; it must look nothing up outside this machine.
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
CHROMIUM_ARGUMENTS += ["--disable-background-networking", "--disable-component-update"]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
LONG = [
    *("test_accessibility.py", "test_sender.py", "test_serve.py", "test_desk_pages.py"),
    *("test_relay_faults.py", "test_processes.py", "test_process.py", "test_concurrency.py"),
    *("test_pausing.py", "test_store.py", "test_demo.py", "test_xss.py", "test_issues.py"),
    *("test_mail_screens.py", "test_slow_clients.py", "test_morning.py", "test_cursor.py"),
    *("test_worker.py", "test_hosts.py", "test_phases.py"),
    *("test_guarding.py", "test_publishing.py", "test_road.py", "test_logs.py", "test_browser.py"),
]
MISSING = {
    "browser": "there is no Chromium (Debian: apt-get install chromium)",
    "postgresql": f"there is no PostgreSQL {OLDEST} or newer (Debian: apt-get install postgresql)",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite(why): of what uses a database, runs on SQLite only")
    config.addinivalue_line("markers", "postgresql: runs on PostgreSQL; skipped without one")
    hypothesis.settings.register_profile("house", deadline=None)  # machines are busy at times
    hypothesis.settings.load_profile("house")
    remember_statements()
    remember_routes()


def pytest_collection_finish() -> None:
    """What is imported by now stays: looking for garbage in it takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: each is one worker's, and the last ones are waited for."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What uses a database runs on both kinds; so does what asks for an empty one. The markers
    `sqlite` and `postgresql` leave one of them.

    Pages in a browser (marker `browser`) have a database of their own, on SQLite: they take
    a minute and a half, and what they look at does not depend on it.
    """
    if not {"database", "empty_url"} & set(metafunc.fixturenames):
        return
    if metafunc.definition.get_closest_marker("sqlite"):
        return
    postgresql = pytest.param("postgresql", marks=pytest.mark.postgresql)
    alone = metafunc.definition.get_closest_marker("postgresql")
    metafunc.parametrize("database_kind", [postgresql] if alone else ["sqlite", postgresql])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without Chromium or PostgreSQL the tests that need it are skipped, and counted in one line.

    But not in CI, where that would hide something.
    """
    if os.environ.get("CI") == "true":
        return
    for marker, found in (("browser", CHROMIUM), ("postgresql", binaries())):
        if not found and item.get_closest_marker(marker):
            pytest.skip(MISSING[marker])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    assert CHROMIUM, MISSING["browser"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def birth() -> Iterator[Forked]:
    """How programs of ours are started, where what matters is not the start itself."""
    with contextlib.closing(Nursery()) as nursery:
        yield Forked(nursery)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate once; each test that commits gets a copy of this file."""
    file = tmp_path_factory.mktemp("migrated") / "newsletter.db"
    database = connect(f"sqlite:///{file}")
    migrate(database)
    database.engine.dispose()
    return file


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this process alone."""
    programs = binaries()
    assert programs, MISSING["postgresql"]
    with running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def shared(postgres: Server) -> Iterator[Shared]:
    """Migrate once; each test on PostgreSQL gets this database, emptied."""
    with contextlib.closing(Shared(postgres)) as shared:
        yield shared


@pytest.fixture
def database_kind() -> str:
    """The kind of database; `pytest_generate_tests` says both to a test that uses `database`."""
    return "sqlite"


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The DATABASE_URL of a database without any table."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Server = request.getfixturevalue("postgres")
    yield server.create("empty")
    server.drop("empty")


@pytest.fixture
def settings(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    shared: Shared | None = None
    if database_kind == "postgresql":
        shared = request.getfixturevalue("shared")
    return settings_module.load(
        environ={},
        env_file=tmp_path / "no.env",
        INSTANCE_DIR=str(tmp_path / "instance"),
        DATABASE_URL=shared.emptied() if shared else "",
        SECRET_KEY="a key for tests that is long enough",
        BASE_URL="https://nieuws.test",
    )


@pytest.fixture
def database(database_kind: str, settings: Settings, migrated_file: Path) -> Iterator[Database]:
    if database_kind == "sqlite":
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
