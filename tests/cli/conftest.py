"""A server of its own for each test that starts one."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from newsletter.db import Database
from newsletter.settings import Settings
from tests.cli.serving import Serving
from tests.faults.programs import Birth


@pytest.fixture
def serve(tmp_path: Path, birth: Birth) -> Iterator[Callable[..., Serving]]:
    """Forked from what has read the program already, unless a test says otherwise."""
    started: list[Serving] = []

    def start(*arguments: str, born: Birth = birth, **environ: str) -> Serving:
        started.append(Serving(born, tmp_path / "instance", *arguments, **environ))
        return started[-1]

    yield start
    for serving in started:
        serving.process.end()


@pytest.fixture
def serve_migrated(
    serve: Callable[..., Serving], settings: Settings, database: Database
) -> Callable[..., Serving]:
    """On either kind of database; PostgreSQL has to be migrated by a person first."""
    assert settings.instance_dir.name == "instance"
    return functools.partial(serve, DATABASE_URL=settings.database_url)
