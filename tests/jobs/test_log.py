"""What the clock does by itself stands in the log of changes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine

from newsletter import audit
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.jobs import nightly, tasks
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
