"""Erasure after a full life: not a trace, in any table, or in SQLite's files (PRV-12)."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from newsletter import addresses, notices, suppression
from newsletter.db import Database
from newsletter.models import (
    Consent,
    ConsentEvent,
    Delivery,
    DeliveryState,
    Notice,
    NoticeKind,
    NoticeState,
    Setback,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import (
    access,
    addressing,
    chain,
    consent,
    leaving,
    pausing,
    preferences,
    privacy,
    survey,
)
from newsletter.subscribers.importing import import_csv
from newsletter.tokens import Purpose, Tokens, tokens_of
from tests.relay import RelayLog, running
from tests.subscribers.people import (
    AGENT,
    IP,
    ask,
    dump,
    form,
    kinds,
    leave_by_token,
    only,
    reader,
    token,
)
from tests.subscribers.test_preferences import plan_delivery

TYPED = "Jan.Peeters@EXÄMPLE.be"
NEWER = "J.Peeters-Newer@Wörk.example"
SPELLED = (TYPED, NEWER, "jan.peeters@xn--exmple-cua.be", "j.peeters-newer@xn--wrk-sna.example")
TRACES = {
    *(one.lower() for one in SPELLED),
    *(addresses.masked(one).lower() for one in SPELLED),
    *("jan.peeters", "j.peeters-newer", "exämple", "xn--exmple-cua", "wörk", "xn--wrk-sna"),
    *(IP, AGENT.lower()),
}
SAID = "550 5.1.1 <address>: Recipient rejected, no mailbox jan.peeters here"


def traces(session: Session) -> set[str]:
    """The tables that still name Jan, in any form, in any column."""
    found = dump(session).items()
    return {
        table
        for table, rows in found
        if any(trace in row.lower() for row in rows for trace in TRACES)
    }


def whole_life(session: Session, settings: Settings, now: datetime) -> Subscriber:
    """Imported, asked, confirmed, moved, refused, bounced, paused, gone: Jan, everywhere."""
    source = f"list of {TYPED}, July"
    import_csv(
        session,
        settings,
        ["email", TYPED],
        source=source,
        now=now,
        invite=False,
        topics_known=(),
    )
    someone = reader(session, settings, now, TYPED)
    ask(session, settings, now, form("piet@example.be", ip="198.51.100.9", user_agent="Other/1"))
    preferences.change(session, someone, locale="en", topics=["sdg"], cadence="weekly", now=now)
    access.mail_link(session, someone, now)
    addressing.ask(session, settings, someone, NEWER, now)
    bound = addresses.parse(NEWER).canonical
    link = tokens_of(settings).issue(Purpose.NEW_ADDRESS, someone.id, now, bound)
    assert addressing.confirm(session, settings, link, now).result is addressing.Result.CHANGED
    pausing.pause(session, settings, someone, now.date() + timedelta(days=30), now)
    plan_delivery(session, someone, now)
    refused = {"state": DeliveryState.REFUSED, "settled_at": now, "reply": SAID}
    session.execute(update(Delivery).values(**refused))
    session.add(Setback(sent="d", sent_id=1, kind="hard", subscriber_id=someone.id, at=now))
    theirs = (Notice.subscriber_id == someone.id, Notice.kind == NoticeKind.CONFIRM)
    carried = update(Notice).where(*theirs)
    session.execute(carried.values(state=NoticeState.SENT, settled_at=now, reply=SAID))
    addressing.ask(session, settings, someone, TYPED, now)
    leaving.leave(session, settings, someone, "page", now)
    survey.answer(session, someone, "too_much", now)
    session.flush()
    return someone


def assert_erased(session: Session, settings: Settings, someone: Subscriber) -> None:
    assert traces(session) == set()
    session.refresh(someone)
    assert someone.state is SubscriberState.ERASED
    assert someone.paused_until is None
    canonical = addresses.parse(NEWER).canonical
    entry = suppression.is_suppressed(session, tokens_of(settings), canonical)
    assert entry is not None
    assert entry.reason is SuppressionReason.ERASED
    others = session.scalars(select(Subscriber.canonical).where(Subscriber.id != someone.id))
    assert list(others) == ["piet@example.be"]


def test_prv_12_a_full_life_is_erased_from_every_table(
    session: Session, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    someone = whole_life(session, settings, now)
    assert traces(session) == {
        "subscribers",
        "consent_details",
        "consent_origins",
        "address_changes",
        "notices",
        "deliveries",
    }
    chain.seal(session, now, 0)
    privacy.erase(session, settings, someone, now, route="command", why=f"{NEWER} wrote us")
    assert_erased(session, settings, someone)
    chain.seal(session, now, 0)
    assert chain.verify(session).broken is None
    last = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert last is not None
    assert (last.event, last.route) == (ConsentEvent.ERASED, "command")
    assert last.facts == {"reason": "<address> wrote us"}
    assert not [trace for trace in TRACES if trace.lower() in caplog.text.lower()]


@pytest.mark.sqlite("its own files; PostgreSQL keeps a log of its own, for recovery")
def test_prv_12_not_a_trace_is_left_in_the_files_of_sqlite(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        whole_life(session, settings, now)
    assert traces_in_files(settings)
    with database.write() as session:
        assert privacy.erase_address(session, settings, NEWER, now)
    database.forget()
    assert traces_in_files(settings) == set()
    with database.read() as session:
        assert traces(session) == set()


def traces_in_files(settings: Settings) -> set[str]:
    """What of Jan stands in the database file, its write-ahead log and its index."""
    files = settings.instance_dir.glob("newsletter.db*")
    content = b"".join(file.read_bytes().lower() for file in files)
    return {trace for trace in TRACES if trace.lower().encode() in content}


@pytest.fixture
def relay() -> Iterator[RelayLog]:
    with running() as log:
        yield log


def mailing(settings: Settings, relay: RelayLog) -> Settings:
    return replace(settings, mail_server="127.0.0.1", mail_port=relay.port, mail_timeout=5)


def test_prv_12_the_person_is_told_and_then_that_letter_is_forgotten_too(
    database: Database, settings: Settings, now: datetime, relay: RelayLog
) -> None:
    with database.write() as session:
        someone = whole_life(session, settings, now)
        privacy.erase_address(session, settings, NEWER, now, tell=True)
    with database.read() as session:
        assert traces(session) == {"notices"}, "the address is kept for this one letter"
    assert notices.drain(database, mailing(settings, relay), now + timedelta(minutes=1)) > 0
    [letter] = [mail for mail in relay.taken if "newer" in mail.recipient.lower()]
    assert b"Auto-Submitted" in letter.content
    with database.write() as session:
        assert_erased(session, settings, session.get_one(Subscriber, someone.id))
        told = select(Notice).where(Notice.kind == NoticeKind.ERASED)
        notice = session.scalars(told).one()
        assert (notice.state, notice.email, notice.subscriber_id) == (NoticeState.SENT, None, None)
    if database.engine.name == "sqlite":
        assert traces_in_files(settings) == set()


@pytest.mark.sqlite("the outbox is the same on both")
def test_prv_12_a_last_letter_that_cannot_be_sent_is_given_up_and_forgotten(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        reader(session, settings, now, NEWER)
        session.execute(update(Notice).values(state=NoticeState.DROPPED, email=None))
        privacy.erase_address(session, settings, NEWER, now, tell=True)
    with running(lambda stage, _to: "451 4.3.0 try again" if stage == "rcpt" else None) as relay:
        busy = mailing(settings, relay)
        notices.drain(database, busy, now)
        with database.read() as session:
            assert "notices" in traces(session)
        notices.drain(database, busy, now + timedelta(days=4))
    with database.read() as session:
        assert traces(session) == set()
    assert traces_in_files(settings) == set()


@pytest.mark.parametrize("state", ["pending", "bounced"])
def test_sec_01_no_last_letter_to_who_never_confirmed_or_whose_mail_bounces(
    session: Session, settings: Settings, now: datetime, state: str
) -> None:
    if state == "pending":
        ask(session, settings, now)
    else:
        reader(session, settings, now)
        privacy.suppress(session, settings, "jan@example.be", SuppressionReason.BOUNCED, now)
    assert privacy.erase_address(session, settings, "jan@example.be", now, tell=True)
    assert NoticeKind.ERASED not in kinds(session)


def test_prv_12_who_never_consented_and_says_never_leaves_only_the_keyed_hash(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form(TYPED))
    someone = only(session)
    privacy.suppress(session, settings, TYPED, SuppressionReason.NEVER, now)
    assert traces(session) == set()
    assert someone.state is SubscriberState.ERASED
    canonical = addresses.parse(TYPED).canonical
    entry = suppression.is_suppressed(session, tokens_of(settings), canonical)
    assert suppression.is_final(entry)
    events = session.execute(select(Consent.event, Consent.route).order_by(Consent.id)).all()
    assert [tuple(row) for row in events] == [("asked", "form"), ("erased", "never")]


def test_prv_12_who_once_consented_keeps_that_proof_when_they_say_never(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    later = now + timedelta(days=40)
    ask(session, settings, later)
    assert someone.state is SubscriberState.PENDING
    privacy.suppress(session, settings, "jan@example.be", SuppressionReason.NEVER, later)
    assert (someone.state, someone.email) == (SubscriberState.SUPPRESSED, "jan@example.be")


def test_prv_12_erasing_a_wish_for_an_address_that_nobody_has(
    session: Session, settings: Settings, now: datetime
) -> None:
    """Somebody named an address that is not theirs; its owner wants it gone."""
    someone = reader(session, settings, now)
    addressing.ask(session, settings, someone, NEWER, now)
    assert privacy.erase_address(session, settings, NEWER, now)
    assert "notices" not in traces(session)
    assert "address_changes" not in traces(session)
    assert someone.state is SubscriberState.ACTIVE


def test_the_last_letter_is_in_the_readers_language(
    database: Database, settings: Settings, now: datetime, relay: RelayLog
) -> None:
    with database.write() as session:
        someone = reader(session, settings, now)
        preferences.change(session, someone, locale="fr", topics=[], cadence="monthly", now=now)
        privacy.erase(session, settings, someone, now, tell=True)
    notices.drain(database, mailing(settings, relay), now)
    [letter] = relay.got("jan@example.be")
    assert b"Content-Language: fr" in letter.content


def test_sec_18_an_entry_made_with_an_older_secret_still_blocks_and_is_lifted(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    privacy.suppress(session, settings, "jan@example.be", SuppressionReason.STAFF, now)
    newer = "another key, newer than the first"
    rotated = replace(settings, secret_keys=(newer, settings.secret_key))
    tokens = tokens_of(rotated)
    assert suppression.is_suppressed(session, tokens, "jan@example.be") is not None
    assert suppression.among(session, tokens, ["jan@example.be"]) == {"jan@example.be"}
    suppression.add(session, tokens, "jan@example.be", SuppressionReason.NEVER, now)
    assert len(suppression.listed(session)) == 1, "one person, one entry"
    assert suppression.lift(session, tokens, "jan@example.be", now, "asked by phone")
    assert suppression.is_suppressed(session, tokens, "jan@example.be") is None
    assert suppression.is_suppressed(session, Tokens(newer), "jan@example.be") is None


def test_sec_18_links_of_an_older_secret_still_work_after_a_rotation(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    newer = "another key, newer than the first"
    rotated = replace(settings, secret_keys=(newer, settings.secret_key))
    forgotten = replace(settings, secret_keys=(newer,))
    assert leave_by_token(session, forgotten, link, "one-click", now) is None
    left = leave_by_token(session, rotated, link, "one-click", now)
    assert left is not None
    assert left.changed


def test_prv_07_withdrawing_takes_one_step_where_consenting_took_two(
    session: Session, settings: Settings, now: datetime
) -> None:
    """GDPR 7(3): no login, no reason, no question first; and the proof says how and when."""
    someone = reader(session, settings, now)
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    left = leave_by_token(session, settings, link, "one-click", now)
    assert left is not None
    assert left.subscriber.state is SubscriberState.LEFT
    events = session.execute(select(Consent.event, Consent.route).order_by(Consent.id)).all()
    assert [tuple(row) for row in events] == [
        ("asked", "form"),
        ("confirmed", "page"),
        ("withdrawn", "one-click"),
    ]


def test_a_proof_is_never_of_an_empty_list(session: Session, now: datetime) -> None:
    proof = consent.Proof("import", source="x")
    assert consent.record_all(session, [], ConsentEvent.IMPORTED, proof, now) == []
