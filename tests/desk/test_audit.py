"""The log of changes: append-only, chained, and `verify` finds any tampered line."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.audit import Head
from newsletter.db import Database
from newsletter.editors import people
from newsletter.models import Editor, Entry, Role
from newsletter.settings import Settings
from newsletter.web.desk.log import FAULTS
from tests.desk.conftest import Desk

# Done to a log of four lines by somebody who gets past the triggers, and what is found.
ALTERED, LINE = "UPDATE audit SET", "WHERE number = 2"
TAMPERED = {
    f"{ALTERED} actor = 'editor 9' {LINE}": "line 2 is not what was written",
    f"{ALTERED} action = 'issue.stop' {LINE}": "line 2 is not what was written",
    f"{ALTERED} subject = 'issue 9' WHERE number = 4": "line 4 is not what was written",
    f"{ALTERED} at = '2020-01-01 00:00:00.000000' {LINE}": "line 2 is not what was written",
    f"{ALTERED} facts = '{{}}' {LINE}": "line 2 is not what was written",
    f"{ALTERED} hash = '{'0' * 64}' {LINE}": "line 2 is not what was written",
    f"{ALTERED} number = 9 {LINE}": "line 2 is missing",
    "DELETE FROM audit WHERE number = 2": "line 2 is missing",
    "DELETE FROM audit WHERE number = 1": "line 1 is missing",
    "DELETE FROM audit WHERE number > 2": "line 4 was noted, and the log ends before it",
    "DELETE FROM audit": "line 4 was noted, and the log ends before it",
}
UNREADABLE = {
    "sqlite": ["at = 'x'", "facts = 'x'", "actor = x'ff'", "actor = CAST(x'ff' AS TEXT)"],
    "postgresql": ["at = 'infinity'"],
}
SLIPPED_IN = "INSERT INTO audit SELECT {}, at, actor, action, subject, facts, hash FROM audit"
SLIPPED_IN += " WHERE number = 4"
KEEPERS = {
    "sqlite": ["DROP TRIGGER audit_stay_update", "DROP TRIGGER audit_stay_delete"],
    "postgresql": ["DROP TRIGGER audit_stay ON audit"],
}


def fill(session: Session, settings: Settings, now: datetime, count: int = 4) -> None:
    for n in range(count):
        at, what = now + timedelta(microseconds=n), f"issue {n + 1}"
        audit.record(session, settings, audit.CLOCK, "issue.send", what, at, {"é": n})
    session.expunge_all()


@pytest.fixture
def log(database: Database, settings: Settings, now: datetime) -> Iterator[Session]:
    """A log of four lines, the last of which was noted; what is done to it is not committed."""
    with database.write() as session:
        fill(session, settings, now)
        audit.note(session, settings)
        yield session
        session.rollback()


def tamper(session: Session, *changes: str) -> None:
    """As somebody who may do anything in the database."""
    for sql in (*KEEPERS[session.get_bind().dialect.name], *changes):
        session.connection().exec_driver_sql(sql)


def found(session: Session, settings: Settings, *noted: Head) -> str:
    """What `verify` finds, in English; nothing when all is well."""
    return str(audit.verify(session, settings, noted).broken or "")


def test_an_untouched_log_holds(database: Database, settings: Settings, now: datetime) -> None:
    with database.read() as session:
        assert audit.verify(session, settings) == audit.Verdict(0, audit.FIRST, None, 0)
        audit.note(session, settings)
    with database.write() as session:
        fill(session, settings, now)
    with database.read() as session:
        audit.note(session, settings)
        audit.note(session, settings)
        verdict = audit.verify(session, settings)
        assert (verdict.lines, verdict.broken, verdict.noted) == (4, None, 1)
        assert verdict.head == session.get_one(Entry, 4).hash
        assert audit.length(session) == 4


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_a_line(log: Session, sql: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"):
        log.execute(text(sql))


@pytest.mark.sqlite("REPLACE is SQLite's own")
def test_nor_to_replace_one(log: Session) -> None:
    replacing = "REPLACE INTO audit SELECT 1, at, 'x', action, subject, facts, hash FROM audit"
    with pytest.raises(DatabaseError, match="append-only"):
        log.execute(text(f"{replacing} WHERE number = 1"))


@pytest.mark.parametrize("sql", TAMPERED)
def test_whoever_gets_past_the_database_is_found(
    log: Session, settings: Settings, sql: str
) -> None:
    tamper(log, sql)
    assert found(log, settings).startswith(TAMPERED[sql])


def test_what_cannot_be_read_is_found(log: Session, settings: Settings) -> None:
    tamper(log)
    for change in UNREADABLE[log.get_bind().dialect.name]:
        with log.begin_nested() as so_far:
            log.execute(text(f"UPDATE audit SET {change} WHERE number = 3"))
            assert found(log, settings).startswith("line 3 is not what was written")
            so_far.rollback()


@pytest.mark.parametrize(("number", "line"), [(0, 1), (5, 5), (-(2**31), 1), (9, 5)])
def test_a_line_that_is_slipped_in_is_found(
    log: Session, settings: Settings, number: int, line: int
) -> None:
    log.execute(text(SLIPPED_IN.format(number)))  # no trigger stops that
    assert found(log, settings).startswith(f"line {line} is")


@pytest.mark.sqlite("the chain is made and walked by us")
def test_without_the_key_nobody_writes_the_log_anew(log: Session, settings: Settings) -> None:
    previous, changes = audit.FIRST, []
    for line in log.scalars(select(Entry).order_by(Entry.number)).all():
        log.expunge(line)
        line.actor = "editor 4"
        previous = line.hash = audit.link(b"guessed", previous, line)
        set_to = f"SET actor = '{line.actor}', hash = '{line.hash}'"
        changes.append(f"UPDATE audit {set_to} WHERE number = {line.number}")
    tamper(log, *changes)
    assert found(log, settings).startswith("line 1 is not what was written")


@pytest.mark.sqlite("what was noted stands in a file")
def test_who_has_the_key_and_not_what_was_noted_is_found(log: Session, settings: Settings) -> None:
    other = Head(4, "a" * 64)  # of a log that was another, and held as well
    assert found(log, settings, other) == "line 4 is not the one that was noted"
    with (settings.instance_dir / "audit.head").open("a") as file:
        file.write(f"{other.number} {other.hash}\n99 half a line, as a power cut leaves it")
    assert found(log, settings) == "line 4 is not the one that was noted"
    (settings.instance_dir / "audit.head").unlink()
    assert found(log, settings) == ""


@pytest.mark.sqlite("what was noted stands in a file")
def test_what_is_noted_later_does_not_hide_what_is_gone(
    log: Session, settings: Settings, now: datetime
) -> None:
    tamper(log, "DELETE FROM audit WHERE number > 2")
    audit.note(log, settings)
    assert "line 4 was noted" in found(log, settings)
    fill(log, settings, now, 9)
    assert found(log, settings) == "line 4 is not the one that was noted"


def test_an_empty_log_of_a_desk_with_editors(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        people.create(session, "an@voorbeeld.example", "An", Role.EDITOR, "nl", now)
        assert found(session, settings) == "there is no line, though there are editors"


def test_triggers_that_are_gone_or_off_are_found(log: Session, settings: Settings) -> None:
    assert found(log, settings) == ""
    postgresql = log.get_bind().dialect.name == "postgresql"
    off = "ALTER TABLE audit DISABLE TRIGGER audit_stay" if postgresql else KEEPERS["sqlite"][0]
    log.execute(text(off))
    assert found(log, settings) == "the database lets lines be changed: its triggers are gone"


@pytest.mark.sqlite("keys do not depend on the database")
def test_lines_of_an_earlier_secret_key_hold(
    log: Session, settings: Settings, now: datetime
) -> None:
    new = "another key that is long enough, too"
    rotated = replace(settings, secret_keys=(new, settings.secret_key))
    audit.record(log, rotated, audit.CLOCK, "issue.send", "issue 5", now)
    assert found(log, rotated) == ""
    assert "line 1 is not" in found(log, replace(settings, secret_keys=(new,)))


@pytest.mark.sqlite("searching is one query")
def test_lines_are_found_by_what_and_by_whom(
    log: Session, settings: Settings, now: datetime
) -> None:
    audit.record(log, settings, audit.editor(3), "item.save", "item a_b", now)
    assert [line.number for line in audit.found(log, "issue 2")] == [2]
    assert [line.number for line in audit.found(log, "a_b")] == [5]
    assert not audit.found(log, "a%b")
    assert [line.number for line in audit.found(log, actor="editor 3")] == [5]
    pages = [audit.found(log, before=before, limit=2) for before in (None, 4, 2)]
    assert [line.number for line in itertools.chain(*pages)] == [5, 4, 3, 2, 1]


@pytest.mark.sqlite("pages show what audit finds")
def test_the_log_on_the_desk(desk: Desk, now: datetime) -> None:
    client = desk(Role.PUBLISHER)
    with desk.database.write() as session:
        fill(session, desk.settings, now, 60)
    first = client.get("/desk/log").text
    assert "nummer 60" in first
    assert "nummer 10<" not in first
    assert "nummer 10<" in client.get("/desk/log?before=11").text
    assert "Er is niets gevonden." in client.get("/desk/log?q=onbekend").text
    assert client.get("/desk/log?before=x&q=%25").status_code == 200
    assert desk(Role.EDITOR).get("/desk/log").status_code == 403


@pytest.mark.sqlite("pages show what audit finds")
def test_the_verdict_is_in_the_words_of_who_reads_it(desk: Desk, now: datetime) -> None:
    client = desk(Role.PUBLISHER)
    with desk.database.write() as session:
        fill(session, desk.settings, now)
    client.send("/desk/log/verify")
    assert "Het logboek klopt:" in client.get("/desk/log").text
    with desk.database.write() as session:
        tamper(session, "UPDATE audit SET actor = 'editor 9' WHERE number = 3")
    client.send("/desk/log/verify")
    assert "Regel 3 is niet wat er geschreven is." in client.get("/desk/log").text
    with desk.database.write() as session:
        session.get_one(Editor, client.editor.id).locale = "fr"
    client.send("/desk/log/verify")
    assert "La ligne 3 n’est pas ce qui a été écrit." in client.get("/desk/log").text


@pytest.mark.sqlite("words do not depend on the database")
def test_there_are_words_for_all_that_can_be_wrong() -> None:
    assert set(FAULTS) == set(audit.Fault)


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
