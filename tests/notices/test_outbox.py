"""The outbox against a real SMTP server: at least once, and nobody blocks the others."""

import logging
import multiprocessing
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from newsletter import notices, suppression
from newsletter.db import Database, connect
from newsletter.delivery.message import Gap, gap
from newsletter.models import (
    AddressChange,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
    SuppressionReason,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.tokens import Purpose, Tokens, parse

MINUTE = timedelta(minutes=1)


@dataclass
class Inbox:
    """An SMTP server that keeps what it takes; `replies` answer RCPT and `dots` the content."""

    replies: dict[str, str] = field(default_factory=dict)
    dots: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    on_data: Callable[[], None] = lambda: None

    async def handle_RCPT(
        self, _server: SMTP, _session: SmtpSession, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: SmtpSession, envelope: Envelope) -> str:
        self.on_data()
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        return self.dots.pop(0) if self.dots else "250 2.0.0 OK"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def settings(settings: Settings, inbox: Inbox) -> Iterator[Settings]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield replace(settings, mail_server="127.0.0.1", mail_port=port, mail_timeout=5)
    controller.stop()


def somebody(
    session: Session,
    now: datetime,
    state: SubscriberState = SubscriberState.PENDING,
    email: str = "jan@example.be",
) -> Subscriber:
    choice = session.scalar(select(TopicChoice)) or TopicChoice(topics="")
    session.add(choice)
    session.flush()
    someone = Subscriber(
        email=email,
        canonical=email,
        locale="nl",
        cadence="monthly",
        topic_choice_id=choice.id,
        state=state,
        created_at=now,
    )
    session.add(someone)
    session.flush()
    return someone


FACTS: dict[NoticeKind, dict[str, Any]] = {
    NoticeKind.CONFIRM: {"asked_at": "2026-11-23T08:30:00+00:00"},
    NoticeKind.ALREADY: {"asked_at": "2026-11-23T08:30:00+00:00"},
    NoticeKind.WELCOME: {"issue": 12},
    NoticeKind.PROOF: {
        "issue": 12,
        "subject": "Nummer 12",
        "text": f"stop: https://nieuws.test/u/{gap(Gap.UNSUBSCRIBE)}\n"
        "look: https://nieuws.test/nl/issues/12/mail/0123456789abcdef",
        "html": f'<html><body><a href="{gap(Gap.PREFERENCES)}">x</a></body></html>',
    },
}


def queue(
    session: Session, someone: Subscriber, kind: NoticeKind, now: datetime, **values: Any
) -> Notice:
    assert someone.email is not None
    notice = notices.queue(
        session,
        kind,
        email=someone.email,
        locale=someone.locale,
        subscriber_id=someone.id,
        facts=values.get("facts", FACTS.get(kind)),
        now=now,
    )
    session.flush()
    return notice


def waiting_confirm(
    database: Database, now: datetime, email: str = "jan@example.be", **values: Any
) -> int:
    with database.write() as session:
        return queue(
            session, somebody(session, now, email=email), NoticeKind.CONFIRM, now, **values
        ).id


def row(database: Database, notice_id: int) -> Notice:
    with database.read() as session:
        return session.get_one(Notice, notice_id)


def body(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


# --- what goes ------------------------------------------------------------------------------------


def test_a_confirm_notice_is_mailed_with_a_link_that_works(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    notice_id = waiting_confirm(database, now)
    assert notices.drain(database, settings, now) == 1
    mail = inbox.mails[0]
    assert inbox.recipients == ["jan@example.be"]
    assert mail["To"] == "jan@example.be"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    link = re.search(r"https://nieuws\.test/nl/confirm/(\S+)", body(mail))
    assert link is not None
    claim, tokens = parse(link[1]), Tokens(settings.secret_key)
    assert claim is not None
    assert tokens.verify(Purpose.CONFIRM, claim, "jan@example.be")
    assert claim.issued_at == now
    sent = row(database, notice_id)
    assert (sent.state, sent.email, sent.facts) == (NoticeState.SENT, None, {})
    assert sent.settled_at is not None
    assert notices.drain(database, settings, now + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    ("kind", "state", "subject"),
    [
        (NoticeKind.ALREADY, SubscriberState.ACTIVE, "Je bent al ingeschreven op Fiabel-nieuws"),
        (NoticeKind.PREFERENCES, SubscriberState.ACTIVE, "Je voorkeuren voor Fiabel-nieuws"),
        (NoticeKind.WELCOME, SubscriberState.ACTIVE, "Welkom bij Fiabel-nieuws"),
        (NoticeKind.GOODBYE, SubscriberState.LEFT, "Je bent uitgeschreven"),
        (NoticeKind.PROOF, SubscriberState.ACTIVE, "Proef: Nummer 12"),
    ],
)
def test_every_kind_of_notice_is_mailed(
    database: Database,
    settings: Settings,
    inbox: Inbox,
    now: datetime,
    kind: NoticeKind,
    state: SubscriberState,
    subject: str,
) -> None:
    with database.write() as session:
        queue(session, somebody(session, now, state), kind, now)
    assert notices.drain(database, settings, now) == 1
    assert inbox.mails[0]["Subject"] == subject


def test_a_proof_needs_no_subscriber_and_keeps_its_issue_when_sent(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    with database.write() as session:
        notice = notices.queue(
            session,
            NoticeKind.PROOF,
            email="redactie@example.be",
            locale="nl",
            facts=FACTS[NoticeKind.PROOF],
            now=now,
        )
    assert notices.drain(database, settings, now) == 1
    text = body(inbox.mails[0])
    assert "https://nieuws.test/u/proof" in text
    stop = re.search(r"https://nieuws\.test/nl/stop/(\S+)", text)
    assert stop is not None
    claim = parse(stop[1])
    assert claim is not None
    assert claim.id == 12
    assert Tokens(settings.secret_key).verify(Purpose.STOP_ISSUE, claim)
    assert row(database, notice.id).facts == {"issue": 12}
    assert f"look: https://nieuws.test/nl/proof/{stop[1]}" in text


def test_sec_21_a_new_address_is_asked_and_the_old_one_told(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    new = "Jan.Nieuw@example.be"
    with database.write() as session:
        someone = somebody(session, now, SubscriberState.ACTIVE)
        for email, kind, fact in (
            (new, NoticeKind.NEW_ADDRESS, "asked_at"),
            ("vroeger@example.be", NoticeKind.ADDRESS_CHANGED, "changed_at"),
        ):
            facts = {fact: now.isoformat()}
            notices.queue(
                session,
                kind,
                email=email,
                locale="nl",
                subscriber_id=someone.id,
                facts=facts,
                now=now,
            )
        wish = AddressChange(
            subscriber_id=someone.id, email=new, canonical=new.lower(), asked_at=now
        )
        session.add(wish)
    assert notices.drain(database, settings, now) == 2
    assert inbox.recipients == [new, "vroeger@example.be"]
    asked, told = inbox.mails
    link = re.search(r"https://nieuws\.test/nl/new-address/(\S+)", body(asked))
    assert link is not None
    claim = parse(link[1])
    assert claim is not None
    assert Tokens(settings.secret_key).verify(Purpose.NEW_ADDRESS, claim, new.lower())
    assert "jan@example.be" not in body(asked), "a stranger learns no reader's address"
    assert "/new-address/" not in body(told)
    assert new not in body(told)


def test_the_link_to_ones_data_is_bound_to_where_it_was_mailed(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    """The address changed while the letter waited: the old mailbox does not open the data."""
    with database.write() as session:
        someone = somebody(session, now, SubscriberState.ACTIVE)
        queue(session, someone, NoticeKind.PREFERENCES, now)
        someone.email = someone.canonical = "nieuw@example.be"
    assert notices.drain(database, settings, now) == 1
    assert inbox.recipients == ["jan@example.be"]
    link = re.search(r"https://nieuws\.test/nl/data/(\S+)", body(inbox.mails[0]))
    claim = parse(link[1]) if link else None
    assert claim is not None
    tokens = Tokens(settings.secret_key)
    assert tokens.verify(Purpose.DATA, claim, "jan@example.be")
    assert not tokens.verify(Purpose.DATA, claim, "nieuw@example.be")


def test_a_letter_speaks_the_language_of_this_moment(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    with database.write() as session:
        queue(session, somebody(session, now, SubscriberState.ACTIVE), NoticeKind.PREFERENCES, now)
        session.execute(update(Subscriber).values(locale="fr"))
    notices.drain(database, settings, now)
    assert inbox.mails[0]["Content-Language"] == "fr"
    assert "https://nieuws.test/fr/preferences/" in body(inbox.mails[0])


def test_a_confirm_letter_speaks_the_language_that_was_asked_for(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    """The row keeps what it says until somebody confirms."""
    waiting_confirm(database, now)
    with database.write() as session:
        session.execute(update(Subscriber).values(locale="fr"))
    notices.drain(database, settings, now)
    assert inbox.mails[0]["Content-Language"] == "nl"
    assert "https://nieuws.test/nl/confirm/" in body(inbox.mails[0])


# --- what does not go -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (NoticeKind.CONFIRM, SubscriberState.ACTIVE),
        (NoticeKind.CONFIRM, SubscriberState.LEFT),
        (NoticeKind.ALREADY, SubscriberState.LEFT),
        (NoticeKind.WELCOME, SubscriberState.LEFT),
        (NoticeKind.WELCOME, SubscriberState.SUPPRESSED),
        (NoticeKind.PREFERENCES, SubscriberState.PENDING),
        (NoticeKind.GOODBYE, SubscriberState.ACTIVE),
    ],
)
def test_a_letter_nobody_waits_for_any_more_is_dropped(
    database: Database,
    settings: Settings,
    inbox: Inbox,
    now: datetime,
    kind: NoticeKind,
    state: SubscriberState,
) -> None:
    with database.write() as session:
        notice = queue(session, somebody(session, now, state), kind, now)
    assert notices.drain(database, settings, now) == 0
    assert not inbox.mails
    dropped = row(database, notice.id)
    assert (dropped.state, dropped.email) == (NoticeState.DROPPED, None)
    assert dropped.reply == "not wanted any more"


@pytest.mark.parametrize(
    ("reason", "goes"), [("bounced", 1), ("erased", 1), ("never", 0), ("complaint", 0)]
)
def test_a_suppressed_address_gets_at_most_the_letter_by_which_it_comes_back(
    database: Database, settings: Settings, now: datetime, reason: str, goes: int
) -> None:
    waiting_confirm(database, now)
    with database.write() as session:
        left = somebody(session, now, SubscriberState.LEFT, "gone@example.be")
        queue(session, left, NoticeKind.GOODBYE, now)
        for email in ("jan@example.be", "gone@example.be"):
            tokens = Tokens(settings.secret_key)
            suppression.add(session, tokens, email, SuppressionReason(reason), now)
    assert notices.drain(database, settings, now) == goes


@pytest.mark.parametrize("why", ["no wish", "another wish", "complaint", "a reader's"])
def test_sec_07_a_new_address_is_not_asked_when_it_must_not_be(
    database: Database, settings: Settings, inbox: Inbox, now: datetime, why: str
) -> None:
    """One reason in the books for all of these: the asker may read them (export)."""
    new = "nieuw@example.be"
    with database.write() as session:
        someone = somebody(session, now, SubscriberState.ACTIVE)
        notice = notices.queue(
            session,
            NoticeKind.NEW_ADDRESS,
            email=new,
            locale="nl",
            subscriber_id=someone.id,
            facts={"asked_at": now.isoformat()},
            now=now,
        )
        if why != "no wish":
            wanted = "ander@example.be" if why == "another wish" else new
            session.add(
                AddressChange(
                    subscriber_id=someone.id, email=wanted, canonical=wanted, asked_at=now
                )
            )
        if why == "complaint":
            tokens = Tokens(settings.secret_key)
            suppression.add(session, tokens, new, SuppressionReason.COMPLAINT, now)
        if why == "a reader's":
            somebody(session, now, SubscriberState.ACTIVE, new)
    assert notices.drain(database, settings, now) == 0
    assert not inbox.mails
    dropped = row(database, notice.id)
    assert (dropped.state, dropped.email) == (NoticeState.DROPPED, None)
    assert dropped.reply == "not wanted any more"


# --- faults ---------------------------------------------------------------------------------------


def test_a_deferred_notice_is_tried_again_later_and_later_with_one_message_id(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    notice_id, moment, waits = waiting_confirm(database, now), now, []
    inbox.dots = ["451 4.3.0 try later"] * 5
    for _try in range(5):
        assert notices.drain(database, settings, moment) == 0
        due = row(database, notice_id).due_at
        waits.append(round((due - moment) / MINUTE))
        moment = due
    assert waits == [1, 5, 15, 60, 60]
    assert notices.drain(database, settings, moment - timedelta(seconds=30)) == 0
    assert notices.drain(database, settings, moment) == 1
    assert len(inbox.mails) == 6
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 1


def test_after_three_days_a_deferred_notice_is_given_up(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    notice_id = waiting_confirm(database, now)
    inbox.replies["jan@example.be"] = "450 4.2.1 <jan@example.be> is busy"
    notices.drain(database, settings, now + timedelta(days=3) - MINUTE)
    assert row(database, notice_id).state is NoticeState.WAITING
    notices.drain(database, settings, now + timedelta(days=3, hours=2))
    dropped = row(database, notice_id)
    assert (dropped.state, dropped.email) == (NoticeState.DROPPED, None)


def test_a_refused_notice_is_dropped_with_the_reply_and_without_the_address(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    first = waiting_confirm(database, now)
    waiting_confirm(database, now, "piet@example.be")
    inbox.replies["jan@example.be"] = "550 5.1.1 <jan@example.be> unknown here"
    assert notices.drain(database, settings, now) == 1
    assert inbox.recipients == ["piet@example.be"]
    dropped = row(database, first)
    assert dropped.state is NoticeState.DROPPED
    assert dropped.reply == "550 5.1.1 <<address>> unknown here"


def test_a_relay_that_is_down_leaves_everything_waiting_in_quiet(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    notice_id = waiting_confirm(database, now)
    down = replace(settings, mail_port=1)
    assert notices.drain(database, down, now) == 0
    waiting = row(database, notice_id)
    assert (waiting.state, waiting.attempts, waiting.due_at) == (NoticeState.WAITING, 0, now)
    assert notices.drain(database, settings, now) == 1


def test_a_relay_that_refuses_us_stops_the_drain_and_blames_nobody(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    ids = [waiting_confirm(database, now, f"r{number}@example.be") for number in range(3)]
    inbox.dots = ["550 5.7.26 unauthenticated mail is not accepted"]
    assert notices.drain(database, settings, now) == 0
    assert len(inbox.mails) == 1
    assert {row(database, id).state for id in ids} == {NoticeState.WAITING}


@pytest.mark.parametrize("poison", [{}, {"asked_at": "long ago"}, {"asked_at": None}])
def test_a_letter_that_cannot_be_written_is_parked_and_the_others_go(
    database: Database,
    settings: Settings,
    inbox: Inbox,
    now: datetime,
    poison: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    parked = waiting_confirm(database, now, facts=poison)
    waiting_confirm(database, now, "piet@example.be")
    with caplog.at_level(logging.WARNING):
        assert notices.drain(database, settings, now) == 1
    assert inbox.recipients == ["piet@example.be"]
    dropped = row(database, parked)
    assert (dropped.state, dropped.email) == (NoticeState.DROPPED, None)
    assert str(dropped.reply).startswith("cannot be written: ")
    assert "jan@" not in caplog.text


def drain_in_child(settings: Settings, now: datetime) -> None:
    notices.drain(connect(settings.database_url), settings, now)


def test_a_kill_while_the_relay_has_the_letter_repeats_it_with_the_same_message_id(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    waiting_confirm(database, now)

    spawn = multiprocessing.get_context("spawn")
    child = spawn.Process(target=drain_in_child, args=(settings, now))
    inbox.on_data = child.kill  # after the dot, before the answer
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    inbox.on_data = lambda: None
    assert notices.drain(database, settings, now + timedelta(seconds=14)) == 0  # claimed
    assert notices.drain(database, settings, now + timedelta(seconds=16)) == 1
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 1


def test_no_transaction_is_open_while_the_relay_talks(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    waiting_confirm(database, now)
    wrote = []

    def write() -> None:
        with database.write() as session:  # would wait for the lock of an open transaction
            session.execute(update(Subscriber).values(locale="en"))
        wrote.append(True)

    def on_data() -> None:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(timeout=4)
        assert not thread.is_alive()

    inbox.on_data = on_data
    assert notices.drain(database, settings, now) == 1
    assert wrote


def test_erased_while_the_relay_has_the_letter_stays_erased(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    notice_id = waiting_confirm(database, now)

    def erase() -> None:
        with database.write() as session:
            notices.forget(session, now, {"JAN@example.be"})

    inbox.on_data, inbox.dots = erase, ["451 4.3.0 try later"]
    notices.drain(database, settings, now)
    dropped = row(database, notice_id)
    assert (dropped.state, dropped.email) == (NoticeState.DROPPED, None)
    assert dropped.reply == "erased"


def test_two_drains_at_once_send_each_notice_once(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    for number in range(8):
        waiting_confirm(database, now, f"r{number}@example.be")
    threads = [
        threading.Thread(target=notices.drain, args=(database, settings, now)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(inbox.recipients) == [f"r{number}@example.be" for number in range(8)]


def test_drain_stops_at_its_limit_and_when_told(
    database: Database, settings: Settings, inbox: Inbox, now: datetime
) -> None:
    for number in range(3):
        waiting_confirm(database, now, f"r{number}@example.be")
    assert notices.drain(database, settings, now, limit=2) == 2
    stop = threading.Event()
    stop.set()
    assert notices.drain(database, settings, now, stop=stop) == 0
    assert notices.drain(database, settings, now) == 1


def test_an_empty_outbox_needs_no_relay(
    database: Database, settings: Settings, now: datetime
) -> None:
    assert notices.drain(database, replace(settings, mail_port=1), now) == 0
