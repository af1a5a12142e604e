"""Receipts: anybody can check one, with the published key and the script of the manual."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

import config
from newsletter.app import create_app
from newsletter.db import Database
from newsletter.models import Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import chain, privacy, receipts
from tests.subscribers.people import AGENT, IP, dump, reader
from tests.subscribers.test_chain import forge

MANUAL = config.PROJECT_DIR / "docs" / "CONSENT.md"


@pytest.fixture
def someone(session: Session, settings: Settings, now: datetime) -> Subscriber:
    """Who signed up, confirmed, and whose proofs are sealed."""
    subscriber = reader(session, settings, now, "Jan.Peeters@exämple.be")
    chain.seal(session, now, 0)
    return subscriber


def given(
    session: Session, settings: Settings, subscriber: Subscriber, now: datetime
) -> dict[str, Any]:
    """A receipt as a reader keeps it: written to a file and read again."""
    made = receipts.receipt(session, settings, subscriber, now)
    read: dict[str, Any] = json.loads(json.dumps(made, ensure_ascii=False, indent=2))
    return read


def script(folder: Path, receipt: dict[str, Any], keys: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the manual, word for word."""
    code = re.findall(r"```python\n(.*?)```", MANUAL.read_text("utf-8"), re.DOTALL)[0]
    (folder / "receipt.json").write_text(json.dumps(receipt, ensure_ascii=False), "utf-8")
    (folder / "keys.txt").write_text(keys)
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, "receipt.json", "keys.txt"],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.mark.sqlite("what is checked is a file")
def test_prv_02_the_script_of_the_manual_checks_a_receipt_offline(
    session: Session, settings: Settings, someone: Subscriber, now: datetime, tmp_path: Path
) -> None:
    receipt = given(session, settings, someone, now)
    rotated = replace(
        settings,
        secret_keys=("another key, newer than the first", settings.secret_key),
    )
    keys = create_app(rotated).test_client().get("/receipts/key")
    assert keys.mimetype == "text/plain"
    checked = script(tmp_path, receipt, keys.text)
    assert checked.returncode == 0, checked.stderr
    assert "Ja, de VVSG" in checked.stdout
    assert [line.split()[1] for line in checked.stdout.splitlines()] == ["asked", "confirmed"]
    receipt["payload"]["events"][0]["consent"]["locale"] = "fr"
    forged = script(tmp_path, receipt, keys.text)
    assert forged.returncode == 1
    assert "InvalidSignature" in forged.stderr


def test_a_receipt_holds_ones_own_events_with_all_that_proves_them(
    session: Session, settings: Settings, someone: Subscriber, now: datetime
) -> None:
    reader(session, settings, now, "piet@example.be")
    before = dump(session)
    receipt = given(session, settings, someone, now)
    assert dump(session) == before, "it is downloaded by GET"
    payload = receipt["payload"]
    assert (payload["subscriber"], payload["format"]) == (someone.id, receipts.FORMAT)
    assert payload["controller"]["name"] == settings.org_name
    asked, confirmed = payload["events"]
    assert asked["wording"]["text"].startswith("Ja, de VVSG")
    assert asked["wording"]["sha256"] == asked["consent"]["wording_hash"]
    assert asked["details"]["email"] == someone.email
    assert (asked["origin"]["ip"], asked["origin"]["user_agent"]) == (IP, AGENT)
    assert (asked["seal"]["number"], asked["seal"]["previous"]) == (1, chain.FIRST)
    assert confirmed["seal"]["previous"] == asked["seal"]["hash"]
    assert "piet" not in json.dumps(receipt)
    key = receipts.public_keys(settings)[receipt["key"]]
    assert receipts.verify(receipt, key)


def _alter(receipt: dict[str, Any], *path: Any) -> None:
    *way, last = path
    for step in way:
        receipt = receipt[step]
    receipt[last] = "x"


