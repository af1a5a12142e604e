"""The log of changes: append-only, chained, and `verify` finds any tampered line."""

import itertools
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.db import Database
from newsletter.models import Entry, Role
from tests.desk.conftest import Desk

TAMPERED = {
    "UPDATE audit SET actor = 'editor 9' WHERE number = 2": "line 2 is not",
    "UPDATE audit SET subject = 'issue 9' WHERE number = 3": "line 3 is not",
    "DELETE FROM audit WHERE number = 2": "line 2 is missing",
    "DELETE FROM audit WHERE number = 1": "line 1 is missing",
}
KEEPERS = {
    "sqlite": "DROP TRIGGER audit_stay_update; DROP TRIGGER audit_stay_delete",
    "postgresql": "DROP TRIGGER audit_stay ON audit",
}


def fill(session: Session, now: datetime, count: int = 4) -> None:
    for n in range(count):
        at = now + timedelta(microseconds=n)
        audit.record(session, audit.CLOCK, "issue.send", f"issue {n + 1}", at, {"é": n})


def test_an_untouched_log_holds(database: Database, now: datetime) -> None:
    with database.write() as session:
        assert audit.verify(session) == audit.Verdict(0, audit.FIRST, None)
        fill(session, now)
    with database.read() as session:
        verdict = audit.verify(session)
        assert (verdict.lines, verdict.broken) == (4, None)
        assert verdict.head == session.get_one(Entry, 4).hash
        assert audit.length(session) == 4


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_a_line(database: Database, now: datetime, sql: str) -> None:
    with database.write() as session:
        fill(session, now)
    with pytest.raises(DatabaseError, match="append-only"), database.write() as session:
        session.execute(text(sql))


@pytest.mark.sqlite("REPLACE is SQLite's own")
def test_nor_to_replace_one(database: Database, now: datetime) -> None:
    with database.write() as session:
        fill(session, now)
    replace = "REPLACE INTO audit SELECT 1, at, 'x', action, subject, facts, hash FROM audit"
    with pytest.raises(DatabaseError, match="append-only"), database.write() as session:
        session.execute(text(f"{replace} WHERE number = 1"))


@pytest.mark.sqlite("the chain is made and walked by us; triggers are taken off here")
@pytest.mark.parametrize("sql", TAMPERED)
def test_whoever_gets_past_the_database_is_found(
    database: Database, now: datetime, sql: str
) -> None:
    with database.write() as session:
        fill(session, now)
        for keeper in KEEPERS[database.engine.name].split("; "):
            session.execute(text(keeper))
        session.execute(text(sql))
    with database.read() as session:
        assert TAMPERED[sql] in (audit.verify(session).broken or "")


@pytest.mark.sqlite("searching is one query")
def test_lines_are_found_by_what_and_by_whom(database: Database, now: datetime) -> None:
    with database.write() as session:
        fill(session, now)
        audit.record(session, audit.editor(3), "item.save", "item a_b", now)
    with database.read() as session:
        assert [line.number for line in audit.found(session, "issue 2")] == [2]
        assert [line.number for line in audit.found(session, "a_b")] == [5]
        assert not audit.found(session, "a%b")
        assert [line.number for line in audit.found(session, actor="editor 3")] == [5]
        pages = [audit.found(session, before=before, limit=2) for before in (None, 4, 2)]
        assert [line.number for line in itertools.chain(*pages)] == [5, 4, 3, 2, 1]


@pytest.mark.sqlite("pages show what audit finds")
def test_the_log_on_the_desk(desk: Desk, now: datetime) -> None:
    client = desk(Role.PUBLISHER)
    with desk.database.write() as session:
        fill(session, now, 60)
    first = client.get("/desk/log").text
    assert "issue 60" in first
    assert "issue 10<" not in first
    assert "issue 10<" in client.get("/desk/log?before=11").text
    assert "Er is niets gevonden." in client.get("/desk/log?q=onbekend").text
    assert client.get("/desk/log?before=x&q=%25").status_code == 200
    client.send("/desk/log/verify")
    assert "De keten klopt" in client.get("/desk/log").text
    assert desk(Role.EDITOR).get("/desk/log").status_code == 403


@pytest.mark.sqlite("what the rooms write down does not depend on the database")
def test_every_change_of_people_is_written_down(desk: Desk) -> None:
    admin, writer = desk(Role.ADMINISTRATOR), desk(Role.WRITER)
    number = writer.editor.id
    admin.send(f"/desk/people/{number}/role", role="editor")
    admin.send(f"/desk/people/{number}/deactivate")
    admin.send(f"/desk/people/{number}/reactivate")
    with desk.database.read() as session:
        lines = [(line.action, line.actor, line.subject) for line in audit.found(session)]
    who, whom = audit.editor(admin.editor.id), f"editor {number}"
    assert lines == [(f"editor.{verb}", who, whom) for verb in ("reactivate", "deactivate", "role")]
