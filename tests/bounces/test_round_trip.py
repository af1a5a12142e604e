"""Out through a real Postfix, back into a real Dovecot, and what the report does."""

import email
import os
import smtplib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from newsletter import notices
from newsletter.bounces.intake import Counts
from newsletter.bounces.mailbox import Spot, Unreachable, opened
from newsletter.cli.serve.lmtp import Intake, listen
from newsletter.db import Database
from newsletter.delivery.sender import Sender, utcnow
from newsletter.jobs import seeds
from newsletter.jobs.mailboxes import Postbox
from newsletter.models import (
    Delivery,
    DeliveryState,
    SeedPlace,
    Sighting,
    Subscriber,
    SubscriberState,
    Suppression,
)
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Account, Listener
from tests.bounces import mailhost
from tests.bounces.mailhost import PASSWORD, MailHost
from tests.bounces.mails import person
from tests.delivery.conftest import add_issue, add_readers, plan_all
from tests.faults.certificates import certificate
from tests.faults.programs import wait_for

BOX, READER, GONE = "bounce@nieuws.test", "r1@voorbeeld.example", "r2@voorbeeld.example"
EDITORS = "redactie@voorbeeld.example"
LACKS = "" if os.environ.get("CI") == "true" else mailhost.why_not()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS)


@pytest.fixture(scope="module")
def host() -> Iterator[MailHost]:
    """Everybody has a mailbox but GONE."""
    with mailhost.running([BOX, READER, EDITORS]) as host:
        yield host


@pytest.fixture
def settings(settings: Settings, host: MailHost, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SSL_CERT_FILE", str(host.certificate))
    return replace(
        settings,
        mail_server="127.0.0.1",
        mail_port=host.smtp,
        return_path=BOX,
        reply_to=EDITORS,
        bounce_mailbox=account(host, BOX),
        bounce_mailbox_password=PASSWORD,
    )


@pytest.fixture
def planned(database: Database, now: datetime) -> Database:
    """Two readers, and an issue for them."""
    with database.write() as session:
        add_readers(session, 2, now)
        issue = add_issue(session, now)
        assert plan_all(session, issue, now) == 2
    return database


def account(host: MailHost, user: str) -> Account:
    return Account("localhost", host.imaps, user, "INBOX", tls_at_once=True)


def lying_in(host: MailHost, user: str) -> list[bytes]:
    """The messages in somebody's mailbox."""
    with opened(Spot(account(host, user), PASSWORD)) as box:
        return [mail.raw for chunk in box.chunks(set()) for mail in chunk]


def bounced(database: Database) -> dict[str, bool]:
    """Who has a delivery, and whether it came back; all of them were accepted."""
    query = select(Subscriber.email, Delivery.state, Delivery.bounced_at)
    with database.read() as session:
        rows = session.execute(query.join(Delivery, Delivery.subscriber_id == Subscriber.id)).all()
        assert {state for _email, state, _at in rows} == {DeliveryState.ACCEPTED}
        return {str(email): at is not None for email, _state, at in rows}


def suppressed(database: Database) -> dict[str, int]:
    """Who is mailed no more, and how many suppressions there are."""
    with database.read() as session:
        gone = Subscriber.state == SubscriberState.SUPPRESSED
        emails = session.scalars(select(Subscriber.email).where(gone)).all()
        return dict.fromkeys(map(str, emails), len(session.scalars(select(Suppression)).all()))


@pytest.mark.sqlite("what comes of a report is tried on both; this is about the way there and back")
def test_who_is_unknown_bounces_and_is_mailed_no_more(
    planned: Database, settings: Settings, host: MailHost, now: datetime
) -> None:
    assert Sender(planned, settings).work().accepted == 2
    with smtplib.SMTP("127.0.0.1", host.smtp) as smtp:
        smtp.sendmail("jose@voorbeeld.example", [BOX], person())
    wait_for(lambda: len(lying_in(host, BOX)) == 2, "a bounce and a reply in the mailbox")
    counts = Postbox(settings).fetch(planned)
    assert (counts.kinds["hard"], counts.kinds["human"], counts.suppressed) == (1, 1, 1)
    assert bounced(planned) == {READER: False, GONE: True}
    assert suppressed(planned) == {GONE: 1}
    # What was taken in lies in its folder, the reader has the issue, the editors have the reply.
    assert lying_in(host, BOX) == []
    with opened(Spot(replace(account(host, BOX), folder="Done"), PASSWORD)) as box:
        assert [len(chunk) for chunk in box.chunks(set())] == [2]
    seeds.look(
        planned,
        replace(settings, seed_mailboxes=(account(host, READER),), seed_passwords=(PASSWORD,)),
    )
    with planned.read() as session:
        (sighting,) = session.scalars(select(Sighting))
    assert (sighting.place, sighting.provider) == (SeedPlace.INBOX, "localhost")
    notices.drain(planned, settings, utcnow())
    (reply,) = wait_for(lambda: lying_in(host, EDITORS), "the reply at the editors'")
    parts = [part.get_payload(decode=True) for part in email.message_from_bytes(reply).walk()]
    assert any(isinstance(part, bytes) and b"caf=E9 is al lang dicht" in part for part in parts)
    assert Postbox(settings).fetch(planned) == Counts()
    with planned.write() as session:
        assert plan_all(session, add_issue(session, now, 2), now) == 1


@pytest.mark.sqlite("no database is used")
def test_a_mailbox_is_only_opened_when_its_certificate_is_sound(
    host: MailHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate(tmp_path / "other.pem")))
    with pytest.raises(Unreachable, match="certificate verify failed"):
        lying_in(host, BOX)
    monkeypatch.setenv("SSL_CERT_FILE", str(host.certificate))
    elsewhere = replace(account(host, BOX), host="127.0.0.1")  # a name it is not for
    with pytest.raises(Unreachable, match="certificate"), opened(Spot(elsewhere, PASSWORD)):
        pass


def test_postfix_hands_over_by_lmtp(planned: Database, settings: Settings, host: MailHost) -> None:
    mine = replace(settings, return_path="bounce@lmtp.test")
    with listen(Listener(None, "127.0.0.1", host.ours)) as listener:
        server = Intake(mine, planned, listener)
        server.start()
        Sender(planned, mine).work()
        wait_for(lambda: bounced(planned)[GONE], "the bounce")
        wait_for(lambda: "250 2.0.0 Taken" in host.said, "Postfix's line about it")
        server.stop()
    assert suppressed(planned) == {GONE: 1}
