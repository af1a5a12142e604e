"""Of the embedded clocks of many hosts one leads, as long as its connection lives."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from newsletter.db import Database, connect
from newsletter.jobs import leading
from newsletter.jobs.leading import Leadership
from newsletter.settings import Settings
from tests.faults.programs import wait_for
from tests.postgres import Shared

pytestmark = pytest.mark.postgresql
CUT_OFF = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture
def hosts(
    settings: Settings, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Leadership]]:
    """Two hosts with folders of their own and one database, each asked anew each time."""
    monkeypatch.setattr(leading, "ASK_SECONDS", 0.0)
    url, found = shared.emptied(), list[Leadership]()
    databases = list[Database]()
    for number in range(2):
        folder = settings.instance_dir / str(number)
        folder.mkdir()
        databases.append(connect(url))
        found.append(Leadership(replace(settings, instance_dir=folder), databases[-1]))
    yield found
    for one, database in zip(found, databases, strict=True):
        one.end()
        database.engine.dispose()


def test_one_leads_them_all(hosts: list[Leadership]) -> None:
    first, second = hosts
    assert [first.of_host(), second.of_host()] == [True, True]
    for _ in range(2):
        assert [first.of_all(), second.of_all()] == [True, False]
    first.end()
    wait_for(second.of_all, "the other to lead, once the server let go of the lock")


def test_who_loses_the_connection_leads_no_more(
    hosts: list[Leadership], settings: Settings, shared: Shared
) -> None:
    first, second = hosts
    assert first.of_all()
    with psycopg.connect(shared.url) as connection:
        connection.execute(CUT_OFF)
    assert second.of_all()
    assert [first.of_all(), first.of_all()] == [False, False]
    second.end()
    wait_for(first.of_all, "the other to lead, once the server let go of the lock")


def test_without_a_database_nobody_leads(settings: Settings) -> None:
    database = connect("postgresql://nobody@127.0.0.1:9/nothing")
    alone = Leadership(settings, database)
    assert [alone.of_host(), alone.of_all()] == [True, False]
    alone.end()
    database.engine.dispose()
