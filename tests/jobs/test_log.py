"""What the clock does by itself stands in the log of changes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine

from newsletter import audit
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.errors import TryLater
from newsletter.jobs import nightly, tasks
from newsletter.jobs.timetable import Clock
from newsletter.settings import Settings

pytestmark = pytest.mark.sqlite("that a line is written does not depend on the database")
EARLIER = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SLOT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)  # past nine o'clock of the first Tuesday


def test_the_clock_writes_down_what_it_does(database: Database, settings: Settings) -> None:
    library = Library(Path(settings.content_dir), settings.timezone)
    with time_machine.travel(EARLIER):  # the first time it looks, nothing is late
        tasks.run_due_slots(database, settings, library)
    with time_machine.travel(SLOT):
        made = tasks.run_due_slots(database, settings, library)
        nightly.forget_tonight(database, settings)
    assert made
    with database.read() as session:
        lines = [(line.actor, line.action, line.subject) for line in audit.found(session)]
    compiled = [(audit.CLOCK, "issue.compile", f"issue {number}") for number in reversed(made)]
    assert lines == [(audit.CLOCK, "retention.run", "personal data"), *compiled]


def test_every_night_the_log_says_how_far_it_goes(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Outside the database and INSTANCE_DIR too, so that one knows later what was cut off."""
    with time_machine.travel(SLOT):
        nightly.forget_tonight(database, settings)
        nightly.forget_tonight(database, settings)
    with database.read() as session:
        head = audit.verify(session, settings).head
    said = [record.getMessage() for record in caplog.records if record.name == nightly.__name__]
    assert said == [f"audit: 1 lines, none altered, head {head}"]
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_stay_delete")
    nightly.verify_log(database, settings)
    assert "the log of changes is broken: the database lets" in caplog.messages[-1]


def test_the_clock_notes_how_far_the_log_goes(database: Database, settings: Settings) -> None:
    clock = Clock(settings, database)
    for count in (0, 1, 1, 2):
        with database.write() as session:
            for _line in range(audit.length(session), count):
                audit.record(session, settings, audit.CLOCK, "issue.send", "issue 1", SLOT)
        clock.note_log()
        assert [head.number for head in audit.noted(settings)] == [1, 2][:count]
    (settings.instance_dir / "audit.head").unlink()
    (settings.instance_dir / "audit.head").mkdir()
    with pytest.raises(TryLater, match="cannot be noted"):
        clock.note_log()
