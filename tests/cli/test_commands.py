"""The command line as people script against it: output, exit codes, one clear sentence."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from newsletter.cli import main
from newsletter.db import Database
from newsletter.delivery import warming
from newsletter.settings import Settings
from tests.relay import RelayLog, running

ITEM = """---
title: Een bron voor {slug}
date: 2026-11-02
status: ready
topics: [water]
summary: Een samenvatting van {slug} in een korte zin.
---
Het verhaal van {slug} begint hier.
"""


@pytest.fixture
def relay() -> Iterator[RelayLog]:
    with running() as log:
        yield log


@pytest.fixture
def office(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    relay: RelayLog,
    settings: Settings,
    database: Database,
) -> Path:
    """A folder with a shelf, a migrated database and a relay that listens."""
    folder = tmp_path / "content/items/2026/11"
    folder.mkdir(parents=True)
    (tmp_path / "content/topics.toml").write_text(
        '[water]\nnl = "Water"\nfr = "Eau"\nen = "Water"\nde = "Wasser"\n'
    )
    for slug in ("een", "twee"):
        (folder / f"{slug}.nl.md").write_text(ITEM.format(slug=slug))
    for name, value in {
        "CONTENT_DIR": tmp_path / "content",
        "INSTANCE_DIR": settings.instance_dir,
        "DATABASE_URL": settings.database_url,
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": relay.port,
        "SECRET_KEY": settings.secret_key,
    }.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def data(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write_csv(office: Path, text: str) -> str:
    (office / "people.csv").write_text(text)
    return str(office / "people.csv")


PEOPLE = (
    "email,locale,topics,confirmed_at\n"
    "jan@voorbeeld.example,nl,,2026-01-02T10:00:00+01:00\n"
    "marie@voorbeeld.example,fr,water,2026-01-02\n"
    "geen adres,nl,,2026-01-02\n"
    "later@voorbeeld.example,nl,,\n"
    "kip@voorbeeld.example,nl,kippen,2026-01-02\n"
)


def test_the_road_by_commands(office: Path, relay: RelayLog) -> None:
    file = write_csv(office, PEOPLE)
    report = data("subscribers", "import", file, "--source", "lijst van 2026")
    assert report["added"] == 3
    assert [row["line"] for row in report["refused"]] == [4, 6]
    assert data("subscribers", "import", file, "--source", "lijst")["added"] == 0

    assert run("issues", "compile").stdout.strip() == "1"
    assert data("issues", "preflight", "1") == []
    assert run("issues", "send", "1").exit_code == 0
    assert data("deliver")["accepted"] == 2
    shown = data("issues", "show", "1")
    assert shown["state"] == "sent"
    assert shown["cadence"] == "monthly"
    assert {edition["locale"] for edition in shown["editions"]} == {"nl", "fr"}
    assert shown["deliveries"] == {
        "planned": 2,
        "pending": 0,
        "claimed": 0,
        "accepted": 2,
        "deferred": 0,
        "refused": 0,
        "withdrawn": 0,
        "in_doubt": 0,
        "bounced": 0,
    }
    assert sorted(taken.recipient for taken in relay.taken) == [
        "jan@voorbeeld.example",
        "marie@voorbeeld.example",
    ]
    nothing = run("issues", "compile")
    assert (nothing.exit_code, nothing.stdout[:11]) == (0, "Nothing new")
    assert data("issues", "compile") == {"number": None}

    assert run("subscribers", "leave", "JAN@voorbeeld.example").exit_code == 0
    assert data("subscribers", "show", "jan@voorbeeld.example")["state"] == "left"
    assert run("subscribers", "erase", "jan@voorbeeld.example").exit_code == 0
    assert run("subscribers", "show", "jan@voorbeeld.example").exit_code == 1
    assert data("subscribers", "import", file, "--source", "lijst")["added"] == 0
    listed = data("suppressions", "list")
    assert len(listed) == 1
    newer = office / "suppressions.json"
    newer.write_text(json.dumps(listed), "utf-8")
    assert run("suppressions", "apply", str(newer)).stdout == (
        "Entries in force: 1; subscribers blocked or erased again: 0.\n"
    )
    newer.write_text("[{}]", "utf-8")
    assert run("suppressions", "apply", str(newer)).exit_code == 1


@pytest.mark.sqlite("files are its own; PostgreSQL's log serves recovery")
def test_prv_12_erasure_leaves_no_trace_in_any_file(office: Path, database: Database) -> None:
    """Also not in SQLite's log while another process has the database open."""
    run("subscribers", "import", write_csv(office, PEOPLE), "--source", "x")
    with database.read() as session:
        session.execute(text("SELECT 1"))
    assert run("subscribers", "erase", "jan@voorbeeld.example").exit_code == 0
    for file in (office / "instance").rglob("*"):
        if file.is_file():
            assert b"jan@voorbeeld.example" not in file.read_bytes(), file