@pytest.mark.parametrize(
    "path",
    [
        ("signature",),
        ("payload", "issued_at"),
        ("payload", "controller", "name"),
        ("payload", "events", 0, "consent", "at"),
        ("payload", "events", 0, "wording", "text"),
        ("payload", "events", 1, "seal", "hash"),
    ],
)
@pytest.mark.sqlite("what is checked is a file")
def test_a_receipt_that_was_altered_is_not_genuine(
    session: Session,
    settings: Settings,
    someone: Subscriber,
    now: datetime,
    path: tuple[Any, ...],
) -> None:
    receipt = given(session, settings, someone, now)
    key = receipts.public_keys(settings)[receipt["key"]]
    assert receipts.verify(receipt, key)
    _alter(receipt, *path)
    assert not receipts.verify(receipt, key)


@pytest.mark.sqlite("what is checked is a file")
def test_nobody_else_can_sign_and_nonsense_is_no_receipt(
    session: Session, settings: Settings, someone: Subscriber, now: datetime
) -> None:
    other = replace(settings, secret_keys=("the key of somebody else, as long",))
    forged = given(session, other, someone, now)
    ours = next(iter(receipts.public_keys(settings).values()))
    assert not receipts.verify(forged, ours)
    nonsenses: tuple[dict[str, Any], ...] = ({}, {"signature": "x", "payload": {}})
    for nonsense in (*nonsenses, {"signature": None, "payload": {}}):
        assert not receipts.verify(nonsense, ours)


def test_our_own_signature_under_hashes_that_do_not_fit_is_no_receipt(
    database: Database, settings: Settings, now: datetime
) -> None:
    """Somebody changed a row; the receipt signed after that must not look sound."""
    with database.write() as session:
        subscriber = reader(session, settings, now).id
        chain.seal(session, now, 0)
    forge(database, "UPDATE consent_details SET email = 'other@x.be' WHERE consent_id = 1")
    with database.read() as session:
        receipt = given(session, settings, session.get_one(Subscriber, subscriber), now)
    key = receipts.public_keys(settings)[receipt["key"]]
    assert not receipts.verify(receipt, key)


def test_a_receipt_of_the_first_minute_has_no_seals_yet(
    session: Session, settings: Settings, now: datetime
) -> None:
    receipt = given(session, settings, reader(session, settings, now), now)
    assert [event["seal"] for event in receipt["payload"]["events"]] == [None, None]
    assert receipts.verify(receipt, receipts.public_keys(settings)[receipt["key"]])
    assert receipts.missing_links(session, receipt) == []


def test_a_receipt_shows_that_the_end_of_the_chain_was_cut_off(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        subscriber = reader(session, settings, now)
        chain.seal(session, now, 0)
        receipt = given(session, settings, subscriber, now)
        assert receipts.missing_links(session, receipt) == []
    forge(database, "DELETE FROM seals WHERE number = 2")
    with database.read() as session:
        assert chain.verify(session).broken is None, "the chain alone cannot tell"
        assert receipts.missing_links(session, receipt) == [2]


def test_prv_12_a_receipt_outlives_erasure(
    session: Session, settings: Settings, someone: Subscriber, now: datetime
) -> None:
    receipt = given(session, settings, someone, now)
    privacy.erase(session, settings, someone, now)
    assert receipts.verify(receipt, receipts.public_keys(settings)[receipt["key"]])
    assert receipts.missing_links(session, receipt) == []
    later = json.dumps(receipts.receipt(session, settings, someone, now)).lower()
    assert not [trace for trace in ("jan.peeters", "xn--", IP) if trace in later]


@pytest.mark.sqlite("what is checked is a file")
def test_sec_18_receipts_of_an_older_secret_still_verify(
    session: Session, settings: Settings, someone: Subscriber, now: datetime
) -> None:
    old = given(session, settings, someone, now)
    rotated = replace(
        settings,
        secret_keys=("another key, newer than the first", settings.secret_key),
    )
    new = given(session, rotated, someone, now)
    keys = receipts.public_keys(rotated)
    assert list(keys) == [new["key"], old["key"]]
    assert receipts.verify(old, keys[old["key"]])
    assert receipts.verify(new, keys[new["key"]])
    assert not receipts.verify(new, keys[old["key"]])
    published = receipts.published(rotated)
    assert re.findall(r"^key (\w+)$", published, re.MULTILINE) == list(keys)
    assert "PRIVATE" not in published
