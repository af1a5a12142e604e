"""Connections that wait in the pool: one that was cut meanwhile hurts nobody."""

import pytest
from sqlalchemy import text

from newsletter import db
from newsletter.db import Database, connect


def test_a_connection_that_was_cut_while_idle_is_replaced_unnoticed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "IDLE_SECONDS", 0)
    ours = "SELECT pg_backend_pid()" if database.engine.name == "postgresql" else "SELECT 1"
    with database.read() as session:
        pid = session.scalar(text(ours))
    if database.engine.name == "postgresql":
        other = connect(database.engine.url.render_as_string(hide_password=False))
        with other.write() as session:
            assert session.scalar(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        other.engine.dispose()
    with database.write() as session:
        assert session.scalar(text("SELECT 2")) == 2
