"""The envelope: a sender of its own for each message, and SMTPUTF8 where an address needs it."""

import select
import smtplib
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import catcher
from newsletter import settings as settings_module
from newsletter.addresses import parse
from newsletter.catcher import Catcher, Store
from newsletter.db import Database
from newsletter.delivery import message
from newsletter.delivery.copies import Copies
from newsletter.delivery.ledger import Claimed
from newsletter.delivery.message import Content
from newsletter.delivery.outcomes import Stage
from newsletter.delivery.relay import Answered, Event, Lane, Ready, Relay, open_connection
from newsletter.delivery.return_path import ROOM, Returned, ReturnPath, Sent
from newsletter.errors import FixSettings
from newsletter.settings import Settings
from tests.delivery import keys
from tests.delivery.conftest import add_issue
from tests.delivery.keys import verified
from tests.relay import running

JAN = "jän@voorbeeld.example"


@pytest.fixture
def verp(settings: Settings) -> Settings:
    return replace(settings, return_path="bounce@nieuws.vvsg.example")


# --- return path ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> ReturnPath:
    folder = tmp_path_factory.mktemp("paths")
    values = {"SECRET_KEY": "k" * 40, "RETURN_PATH": "bounce@nieuws.vvsg.example"}
    return ReturnPath(
        settings_module.load(environ=values, env_file=folder / "no.env", INSTANCE_DIR=str(folder))
    )


@given(id=st.integers(0, 2**40 - 1), sent=st.sampled_from(Sent))
def test_smt_11_an_address_for_each_message_comes_back_as_what_it_was(
    paths: ReturnPath, id: int, sent: Sent
) -> None:
    address = paths.of(sent, id)
    local, _at, domain = address.partition("@")
    assert local.startswith(f"bounce+{sent}")
    assert domain == "nieuws.vvsg.example"
    assert len(local) <= 64
    assert parse(address).typed == address
    for written in (address, address.lower(), address.upper()):
        assert paths.read(written) == Returned(sent, id)


def test_smt_11_the_longest_local_part_is_just_not_too_long(verp: Settings) -> None:
    longest = ReturnPath(replace(verp, return_path=f"{'b' * ROOM}@x.example"))
    assert longest.of(Sent.DELIVERY, 7).index("@") == 64
    with pytest.raises(FixSettings, match=r"^RETURN_PATH may have 32 characters .* it has 33\.$"):
        ReturnPath(replace(verp, return_path=f"{'b' * (ROOM + 1)}@x.example"))


def test_smt_13_a_forged_return_path_is_worthless(verp: Settings) -> None:
    paths = ReturnPath(verp)
    address = paths.of(Sent.DELIVERY, 7)
    start, end = address.index("+") + 1, address.index("@")
    for place in range(start, end):
        for other in "0f":
            if address[place] != other:
                assert paths.read(address[:place] + other + address[place + 1 :]) is None
    assert paths.read(address.replace("+d", "+n")) is None, "a delivery is not a notice"
    assert ReturnPath(replace(verp, secret_keys=("j" * 40,))).read(address) is None


@given(st.text(max_size=80), st.text("+@dn0123456789abcdefABCDEF", max_size=80))
def test_any_address_is_read_without_an_error(paths: ReturnPath, text: str, likely: str) -> None:
    assert paths.read(text) is None
    assert paths.read(likely) is None


def test_bounces_count_after_the_setting_has_changed(verp: Settings) -> None:
    address = ReturnPath(verp).of(Sent.NOTICE, 3)
    moved = ReturnPath(replace(verp, return_path="b@elsewhere.example"))
    assert moved.read(address) == Returned(Sent.NOTICE, 3)
    assert ReturnPath(replace(verp, return_path="")).read(address) == Returned(Sent.NOTICE, 3)


def test_without_the_setting_bounces_come_to_the_sender(
    database: Database, settings: Settings, verp: Settings, now: datetime
) -> None:
    row = Claimed(id=7, issue_number=1, edition_id=1, subscriber_id=5, email="r1@x.example")
    assert Copies(database, settings, lambda: now).return_path(row) == "fiabel@nieuws.vvsg.example"
    address = Copies(database, verp, lambda: now).return_path(row)
    assert ReturnPath(verp).read(address) == Returned(Sent.DELIVERY, 7)


