"""`newsletter editors` and `newsletter audit`: the first administrator, and the log."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from newsletter import audit
from newsletter.app import create_app
from newsletter.cli import main
from newsletter.db import Database
from newsletter.jobs import nightly
from newsletter.models import Editor, Notice, NoticeKind
from newsletter.settings import Settings

pytestmark = pytest.mark.sqlite("commands call functions that are tested on both")
AN = ("editors", "create", "an@voorbeeld.example", "--name", "An Peeters")


@pytest.fixture(autouse=True)
def office(monkeypatch: pytest.MonkeyPatch, settings: Settings, database: Database) -> Path:
    """A migrated database, and nothing in the environment but where it is."""
    monkeypatch.chdir(settings.instance_dir)
    for name in ("secret_key", "base_url", "database_url", "instance_dir"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    assert database.engine.name == "sqlite"
    return settings.instance_dir


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code, result.output
    return result


def test_the_first_administrator(settings: Settings, database: Database) -> None:
    said = run(*AN, "--role", "administrator").output
    assert said == "The invitation of An Peeters is on its way.\n"
    with database.read() as session:
        notice = session.scalars(select(Notice)).one()
    assert (notice.kind, notice.email) == (NoticeKind.INVITATION, "an@voorbeeld.example")
    link = run("editors", "invite", "an@voorbeeld.example", "--link").output.strip()
    assert link.startswith(f"{settings.base_url}/desk/password/")
    page = create_app(settings, database).test_client().get(link.removeprefix(settings.base_url))
    assert page.status_code == 200


def test_the_list_of_editors() -> None:
    run(*AN, "--role", "administrator", "--link")
    run("editors", "create", "wim@voorbeeld.example", "--name", "Wim", "--link")
    rows = json.loads(run("editors", "list", "--json").output)
    assert [(row["name"], row["role"]) for row in rows] == [
        ("An Peeters", "administrator"),
        ("Wim", "writer"),
    ]
    assert "(invited)" in run("editors", "list").output
    run("editors", "deactivate", "wim@voorbeeld.example")
    assert "(not active)" in run("editors", "list").output


def test_who_lost_a_telephone_begins_anew(settings: Settings, database: Database) -> None:
    run(*AN, "--role", "administrator", "--link")
    with database.write() as session:
        an = session.scalars(select(Editor)).one()
        an.password, an.tf_totp_secret = "a hash", "a secret"
    said = run("editors", "reset", "an@voorbeeld.example").output
    assert said == "The invitation of An Peeters is on its way.\n"
    link = run("editors", "reset", "an@voorbeeld.example", "--link").output.strip()
    page = create_app(settings, database).test_client().get(link.removeprefix(settings.base_url))
    assert page.status_code == 200
    with database.read() as session:
        an = session.scalars(select(Editor)).one()
        assert (an.password, an.tf_totp_secret) == (None, None)
        assert [line.action for line in audit.found(session, "reset")] == ["editor.reset"] * 2
        assert [notice.kind for notice in session.scalars(select(Notice))] == ["invitation"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (AN, "already"),
        (("editors", "create", "x", "--name", "X"), ""),
        (("editors", "create", "x@y.example", "--name", " "), "name"),
        (("editors", "invite", "x@y.example"), "No editor has this address."),
        (("editors", "reset", "x@y.example"), "No editor has this address."),
        (("editors", "deactivate", "an@voorbeeld.example"), "administrator"),
    ],
)
def test_one_clear_sentence(words: tuple[str, ...], sentence: str) -> None:
    run(*AN, "--role", "administrator")
    result = run(*words, code=1)
    assert sentence.lower() in result.stderr.lower()
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_log_by_commands(database: Database) -> None:
    assert re.fullmatch(r"0 lines, none altered; .*\n", run("audit", "verify").output)
    run(*AN, "--role", "administrator")
    run("suppressions", "add", "weg@voorbeeld.example")
    run("suppressions", "lift", "weg@voorbeeld.example", "--why", "asked")
    lines = json.loads(run("audit", "list", "--json").output)
    assert [line["action"] for line in lines] == [
        "suppression.lift",
        "suppression.add",
        "editor.invite",
    ]
    assert {line["actor"] for line in lines} == {"command line"}
    assert "voorbeeld.example" not in json.dumps(lines)
    assert "editor.invite editor 1 role=administrator" in run("audit", "list").output
    assert len(run("audit", "list", "--search", "suppression").output.splitlines()) == 2
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_stay_update")
        connection.exec_driver_sql("UPDATE audit SET action = 'x' WHERE number = 2")
    assert json.loads(run("audit", "verify", "--json", code=1).output)["broken"]
    assert "line 2 is not what was written" in run("audit", "verify", code=1).stderr


def test_the_log_is_compared_with_what_was_noted(settings: Settings, database: Database) -> None:
    run(*AN, "--role", "administrator")
    nightly.note_log(database, settings)
    verdict = json.loads(run("audit", "verify", "--json").output)
    assert (verdict["lines"], verdict["noted"], verdict["broken"]) == (1, 1, None)
    assert "Compared with 1 noted" in run("audit", "verify").output
    mine = ("audit", "verify", "--lines", "1", "--head")
    run(*mine, verdict["head"])
    assert "not the one that was noted" in run(*mine, "0" * 64, code=1).stderr
    assert "ends before it" in run("audit", "verify", "--lines=2", "--head=x", code=1).stderr
    run(*mine[:-1], code=2)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_stay_delete")
        connection.exec_driver_sql("DELETE FROM audit")
    assert "line 1 was noted, and the log ends before it" in run("audit", "verify", code=1).stderr
