"""Messages for people reach people: once, whole, and however often the relay says no."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from sqlalchemy import select

from newsletter import notices
from newsletter.bounces.dsn import read
from newsletter.bounces.report import Kind
from newsletter.db import Database
from newsletter.delivery import message
from newsletter.delivery.message import Content
from newsletter.models import Notice, NoticeState, Reply
from newsletter.notices import replies
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from tests.bounces.mails import person
from tests.relay import RelayLog, running

TO = "redactie@nieuws.test"
HOUR = timedelta(hours=1)


@pytest.fixture
def relay() -> Iterator[RelayLog]:
    with running() as log:
        yield log


@pytest.fixture
def settings(settings: Settings, relay: RelayLog) -> Settings:
    mine = replace(settings, return_path="bounce@nieuws.test", reply_to=TO, forward_rate=None)
    return replace(mine, mail_server="127.0.0.1", mail_port=relay.port)


def pass_on(database: Database, settings: Settings, now: datetime, *mails: bytes) -> int:
    with database.write() as session:
        return notices.pass_on(session, settings, mails, TO, now)


def parsed(relay: RelayLog) -> EmailMessage:
    (taken,) = relay.got(TO)
    mail = message_from_bytes(taken.content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_a_reply_arrives_whole_with_its_writer_to_answer(
    database: Database, settings: Settings, relay: RelayLog, now: datetime
) -> None:
    assert pass_on(database, settings, now, person()) == 1
    assert notices.drain(database, settings, now) == 1
    mail = parsed(relay)
    assert mail["From"].addresses[0].addr_spec == settings.mail_default_sender.addr_spec
    assert str(mail["Reply-To"]) == "José Peeters <jose@voorbeeld.example>"
    assert (mail["To"], mail["Subject"]) == (TO, "Re: café")
    body = mail.get_body(("plain",))
    assert body is not None
    assert "dit café is al lang dicht." in body.get_content()
    (file,) = mail.iter_attachments()
    assert file.get_filename() == "mail.eml"
    assert file.get_payload(decode=True) == person()
    with database.read() as session:
        assert session.scalars(select(Reply.content)).all() == [None]  # nothing of it is kept
        assert session.scalars(select(Notice.email)).all() == [None]
    assert pass_on(database, settings, now, person()) == 0  # and it is not passed on again


def test_what_is_passed_on_answers_nobody_and_starts_no_loop(
    database: Database, settings: Settings, relay: RelayLog, now: datetime
) -> None:
    pass_on(database, settings, now, person())
    notices.drain(database, settings, now)
    (taken,) = relay.got(TO)
    assert taken.sender.startswith("bounce+n")
    assert [one.kind for one in read(taken.content)] == [Kind.AUTO_REPLY]


def test_a_relay_that_refuses_gets_it_without_the_file_and_until_it_takes_it(
    database: Database, settings: Settings, relay: RelayLog, now: datetime
) -> None:
    relay.script = lambda stage, _to: "552 5.3.4 too big" if stage == "content" else None
    pass_on(database, settings, now, person())
    for hours in (0, 2, 24 * 5):
        assert notices.drain(database, settings, now + hours * HOUR) == 0
        with database.read() as session:
            assert session.scalars(select(Notice.state)).one() is NoticeState.WAITING
    relay.script = lambda stage, _to: None
    assert notices.drain(database, settings, now + 24 * 6 * HOUR) == 1
    mail = parsed(relay)
    assert list(mail.iter_attachments()) == []
    assert "dicht" in relay.taken[0].content.decode()


def test_a_flood_is_spread_and_nothing_of_it_is_lost(
    database: Database, settings: Settings, relay: RelayLog, now: datetime
) -> None:
    slow = replace(settings, forward_rate=Rate(4, 3600))
    assert pass_on(database, slow, now, *(person() + b"%d" % n for n in range(8))) == 8
    assert notices.drain(database, slow, now) == 2  # half of an hour's at once
    assert notices.drain(database, slow, now + 24 * HOUR) == 6


def test_what_was_passed_on_is_forgotten_in_time(
    database: Database, settings: Settings, now: datetime
) -> None:
    pass_on(database, settings, now, b"one", b"two")
    with database.write() as session:
        assert notices.forget_replies(session, now + HOUR, 10) == 0  # they still wait
    notices.drain(database, settings, now)
    with database.write() as session:
        assert notices.forget_replies(session, now + HOUR, 10) == 2


@pytest.mark.sqlite("no database is asked")
@given(raw=st.binary(min_size=1, max_size=400), headed=st.booleans())
@settings_of_hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_make_a_letter(
    settings: Settings, now: datetime, raw: bytes, headed: bool
) -> None:
    mail = b"From: " + raw + b"\nSubject: " + raw + b"\n\n" + raw if headed else raw
    letter, attached = replies.write(settings, "nl", mail, whole=True)
    made = message.letter(
        settings,
        Content("nl", letter.subject, letter.text, letter.html),
        to=TO,
        message_id="<n@x>",
        now=now,
        kind="reply",
        attached=attached,
    )
    assert mail in (part.get_payload(decode=True) for part in message_from_bytes(made).walk())
