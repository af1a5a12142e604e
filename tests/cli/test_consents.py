"""`newsletter subscribers consent …` and what staff does about consent, by command."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from newsletter.cli import consents, main
from newsletter.db import Database
from newsletter.models import NoticeKind, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import preferences, receipts
from tests.subscribers.people import ask, dump, form, kinds, reader
from tests.subscribers.test_chain import forge

JAN = "jan@example.be"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, database: Database, now: datetime
) -> Callable[..., Result]:
    """The command line beside a database with Jan, who signed up and confirmed."""
    monkeypatch.setenv("INSTANCE_DIR", str(settings.instance_dir))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    with database.write() as session:
        reader(session, settings, now, "Jan@Example.be")
    return lambda *words: CliRunner().invoke(main, list(words))


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def jan(database: Database) -> Subscriber:
    with database.read() as session:
        found = preferences.find_by_address(session, JAN)
    assert found is not None
    return found


def test_prv_02_the_proof_is_printed_for_a_person_to_read(run: Callable[..., Result]) -> None:
    printed = run("subscribers", "consent", "JAN@example.be")
    assert printed.exit_code == 0
    text = " ".join(printed.stdout.split())
    for part in (
        "PROOF OF CONSENT of Jan@example.be",
        "address as compared jan@example.be",
        "tracking consent none was asked for",
        "kept until 1095 days after leaving",
        "chain intact up to link 2",
        "1. ASKED by form when 2026-11-23T09:00:00.000000+00:00 (local: 2026-11-23T10:00:00+01:00)",
        "address fits its hash yes",
        "“Ja, de VVSG",
        "signup-1.nl, 5eed6eaaef23ce02",
        "source https://nieuws.test/nl/",
        "203.0.113.77, Testbrowser/17 (very particular) (whole); fits its hash: yes",
        "2. CONFIRMED by page",
        "confirm token SHA-256",
        "chain intact up to here yes",
    ):
        assert part in text, part


def test_a_fresh_sign_up_is_sealed_before_its_proof_is_printed(
    run: Callable[..., Result],
) -> None:
    proof = data(run("subscribers", "consent", JAN, "--json"))
    assert [event["seal"]["number"] for event in proof["events"]] == [1, 2]
    checked = run("subscribers", "consent", "--verify")
    assert checked.exit_code == 0
    assert checked.stdout.startswith("The chain is intact: 2 links, the last one ")
    verdict = data(run("subscribers", "consent", "--verify", "--json"))
    assert (verdict["links"], verdict["broken"], verdict["unsealed"]) == (2, None, 0)
    assert verdict["hash"] == proof["events"][1]["seal"]["hash"]


def test_a_long_walk_shows_how_far_it_is(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consents, "LONG", 1)
    for words in (("--verify",), (JAN,)):
        assert "Checking the chain: 2 of 2" in run("subscribers", "consent", *words).stdout
    data(run("subscribers", "consent", JAN, "--json"))


def test_a_broken_chain_is_exit_1_and_the_place(
    run: Callable[..., Result], database: Database
) -> None:
    run("subscribers", "consent", "--verify")
    forge(database, "UPDATE consents SET route = 'forged' WHERE id = 2")
    broken = run("subscribers", "consent", "--verify")
    assert broken.exit_code == 1
    assert broken.stderr.startswith("The chain is broken at link 2 (event 2): the hash")
    assert run("subscribers", "consent", "--verify", "--json").exit_code == 1
    proof = run("subscribers", "consent", JAN)
    assert "BROKEN at link 2" in proof.stdout


def test_a_receipt_is_checked_against_the_chain(
    run: Callable[..., Result],
    database: Database,
    settings: Settings,
    now: datetime,
    tmp_path: Path,
) -> None:
    run("subscribers", "consent", "--verify")
    with database.read() as session:
        receipt = receipts.receipt(session, settings, jan(database), now)
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt), "utf-8")
    checked = run("subscribers", "consent", "--receipt", str(file))
    assert (checked.exit_code, checked.stdout[:39]) == (
        0,
        "The receipt is genuine (2 events), and ",
    )
    forge(database, "DELETE FROM seals WHERE number = 2")
    cut = run("subscribers", "consent", "--receipt", str(file))
    assert cut.exit_code == 1
    assert "does not hold its links any more: 2." in cut.stderr
    for nonsense, sentence in (
        (json.dumps(receipt | {"key": "other"}), "The receipt was altered"),
        (json.dumps(receipt | {"signature": "AAAA"}), "The receipt was altered"),
        ("[]", "This file is not a receipt."),
        ("{", "This file is not a receipt."),
        ("{}", "This file is not a receipt."),
    ):
        file.write_text(nonsense, "utf-8")
        refused = run("subscribers", "consent", "--receipt", str(file))
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith(sentence)


def test_the_public_key_is_printed(run: Callable[..., Result], settings: Settings) -> None:
    assert run("subscribers", "consent", "--key").stdout == receipts.published(settings)


@pytest.mark.parametrize("words", [(), (JAN, "--verify"), ("--verify", "--key")])
def test_one_thing_at_a_time(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    assert run("subscribers", "consent", *words).exit_code == 2


def test_nobody_is_one_sentence(run: Callable[..., Result]) -> None:
    nobody = run("subscribers", "consent", "wie@example.be")
    assert (nobody.exit_code, nobody.stderr) == (1, "No subscriber has this address.\n")


def test_prv_12_erasing_tells_the_person_only_when_asked_to(
    run: Callable[..., Result], database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        ask(session, settings, now, form("an@example.be"))
        reader(session, settings, now, "piet@example.be")
    assert run("subscribers", "erase", JAN, "--why", f"{JAN} phoned").exit_code == 0
    with database.read() as session:
        assert JAN not in str(dump(session)).lower()
        assert NoticeKind.ERASED not in kinds(session)
    assert run("subscribers", "erase", "piet@example.be", "--tell").exit_code == 0
    with database.read() as session:
        assert kinds(session).count(NoticeKind.ERASED) == 1


def test_prv_12_staff_closes_lifts_and_forgets_an_address(
    run: Callable[..., Result], database: Database
) -> None:
    assert run("suppressions", "add", JAN, "--why", "a letter by post").exit_code == 0
    shown = data(run("subscribers", "show", JAN, "--json"))
    assert (shown["state"], shown["suppression"]["why"]) == ("suppressed", "a letter by post")
    assert "suppression   staff since" in run("subscribers", "show", JAN).stdout
    proof = data(run("subscribers", "consent", JAN, "--json"))["events"][-1]
    assert (proof["event"], proof["route"]) == ("withdrawn", "staff")
    assert proof["facts"] == {"reason": "a letter by post"}
    assert run("suppressions", "lift", JAN, "--why", "they called").exit_code == 0
    [entry] = data(run("suppressions", "list", "--json"))
    assert (entry["reason"], entry["lifted_why"]) == ("staff", "they called")
    assert run("suppressions", "forget", JAN).exit_code == 2
    assert run("suppressions", "forget", JAN, "--sure").exit_code == 0
    assert data(run("suppressions", "list", "--json")) == []
    again = run("suppressions", "forget", JAN, "--sure")
    assert (again.exit_code, again.stderr) == (1, "There is no suppression of this address.\n")


def test_prv_13_the_export_by_command_is_whole(run: Callable[..., Result]) -> None:
    held = data(run("subscribers", "export", JAN))
    assert (held["email"], held["canonical"], held["state"]) == ("Jan@example.be", JAN, "active")
    assert [event["event"] for event in held["consents"]] == ["asked", "confirmed"]
    everybody = run("subscribers", "export", "--all").stdout.splitlines()
    assert [json.loads(line)["email"] for line in everybody] == ["Jan@example.be"]
