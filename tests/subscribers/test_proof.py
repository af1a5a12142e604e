"""The proof of one person's consent, as a privacy officer reads it (STANDARDS 7a)."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.models import ConsentEvent, Subscriber, SuppressionReason
from newsletter.settings import Settings
from newsletter.subscribers import chain, consent, leaving, privacy, proof
from tests.subscribers.people import AGENT, IP, ask, dump, form, only, reader
from tests.subscribers.test_chain import forge


def test_prv_02_the_proof_tells_the_whole_story_in_order(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now, "Jan@Example.be")
    leaving.leave(session, settings, someone, "one-click", now + timedelta(days=1), 7)
    chain.seal(session, now, 0)
    before = dump(session)
    told = proof.proof(session, settings, someone)
    assert dump(session) == before
    assert (told["email"], told["canonical"]) == ("Jan@example.be", "jan@example.be")
    assert told["controller"]["number"] == settings.org_number
    assert told["tracking_consent"].startswith("none")
    assert (told["chain_walked_to"], told["chain_broken"]) == (3, None)
    asked, confirmed, withdrawn = told["events"]
    assert (asked["event"], confirmed["event"]) == ("asked", "confirmed")
    assert asked["at"] == "2026-11-23T09:00:00.000000+00:00"
    assert asked["at_local"] == "2026-11-23T10:00:00+01:00"
    assert asked["sentence"] == {
        "id": "signup-1.nl",
        "text": consent.wording("nl").text,
        "sha256": consent.wording("nl").sha256,
    }
    assert (asked["route"], asked["source"]) == ("form", "https://nieuws.test/nl/")
    assert (asked["ip"], asked["user_agent"], asked["origin"]) == (IP, AGENT, "whole")
    assert (withdrawn["event"], withdrawn["route"]) == ("withdrawn", "one-click")
    assert (withdrawn["issue"], withdrawn["origin"]) == (7, "none: no browser took part")
    for number, event in enumerate(told["events"], start=1):
        assert event["seal"]["number"] == number
        assert event["chain_intact_up_to_here"] is True
        assert event["email_fits_its_hash"] is True
    assert asked["origin_fits_its_hash"] is asked["sentence_fits_its_hash"] is True


def test_the_proof_says_what_was_shortened_erased_or_is_not_sealed_yet(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    consent.shorten_origins(session, now + timedelta(days=1))
    asked, _confirmed = proof.proof(session, settings, someone)["events"]
    assert asked["origin"] == f"shortened after {settings.origin_days} days"
    assert (asked["ip"], asked["user_agent"]) == ("203.0.113.0/24", "Testbrowser")
    assert asked["origin_fits_its_hash"] is asked["chain_intact_up_to_here"] is None
    privacy.erase(session, settings, someone, now)
    asked, _confirmed, erased = proof.proof(session, settings, someone)["events"]
    assert (asked["email"], asked["ip"], asked["origin"]) == (None, None, "erased")
    assert asked["email_fits_its_hash"] is None
    assert erased["event"] == ConsentEvent.ERASED.value


def test_the_proof_shows_where_the_chain_breaks(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        someone = reader(session, settings, now).id
        chain.seal(session, now, 0)
    forge(database, "UPDATE consents SET at = at, route = 'forged' WHERE id = 2")
    with database.read() as session:
        told = proof.proof(session, settings, session.get_one(Subscriber, someone))
    assert told["chain_broken"].startswith("at link 2 (event 2): the hash does not fit")
    assert [event["chain_intact_up_to_here"] for event in told["events"]] == [True, False]


def test_prv_12_the_proof_says_how_long_the_address_is_kept(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form("jan@example.be"))
    someone = only(session)
    assert proof.kept_until(settings, someone) == "7 days after the request, unless it is confirmed"
    someone = reader(session, settings, now)
    assert proof.kept_until(settings, someone) == "1095 days after leaving"
    leaving.leave(session, settings, someone, "page", now)
    assert proof.kept_until(settings, someone) == "2029-11-22"
    privacy.erase(session, settings, someone, now)
    assert "erased" in proof.kept_until(settings, someone)


def test_a_complaint_and_a_closed_address_are_in_the_proof_as_withdrawals(
    session: Session, settings: Settings, now: datetime
) -> None:
    for email, reason in (
        ("a@x.be", SuppressionReason.COMPLAINT),
        ("b@x.be", SuppressionReason.STAFF),
    ):
        someone = reader(session, settings, now, email)
        privacy.suppress(session, settings, email, reason, now, f"called: {email}")
        last = proof.proof(session, settings, someone)["events"][-1]
        assert (last["event"], last["route"]) == ("withdrawn", reason.value)
        assert last["facts"] == {"reason": "called: <address>"}