# --- SMTPUTF8 -------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "mail")


@pytest.fixture
def utf8_relay(settings: Settings, store: Store) -> Iterator[Settings]:
    """Settings for a relay that offers SMTPUTF8."""
    with catcher.listen(0) as listener:
        server = Catcher(store, listener)
        server.start()
        yield replace(settings, mail_server="127.0.0.1", mail_port=listener.getsockname()[1])
        server.stop()


def heard(lane: Lane, events: list[Event]) -> Event:
    """The next event of a lane that awaits one."""
    while not events:
        assert select.select([lane], [], [], 20)[0], "the relay is silent"
        events = lane.receive()
    return events[0]


def test_fmt_10_a_lane_asks_for_smtputf8_where_an_address_needs_it(
    database: Database, utf8_relay: Settings, store: Store, tmp_path: Path, now: datetime
) -> None:
    """AUT-05: what the other side of the socket got is what was signed."""
    with database.write() as session:
        add_issue(session, now)
    copies = Copies(database, keys.signing(utf8_relay, tmp_path), lambda: now)
    lane = Lane(open_connection(utf8_relay), 20)
    assert lane.smtputf8
    for id, email in ((1, JAN), (2, "piet@voorbeeld.example")):
        row = Claimed(id=id, issue_number=1, edition_id=1, subscriber_id=id, email=email)
        assert heard(lane, lane.begin(id, copies.return_path(row), email)) == Ready(id)
        answer = heard(lane, lane.send(copies.content(row, lane.smtputf8), None))
        assert isinstance(answer, Answered)
        assert answer.reply.code == 250
    lane.quit()
    piet, jan = store.messages(10)
    assert (jan.rcpt_to, piet.rcpt_to) == (JAN, "piet@voorbeeld.example")
    for one, to in ((jan, JAN), (piet, "piet@voorbeeld.example")):
        caught = store.open(one.key)
        assert caught is not None
        assert f"\r\nTo: {to}\r\n".encode() in caught.source
        assert verified(caught.source)


def test_fmt_10_the_envelope_says_smtputf8_only_for_an_address_that_needs_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        smtp = smtplib.SMTP()
        smtp.sock, smtp.does_esmtp = ours, True
        smtp.esmtp_features = {"smtputf8": "", "pipelining": ""}
        for email, more in ((JAN, " BODY=8BITMIME SMTPUTF8"), ("piet@x.example", "")):
            Lane(smtp, 20).begin(1, "b@x.example", email)
            said = f"MAIL FROM:<b@x.example>{more}\r\nRCPT TO:<{email}>\r\nDATA\r\n"
            assert theirs.recv(999).decode() == said


def letter(settings: Settings, now: datetime) -> bytes:
    content = Content("nl", "s", "t", "h")
    return message.letter(settings, content, to=JAN, message_id="<n@x>", now=now, kind="confirm")


def test_fmt_10_a_notice_asks_for_smtputf8_too(
    utf8_relay: Settings, store: Store, now: datetime
) -> None:
    with Relay(utf8_relay) as relay:
        relay.connect()
        reply = relay.deliver(JAN, letter(utf8_relay, now), "bounce+n1@nieuws.vvsg.example")
    assert reply.code == 250
    (caught,) = store.messages(10)
    assert (caught.rcpt_to, caught.mail_from) == (JAN, "bounce+n1@nieuws.vvsg.example")


def test_a_relay_without_smtputf8_is_not_asked(settings: Settings, now: datetime) -> None:
    with running() as log:
        here = replace(settings, mail_server="127.0.0.1", mail_port=log.port)
        lane = Lane(open_connection(here), 20)
        assert not lane.smtputf8
        lane.quit()
        with Relay(here) as relay:
            relay.connect()
            reply = relay.deliver(JAN, letter(here, now))
            assert (reply.stage, reply.code, reply.status) == (Stage.RCPT, 553, "5.6.7")
            assert relay.deliver("piet@x.example", b"\r\n.\r\n").code == 250, "still usable"
    assert log.recipients == ["piet@x.example"]
