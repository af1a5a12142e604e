"""Erasure leaves no trace, and the copy of one's data is whole."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import notices, suppression
from newsletter.models import (
    Consent,
    ConsentEvent,
    Delivery,
    DeliveryState,
    FormRequest,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import addressing, chain, preferences, privacy, settling
from newsletter.subscribers.importing import import_csv
from newsletter.tokens import Tokens
from tests.subscribers.people import AGENT, IP, dump, form, kinds, reader, request
from tests.subscribers.test_erasure import NEWER, SAID, whole_life
from tests.subscribers.test_preferences import plan_delivery

EMAIL = "Jan.Peeters@EXÄMPLE.be"
TRACES = ("jan.peeters", "exämple", "xn--exmple-cua", IP, AGENT.lower())


def traces(session: Session) -> list[str]:
    """Every row of every table that still names Jan, in any form."""
    rows = [f"{name}: {row}" for name, rows in dump(session).items() for row in rows]
    return [row for row in rows if any(trace in row.lower() for trace in TRACES)]


def busy_reader(session: Session, settings: Settings, now: datetime) -> Subscriber:
    """Jan, in every table an address can be in."""
    someone = reader(session, settings, now, EMAIL)
    preferences.change(session, someone, locale="en", topics=["sdg"], cadence="weekly", now=now)
    request(session, settings, form("JAN.PEETERS@exämple.be"), now)
    notices.queue(
        session,
        NoticeKind.PROOF,
        email="Jan.Peeters@XN--EXMPLE-CUA.be",
        locale="nl",
        facts={"issue": 1},
        now=now,
    )
    return someone


def test_prv_12_erasure_leaves_no_trace_but_the_keyed_hash(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = busy_reader(session, settings, now)
    planned = plan_delivery(session, someone, now)
    tables = {row.partition(":")[0] for row in traces(session)}
    assert tables == {"subscribers", "consent_details", "consent_origins", "requests", "notices"}
    privacy.erase(session, settings, someone, now)
    assert traces(session) == []
    canonical = "jan.peeters@xn--exmple-cua.be"
    entry = suppression.is_suppressed(session, Tokens(settings.secret_key), canonical)
    assert entry is not None
    assert entry.reason is SuppressionReason.ERASED
    session.refresh(planned)
    assert planned.state is DeliveryState.WITHDRAWN
    assert someone.state is SubscriberState.ERASED


def test_prv_12_the_numbers_stay_after_erasure(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = busy_reader(session, settings, now)
    plan_delivery(session, someone, now)
    privacy.erase(session, settings, someone, now)
    assert session.scalars(select(Delivery.subscriber_id)).all() == [someone.id]
    events = session.scalars(select(Consent.event).order_by(Consent.id)).all()
    assert events[-1] is ConsentEvent.ERASED
    assert ConsentEvent.CONFIRMED in events
    states = set(session.scalars(select(Notice.state)))
    assert states == {NoticeState.DROPPED}


def test_erasing_twice_changes_nothing_more(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = busy_reader(session, settings, now)
    privacy.erase(session, settings, someone, now)
    before = dump(session)
    privacy.erase(session, settings, someone, now)
    assert dump(session) == before


def test_erasing_keeps_a_complaint_standing(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    privacy.suppress(session, settings, "jan@example.be", SuppressionReason.COMPLAINT, now)
    privacy.erase(session, settings, someone, now)
    entry = suppression.is_suppressed(session, Tokens(settings.secret_key), "jan@example.be")
    assert entry is not None
    assert entry.reason is SuppressionReason.COMPLAINT


def test_who_only_asked_can_be_erased_by_address(
    session: Session, settings: Settings, now: datetime
) -> None:
    request(session, settings, form(EMAIL), now)
    assert privacy.erase_address(session, settings, "jan.peeters@exämple.BE", now)
    assert traces(session) == []
    assert not session.scalars(select(FormRequest)).all()
    assert not privacy.erase_address(session, settings, EMAIL, now)


def test_a_reader_can_be_erased_by_address(
    session: Session, settings: Settings, now: datetime
) -> None:
    busy_reader(session, settings, now)
    assert privacy.erase_address(session, settings, "JAN.PEETERS@exämple.BE", now)
    assert traces(session) == []


def test_who_was_erased_and_confirms_again_is_somebody_new(
    session: Session, settings: Settings, now: datetime
) -> None:
    first = reader(session, settings, now)
    privacy.erase(session, settings, first, now)
    second = reader(session, settings, now + timedelta(days=settings.come_back_days))
    assert second.id != first.id
    assert second.state is SubscriberState.ACTIVE
    assert first.state is SubscriberState.ERASED


def test_uns_14_an_import_does_not_bring_back_who_was_erased(
    session: Session, settings: Settings, now: datetime
) -> None:
    privacy.erase(session, settings, reader(session, settings, now), now)
    lines = ["email,confirmed_at", "jan@example.be,2026-01-01"]
    report = import_csv(
        session, settings, lines, source="list", now=now, invite=True, topics_known=()
    )
    assert (report.added, len(report.refused)) == (0, 1)


def test_suppressing_an_address_stops_its_reader_and_what_is_planned(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    planned = plan_delivery(session, someone, now)
    why = "asked by jan@example.be on the phone"
    privacy.suppress(session, settings, "Jan@example.be", SuppressionReason.STAFF, now, why)
    session.refresh(planned)
    assert someone.state is SubscriberState.SUPPRESSED
    assert planned.state is DeliveryState.WITHDRAWN
    privacy.suppress(session, settings, "nobody@example.be", SuppressionReason.NEVER, now)
    assert [entry.why for entry in suppression.listed(session) if entry.why] == [
        "asked by <address> on the phone"
    ]


def test_prv_13_the_copy_of_ones_data_is_whole_and_readable(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = busy_reader(session, settings, now)
    plan_delivery(session, someone, now)
    before = dump(session)
    copy = json.loads(json.dumps(privacy.export(session, settings, someone)))
    assert dump(session) == before
    assert (copy["email"], copy["state"], copy["topics"]) == (someone.email, "active", ["sdg"])
    assert [proof["event"] for proof in copy["consents"]] == ["asked", "confirmed", "changed"]
    assert copy["consents"][0]["wording_text"].startswith("Ja, de VVSG")
    assert copy["consents"][0]["ip"] == IP
    assert copy["requests"][0]["user_agent"] == AGENT
    assert copy["deliveries"] == [
        {
            "issue_number": 7,
            "state": "pending",
            "settled_at": None,
            "status": None,
            "reply": None,
            "bounced_at": None,
        }
    ]
    assert [letter["kind"] for letter in copy["notices"]] == ["confirm", "welcome"]


def test_the_copy_of_an_erased_person_holds_numbers_only(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = busy_reader(session, settings, now)
    privacy.erase(session, settings, someone, now)
    copy = json.dumps(privacy.export(session, settings, someone)).lower()
    assert not [trace for trace in TRACES if trace in copy]
    assert '"erased"' in copy


def test_no_letter_can_be_queued_for_who_was_erased(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    privacy.erase(session, settings, someone, now)
    with pytest.raises(ValueError, match="was erased"):
        preferences.write_to(session, someone, NoticeKind.GOODBYE, now)
    assert NoticeKind.GOODBYE not in kinds(session)


def test_prv_13_the_copy_holds_every_kind_of_data_we_keep(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = whole_life(session, settings, now)
    chain.seal(session, now, 0)
    privacy.suppress(session, settings, NEWER, SuppressionReason.BOUNCED, now, "mailbox full")
    request(session, settings, form(NEWER), now)
    copy = json.loads(json.dumps(privacy.export(session, settings, someone)))
    assert not [name for name, value in copy.items() if value in (None, [], {})]
    assert copy["paused_until"] == "2026-12-22T23:00:00+00:00"
    assert copy["survey_answer"] == [{"reason": "too_much", "at": now.isoformat()}]
    [asked] = copy["new_address_asked"]
    assert asked["email"].startswith("Jan.Peeters@")
    assert copy["suppression"]["reason"] == "bounced"
    assert copy["requests"][0]["kind"] == "signup"
    assert [event["seal"] is not None for event in copy["consents"]][:3] == [True, True, True]
    assert copy["deliveries"][0]["reply"] == SAID
    moved = [event["email"] for event in copy["consents"]]
    assert len(set(moved)) == 2, "the address of each moment"


def test_prv_15_a_suppression_outlives_its_row_and_knows_the_person_again(
    session: Session, settings: Settings, now: datetime
) -> None:
    """As after restoring a backup: the row is back, and the kept entry still holds."""
    someone = reader(session, settings, now)
    privacy.erase(session, settings, someone, now)
    someone.email, someone.canonical = "Jan@example.be", "jan@example.be"
    someone.state, someone.confirmed_at = SubscriberState.ACTIVE, now
    session.flush()
    before = kinds(session)
    request(session, settings, form("jan@example.be"), now)
    settling.settle_requests(session, settings, now)
    assert kinds(session) == before, "no letter goes there"
    privacy.erase(session, settings, someone, now)  # docs/CONSENT.md: the erasure is run again
    assert someone.state is SubscriberState.ERASED
    assert len(suppression.listed(session)) == 1


def test_a_suppressed_reader_waits_for_no_new_address_and_no_letter(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    addressing.ask(session, settings, someone, NEWER, now)
    privacy.suppress(session, settings, "jan@example.be", SuppressionReason.COMPLAINT, now)
    copy = privacy.export(session, settings, someone)
    assert copy["new_address_asked"] == []
    to_jan = [letter for letter in copy["notices"] if letter.get("email") == "jan@example.be"]
    assert to_jan == []


def test_prv_15_what_was_asked_after_the_backup_is_applied_again_after_a_restore(
    session: Session, settings: Settings, now: datetime
) -> None:
    """The newer list meets the database of yesterday, in which all three are readers."""
    people = {
        name: reader(session, settings, now, f"{name}@b.example")
        for name in ("erased", "blocked", "stays")
    }
    tokens = Tokens(settings.secret_key)
    newer = [
        suppression.Entry(tokens.address_key(f"{name}@b.example"), reason, now, None)
        for name, reason in (
            ("erased", SuppressionReason.ERASED),
            ("blocked", SuppressionReason.COMPLAINT),
            ("unknown", SuppressionReason.ERASED),
        )
    ]
    for _time in range(2):
        assert privacy.reapply(session, settings, newer, now) <= 2
    assert people["erased"].state is SubscriberState.ERASED
    assert people["blocked"].state is SubscriberState.SUPPRESSED
    assert people["stays"].state is SubscriberState.ACTIVE
    assert "erased@b.example" not in str(dump(session))
    assert len(suppression.listed(session)) == 3
