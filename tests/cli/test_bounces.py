"""`newsletter bounces read`: files, mbox files and Maildirs, each report once."""

import json
import mailbox
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from newsletter.cli import main
from newsletter.db import Database
from newsletter.settings import Settings
from tests.bounces.mails import complaint, dsn, person
from tests.bounces.world import BOX, World

R2 = "r2@voorbeeld.example"


@pytest.fixture
def box(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    database: Database,
    now: datetime,
) -> Path:
    """An mbox with what came back of an issue."""
    for name, value in {
        "INSTANCE_DIR": settings.instance_dir,
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "RETURN_PATH": BOX,
        "REPLY_TO": "redactie@nieuws.test",
    }.items():
        monkeypatch.setenv(name, str(value))
    with database.write() as session:
        world = World(session, settings, now)
        world.readers(3)
        rows = world.issue(1, now)
        tokens = [world.message_id(row) for row in rows]
    file = tmp_path / "mail" / "bounces"
    file.parent.mkdir()
    made = mailbox.mbox(file)
    made.add(dsn(BOX, message_id=tokens[0]))
    made.add(complaint(BOX, message_id=tokens[1]))
    made.add(person())
    made.add(dsn(BOX))
    made.close()
    return file


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_read_says_what_it_did_and_does_it_once(box: Path) -> None:
    assert run("bounces", "read", str(box)).stdout == (
        "Reports: 4\n"
        "  hard: 2\n"
        "  complaint: 1\n"
        "  human: 1\n"
        "2 readers who are mailed no more\n"
        "1 messages of people, passed on to REPLY_TO\n"
        "1 that prove nothing, and moved nothing\n"
    )
    counts = json.loads(run("bounces", "read", str(box.parent), "--json").stdout)
    assert (counts["again"], counts["suppressed"], counts["forwarded"]) == (2, 0, 0)
    listed = run("suppressions", "list").stdout
    assert "bounced (hard 5.1.1 (1): 550 5.1.1 no such user) since " in listed
    assert "until the person confirms again" in listed
    assert "complaint (complaint (1)) since " in listed
    assert "until staff lifts it" in listed
    assert run("suppressions", "lift", R2, "--why", "a mistake").exit_code == 0
    assert "lifted " in run("suppressions", "list").stdout


def test_the_list_comes_back_after_a_restore_with_reason_and_erasure(
    box: Path, tmp_path: Path
) -> None:
    run("bounces", "read", str(box))
    run("subscribers", "erase", R2)
    rows = json.loads(run("suppressions", "list", "--json").stdout)
    assert {row["until"] for row in rows} == {"confirmed", "staff"}
    (erased,) = [row for row in rows if row["erased_at"]]
    assert erased["reason"] == "complaint"
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(rows), "utf-8")
    assert run("suppressions", "apply", str(newer)).exit_code == 0


def test_what_is_not_there_is_one_sentence(box: Path) -> None:
    missing = run("bounces", "read", "/no/such/file")
    assert (missing.exit_code, missing.stderr) == (1, "/no/such/file is not there.\n")
    (box.parent / "folder").mkdir()
    assert run("bounces", "read", str(box.parent / "folder")).stdout == "Reports: 0\n"
