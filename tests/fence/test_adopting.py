"""`newsletter adopt` and what people are shown: one sentence, wherever they look."""

import json
import mailbox
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from newsletter import fence, journal
from newsletter.cli import main
from newsletter.db import Database
from newsletter.doctor import outside
from newsletter.errors import TryLater
from newsletter.models import (
    Endpoint,
    Event,
    EventKind,
    Notice,
    NoticeKind,
    NoticeState,
    Role,
    Slot,
)
from newsletter.recovery import adopting, replaying
from newsletter.settings import Settings
from newsletter.tokens import tokens_of
from tests.desk.conftest import Desk, build_desk, desk
from tests.fence.test_backup import leave
from tests.fence.test_fence import go_back, raised

__all__ = ["build_desk", "desk"]
pytestmark = pytest.mark.sqlite("words and pages do not depend on the database")


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("INSTANCE_DIR", str(settings.instance_dir))
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    return CliRunner()


def test_adopt_says_what_it_found_and_asks(
    planned: Database, settings: Settings, command: CliRunner
) -> None:
    assert "Nothing is held" in command.invoke(main, ["adopt"]).output
    raised(planned, settings, 3)
    go_back(planned, 2)
    asked = command.invoke(main, ["adopt"])
    assert asked.exit_code == 2
    assert "--send or --withdraw" in asked.output
    assert "Issue 1 is sending; 25 deliveries are open." in asked.output
    assert "2 batches further" in asked.output
    done = command.invoke(main, ["adopt", "--withdraw"])
    assert done.exit_code == 0, done.output
    assert "Withdrawn: 25 deliveries" in done.output
    lines = json.loads(command.invoke(main, ["audit", "list", "--json"]).output)
    assert lines[0]["action"] == "fence.adopt"
    assert "Nothing is held" in command.invoke(main, ["adopt"]).output


def test_journals_of_other_hosts_are_taken_along(
    planned: Database, settings: Settings, command: CliRunner
) -> None:
    other = settings.instance_dir / "other.log"
    key = tokens_of(settings).address_key("r7@voorbeeld.example")
    other.write_text(f"{datetime.now(UTC).isoformat(timespec='microseconds')} left {key}\n")
    done = json.loads(command.invoke(main, ["adopt", str(other), "--json"]).output)
    assert done["replayed"] == {"left": 1, "blocked": 0, "erased": 0}


def test_what_is_no_journal_is_refused(
    planned: Database, settings: Settings, command: CliRunner
) -> None:
    other = settings.instance_dir / "readers.csv"
    other.write_text("email\nr7@voorbeeld.example\n")
    done = command.invoke(main, ["adopt", str(other)])
    assert done.exit_code == 1
    assert "is no journal" in done.output


def test_letters_and_events_alone_are_asked_about(
    database: Database, settings: Settings, command: CliRunner
) -> None:
    raised(database, settings)
    go_back(database)
    now = datetime.now(UTC)
    with database.write() as session:
        kept: dict[str, Any] = {"kinds": "x", "with_address": False, "nonce": "n", "failures": 0}
        endpoint = Endpoint(url="https://program.example", created_at=now, **kept)
        session.add(endpoint)
        session.flush()
        waits: dict[str, Any] = {"kind": EventKind.LEFT, "attempts": 0, "at": now, "due_at": now}
        session.add(Event(endpoint_id=endpoint.id, subscriber_id=1, **waits))
    asked = command.invoke(main, ["adopt"])
    assert asked.exit_code == 2, asked.output
    assert "0 letters and 1 events" in asked.output
    done = json.loads(command.invoke(main, ["adopt", "--withdraw", "--json"]).output)
    assert done["adopted"]["events"] == 1
    with database.read() as session:
        assert session.query(Event).count() == 0


