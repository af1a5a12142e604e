"""`newsletter subscribers import` and `export --all`: what people see, and what scripts read."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from newsletter.cli import main
from newsletter.db import Database
from newsletter.models import Subscriber
from newsletter.settings import Settings
from newsletter.subscribers.importing import taking

PEOPLE = (
    "email,locale,confirmed_at\n"
    "jan@voorbeeld.example,nl,2026-01-02T10:00:00+01:00\n"
    "geen adres,nl,2026-01-02\n"
    "marie@voorbeeld.example,fr,2026-01-02\n"
    "later@voorbeeld.example,nl,\n"
    "kip@voorbeeld.example,kip,\n"
)
MAILCHIMP = (
    "Email Address,First Name,CONFIRM_TIME,LEID,EUID,UNSUB_TIME\n"
    "jan@voorbeeld.example,Jan,2026-01-02 10:00:00,1,a,\n"
    "an@voorbeeld.example,An,2026-01-02 10:00:00,2,b,2026-02-01 10:00:00\n"
)


@pytest.fixture(autouse=True)
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, database: Database
) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content/topics.toml").write_text("")
    monkeypatch.setenv("CONTENT_DIR", str(tmp_path / "content"))
    monkeypatch.setenv("INSTANCE_DIR", str(settings.instance_dir))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)


def take(tmp_path: Path, text: str, *words: str) -> Result:
    file = tmp_path / "people.csv"
    file.write_text(text)
    command = ["subscribers", "import", str(file), "--source", "list of 2026", *words]
    return CliRunner().invoke(main, command)


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def how_many(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Subscriber)) or 0


def test_the_report_for_people(tmp_path: Path) -> None:
    done = take(tmp_path, PEOPLE)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "3 added, 0 confirmed, 0 unchanged, 2 refused."
    assert done.stdout.startswith("Importing: 5 of 5\n")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["line 3", "line 6"]


def test_the_report_for_scripts(tmp_path: Path) -> None:
    done = said(take(tmp_path, PEOPLE, "--json"))
    refused = done.pop("refused")
    assert done == {
        "format": "plain",
        "ignored": [],
        "dry_run": False,
        "added": 3,
        "activated": 0,
        "unchanged": 0,
    }
    assert [row["line"] for row in refused] == [3, 6]
    assert refused[1]["reason"].startswith("there is no locale 'kip'")
    assert said(take(tmp_path, "email\n", "--json"))["refused"] == []


def test_thousands_of_refusals_are_one_document(tmp_path: Path) -> None:
    rows = "".join(f"wrong {number}\n" for number in range(2500))
    refused = said(take(tmp_path, "email\n" + rows, "--json"))["refused"]
    assert [row["line"] for row in refused] == list(range(2, 2502))


def test_a_dry_run_says_so_and_writes_nothing(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BATCH", 2)
    done = take(tmp_path, PEOPLE + PEOPLE.partition("\n")[2], "--dry-run")
    last = "Would be: 3 added, 0 confirmed, 3 unchanged, 4 refused."
    assert done.stdout.splitlines()[-1] == last
    assert said(take(tmp_path, PEOPLE, "--dry-run", "--json"))["dry_run"] is True
    assert how_many(database) == 0


def test_a_file_of_mailchimp_is_said_to_be_one(tmp_path: Path) -> None:
    done = take(tmp_path, MAILCHIMP)
    assert "This is a file of Mailchimp.\n" in done.stdout
    assert "no time of consent" not in done.stdout
    assert "Columns left out: First Name, LEID, EUID.\n" in done.stdout
    assert done.stderr == "line 3: this person unsubscribed there.\n"
    again = said(take(tmp_path, MAILCHIMP, "--json"))
    assert (again["format"], again["unchanged"]) == ("Mailchimp", 1)
    assert again["ignored"] == ["First Name", "LEID", "EUID"]


def test_a_column_with_the_time_of_consent_can_be_named(tmp_path: Path) -> None:
    text = "uuid,email,name,attributes,status,created_at,updated_at\n"
    text += "1,jan@voorbeeld.example,Jan,{},enabled,2024-03-14 09:12:31 +0000 UTC,\n"
    assert said(take(tmp_path, text, "--json"))["added"] == 1
    chosen = said(take(tmp_path, text, "--json", "--confirmed-at", "created_at"))
    assert (chosen["activated"], chosen["added"]) == (1, 0)
    assert "--confirmed-at COLUMN names one.\n" in take(tmp_path, text).stdout
    wrong = take(tmp_path, text, "--confirmed-at", "created")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr == "line 1: the header has no column 'created' (--confirmed-at).\n"


def test_batches_before_a_fault_of_the_database_are_kept(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BATCH", 2)
    rows = "".join(f"r{number}@voorbeeld.example\n" for number in range(10))
    store, seen = taking._store, list[int]()

    def broken(*arguments: Any) -> None:
        seen.append(1)
        if len(seen) == 4:
            raise KeyboardInterrupt
        store(*arguments)

    monkeypatch.setattr(taking, "_store", broken)
    assert take(tmp_path, "email\n" + rows).exit_code == 1
    assert how_many(database) == 6
    monkeypatch.setattr(taking, "_store", store)
    done = take(tmp_path, "email\n" + rows)
    assert done.stdout.splitlines()[-1] == "4 added, 0 confirmed, 6 unchanged, 0 refused."