@pytest.mark.sqlite("its database is a file")
def test_nobody_else_on_the_machine_reads_the_database(office: Path) -> None:
    instance = office / "instance"
    (instance / "newsletter.db").unlink()
    assert run("migrate").exit_code == 0
    for path in (instance, *instance.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_items(office: Path) -> None:
    assert [row["slug"] for row in data("items", "list")] == ["twee", "een"]
    assert run("items", "check").exit_code == 0
    file = office / "content/items/2026/11/een.nl.md"
    file.write_text(file.read_text().replace("[water]", "[vuur]"))
    checked = run("items", "check")
    assert checked.exit_code == 1
    assert "items/2026/11/een.nl.md:5: " in checked.stderr
    assert "Traceback" not in checked.output
    assert run("issues", "compile").exit_code == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("issues", "show", "7"), "There is no issue 7"),
        (("issues", "send", "7"), "There is no issue 7"),
        (("issues", "stop", "7"), "There is no issue 7"),
        (("issues", "resume", "7"), "There is no issue 7"),
        (("issues", "approve", "7"), "There is no issue 7"),
        (("issues", "preflight", "7"), "There is no issue 7"),
        (("issues", "compile", "--cadence", "daily"), "There is no cadence 'daily'"),
        (("issues", "compile", "--items", "niets"), "There is no item 'niets'"),
        (("subscribers", "show", "wie@voorbeeld.example"), "No subscriber has this address."),
        (("subscribers", "leave", "wie@voorbeeld.example"), "No subscriber has this address."),
        (("subscribers", "erase", "wie@voorbeeld.example"), "No subscriber has this address."),
        (("suppressions", "lift", "wie@x.be", "--why", "x"), "This address is not suppressed."),
        (("subscribers", "show", "geen adres"), "This email address is not"),
        (("deliver", "--issue", "7"), "There is no issue 7"),
    ],
)
def test_one_clear_sentence_and_exit_1(office: Path, words: tuple[str, ...], sentence: str) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert result.stderr.startswith(sentence)
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("issues", "show"),
        ("issues", "show", "x"),
        ("issues", "show", "99999999999999999999"),
        ("issues", "schedule", "1", "--at", "9999-12-31T23:59:59-12:00"),
        ("issues", "schedule", "1", "--at", "tomorrow"),
        ("issues", "compile", "--cadence", "weekly", "--items", "een"),
        ("deliver", "--connections", "0"),
        ("subscribers", "import", "/no/such/file", "--source", "x"),
        ("subscribers", "export"),
    ],
)
def test_wrong_usage_is_exit_2(office: Path, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("naam,voornaam\nx,y\n", "email"),
        ("email\n", ""),
        ("email,locale\rcr@x.example,nl\r", "line 1"),
        ("", "email"),
    ],
)
def test_a_wrong_header_takes_in_nobody(office: Path, text: str, sentence: str) -> None:
    result = run("subscribers", "import", write_csv(office, text), "--source", "x")
    assert result.exit_code == (1 if sentence else 0)
    assert sentence in result.output


def test_an_unmigrated_database_is_said_so(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path / "instance"))
    monkeypatch.setenv("DATABASE_URL", empty_url)
    result = run("issues", "list")
    assert (result.exit_code, "newsletter migrate" in result.stderr) == (1, True)
    assert "now has the newest schema" in run("migrate").stdout
    assert "already has the newest schema" in run("migrate").stdout
    assert run("issues", "list").exit_code == 0


@pytest.mark.sqlite("its database is a file")
@pytest.mark.parametrize("damage", [b"no database at all, just text", b""])
def test_a_damaged_database_is_one_sentence(office: Path, damage: bytes) -> None:
    for file in (office / "instance").glob("newsletter.db*"):
        file.unlink()
    (office / "instance/newsletter.db").write_bytes(damage)
    result = run("issues", "list")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_a_database_of_a_newer_program_is_left_alone(office: Path, database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'zzzz'"))
        session.execute(text("DELETE FROM schema_floor"))
        session.execute(text("INSERT INTO schema_floor VALUES ('zzzz')"))
    for words in (("issues", "list"), ("migrate",)):
        result = run(*words)
        assert (result.exit_code, "newer version" in result.stderr) == (1, True)


def test_settings_errors_come_as_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PORT", "smtp")
    result = run("issues", "list")
    assert result.exit_code == 1
    assert result.stderr == "MAIL_PORT must be a whole number from 1 to 65535 (it is 'smtp').\n"


def test_no_relay_is_one_sentence_and_loses_nothing(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("subscribers", "import", write_csv(office, PEOPLE), "--source", "x")
    run("issues", "compile")
    run("issues", "send", "1")
    monkeypatch.setenv("MAIL_PORT", "1")
    result = run("deliver")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "The relay 127.0.0.1:1 (MAIL_SERVER, MAIL_PORT) does not answer"
    )
    assert data("issues", "show", "1")["deliveries"]["pending"] == 2


def test_the_warm_up_is_said_and_deliver_does_not_wait_for_it(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "START", 1)
    monkeypatch.setenv("WARMUP_DAYS", "7")
    run("subscribers", "import", write_csv(office, PEOPLE), "--source", "x")
    run("issues", "compile")
    for words in (("show", "1"), ("schedule", "1", "--at", "2099-01-01T09:00"), ("send", "1")):
        said = run("issues", *words)
        assert "With the warm-up (WARMUP_DAYS) issue 1 takes until" in said.stdout
        assert "more than LATE_HOURS=12 after it begins" in said.stderr
    result = run("deliver")
    assert "1 messages accepted by the relay; 1 deliveries are open." in result.stdout
    assert "The next one is due at" in result.stdout


def test_a_relay_that_refuses_us_pauses_and_resume_goes_on(office: Path, relay: RelayLog) -> None:
    run("subscribers", "import", write_csv(office, PEOPLE), "--source", "x")
    run("issues", "compile")
    run("issues", "send", "1")
    relay.script = lambda stage, _to: "550 5.7.26 not authenticated" if stage == "mail" else None
    assert run("deliver").exit_code == 1
    shown = data("issues", "show", "1")
    assert shown["state"] == "paused"
    assert "5.7.26" in shown["why"]
    assert shown["deliveries"]["refused"] == 0
    relay.script = lambda stage, _to: None
    assert run("issues", "resume", "1").exit_code == 0
    assert data("deliver")["accepted"] == 2