def test_a_copy_empties_no_mailbox(
    database: Database, settings: Settings, command: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(database, settings)
    go_back(database)
    letters = settings.instance_dir / "Maildir"
    mailbox.Maildir(letters).add("Subject: out of the office\n\n")
    monkeypatch.setenv("BOUNCE_MAILBOX", f"maildir:{letters}")
    done = command.invoke(main, ["bounces", "fetch"])
    assert "newsletter adopt" in done.output
    assert len(mailbox.Maildir(letters)) == 1


def test_withdrawing_drops_letters_and_passes_slots_over(
    planned: Database, settings: Settings
) -> None:
    raised(planned, settings)
    go_back(planned)
    now, long_ago = datetime.now(UTC), datetime(2026, 1, 1, tzinfo=UTC)
    with planned.write() as session:
        letter: dict[str, Any]
        for kind in (NoticeKind.CONFIRM, NoticeKind.REPLY):
            letter = {"kind": kind, "locale": "nl", "facts": {}, "state": NoticeState.WAITING}
            session.add(Notice(**letter, created_at=now, due_at=now, attempts=0, email="a@b.be"))
        for cadence in settings.cadences:
            slot = {"cadence": cadence, "slot": long_ago, "ran_at": long_ago, "outcome": "x"}
            session.add(Slot(**slot))
    with planned.write() as session:
        done = adopting.adopt(session, settings, now, send=False)
    assert done.letters == 1, "a reader's reply is passed on all the same"
    assert sorted(done.passed_over) == sorted(settings.cadences)


def test_what_only_staff_may_lift_counts_more_than_what_came_later(settings: Settings) -> None:
    at = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 6)]
    purposes = [journal.Purpose(one) for one in ("back", "complaint", "bounced", "erased", "left")]
    lines = [journal.Line(*pair, "k") for pair in zip(at, purposes, strict=True)]
    entry = replaying.fates(reversed(lines))["k"].entry()
    assert entry
    assert (entry.reason.value, entry.erased_at) == ("complaint", at[3])
    back = journal.Line(at[4], journal.Purpose.BACK, "k")
    assert replaying.fates([*lines, back]) == {}


def test_the_desk_and_the_doctor_say_it_in_one_sentence(desk: Desk) -> None:
    client = desk(Role.WRITER)
    assert "newsletter adopt" not in client.get("/desk/").text
    raised(desk.database, desk.settings)
    go_back(desk.database)
    page = client.get("/desk/").text
    assert page.count("Er wordt niets verstuurd, want de databank is een teruggezette") == 1
    assert "Nothing is sent, since" in client.get("/desk/?locale=en").text
    [line] = outside.lines(desk.settings, desk.database)
    assert (line.name, line.grade) == ("fence", "fail")
    assert "newsletter adopt" in line.mend
    with desk.database.write() as session:
        fence.adopt(session, desk.settings)
    assert [one.grade for one in outside.lines(desk.settings, desk.database)] == ["ok", "ok"]


def test_files_of_root_have_lines_of_their_own(
    planned: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(planned, settings)
    month = journal.file(settings, datetime.now(UTC))
    month.parent.mkdir()
    month.touch()
    may = os.access
    monkeypatch.setattr(
        "os.access", lambda one, how: may(one, how) and (one, how) != (month, os.W_OK)
    )
    home, written = outside.lines(settings, planned)
    assert (home.grade, written.grade) == ("ok", "fail")
    assert str(month) in written.said
    (settings.outside_dir / "fence").unlink()
    (settings.outside_dir / "fence").mkdir()  # as one that cannot be read, whoever runs the test
    first = outside.lines(settings, planned)[0]
    assert (first.name, first.grade) == ("fence", "fail")
    assert "cannot be read" in first.said


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(
    planned: Database, settings: Settings
) -> None:
    away = replace(settings, outside_dir=settings.instance_dir / "gone")
    away.outside_dir.symlink_to(settings.instance_dir / "nowhere")
    with pytest.raises(TryLater, match="OUTSIDE_DIR"):
        raised(planned, away)


def test_what_root_makes_outside_belongs_to_the_service(
    planned: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the service could read neither fence nor journal after one command of root."""
    given = list[tuple[int, int]]()
    service = settings.instance_dir.stat()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda _file, *owner: given.append(owner))
    away = replace(settings, outside_dir=settings.outside_dir / "a" / "b")
    leave(planned, away, 1, now)
    raised(planned, away)
    assert given == [(service.st_uid, service.st_gid)] * len(given)
    assert len(given) >= 5, "three folders and two files"
