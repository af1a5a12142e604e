"""A worker as its unit starts it, on PostgreSQL."""

import shlex
import signal
import sys
from pathlib import Path

import pytest

from newsletter.settings import Settings
from tests.deploy import cage
from tests.deploy.files import DEPLOY, FILLED, words
from tests.faults.programs import wait_for

UNIT = DEPLOY / "systemd" / "newsletter-worker@.service"


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.skipif(bool(cage.why_not()), reason=cage.why_not())
def test_a_worker_works_and_ends_under_the_rules_of_its_unit(
    settings: Settings, tmp_path: Path
) -> None:
    environ = {name: "".join(shlex.split(value)) for name, value in FILLED.items()}
    environ |= {
        "MAIL_DEFAULT_SENDER": "fiabel@nieuws.example",
        "NEWSLETTER_ENV": "production",
        "DATABASE_URL": settings.database_url,
        "CLOCK": "workers",
        "INSTANCE_DIR": str(tmp_path / "state/instance"),
    }
    (tmp_path / "state").mkdir()
    output = tmp_path / "output.txt"
    command = [sys.executable, "-m", "newsletter.cli", *words(UNIT)]
    process = cage.start(UNIT, command, tmp_path / "state", environ, output)
    try:
        wait_for(lambda: process.poll() is not None or "Stop" in output.read_text(), "the start")
        assert process.poll() is None, output.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code == 0, output.read_text()
