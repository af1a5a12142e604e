"""The catcher: what is accepted is kept, and can be read again without the ledger."""

import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.catcher import Catcher, Store, listen
from newsletter.errors import FixSettings


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "mail")


@pytest.fixture
def port(store: Store) -> Iterator[int]:
    with listen(0) as listener:
        catcher = Catcher(store, listener)
        catcher.start()
        yield listener.getsockname()[1]
        catcher.stop()


def letter(to: str = "lezer@voorbeeld.example", subject: str = "Nieuws uit Comé") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Fiabel <fiabel@nieuws.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0100"
    message.set_content("Dag lezer, één woord.\n.met een punt\n")
    message.add_alternative("<p>Dag lezer, <b>één</b> woord.</p>", subtype="html")
    return message


def send(port: int, message: EmailMessage, envelope_to: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(
            message, from_addr="terug+1@nieuws.example", to_addrs=envelope_to or message["To"]
        )


@pytest.mark.parametrize("made", [(), ("tmp",), ("tmp", "cur"), ("new",)])
def test_another_process_may_be_making_the_folders_at_this_moment(
    store: Store, made: tuple[str, ...]
) -> None:
    for name in made:
        (store.folder / name).mkdir(parents=True)
    store.add("a@b.example", ["c@d.example"], b"Subject: dag\r\n\r\ndag\r\n")
    assert store.count() == 1


def test_keeps_what_came_with_its_envelope(store: Store, port: int) -> None:
    send(port, letter(), envelope_to="ander@voorbeeld.example")
    [caught] = store.messages(limit=10)
    assert caught.mail_from == "terug+1@nieuws.example"
    assert caught.rcpt_to == "ander@voorbeeld.example"
    assert caught.recipient == "lezer@voorbeeld.example"
    assert caught.sender == "Fiabel <fiabel@nieuws.example>"
    assert caught.subject == "Nieuws uit Comé"
    assert caught.date == "Mon, 23 Nov 2026 10:00:00 +0100"
    message = store.open(caught.key)
    assert message is not None
    assert "één woord.\n.met een punt" in (message.text or "").replace("\r\n", "\n")
    assert "<b>één</b>" in (message.html or "")
    assert ("Subject", "Nieuws uit Comé") in message.headers
    assert message.source.startswith(b"From: Fiabel")


def test_the_file_is_in_place_before_the_250(store: Store, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for number in range(1, 21):
            client.send_message(letter(subject=f"brief {number}"))
            assert store.count() == number
    assert list((store.folder / "tmp").iterdir()) == []


def test_a_store_emptied_by_hand_fills_again(store: Store, port: int) -> None:
    send(port, letter())
    for folder in ("new", "tmp", "cur"):
        for file in (store.folder / folder).iterdir():
            file.unlink()
        (store.folder / folder).rmdir()
    assert store.messages(limit=1) == []
    send(port, letter())
    assert store.count() == 1


def test_a_store_that_cannot_write_refuses_for_now(store: Store, port: int) -> None:
    store.folder.write_text("a file where the folder should be")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(port, letter())
    assert refused.value.smtp_code == 452


def test_pages_newest_first_and_filters_by_recipient(store: Store) -> None:
    for number in range(7):
        to = f"{'nl' if number % 2 else 'fr'}@voorbeeld.example"
        store.add("x@y.example", [to], letter(to, f"brief {number}").as_bytes())
    subjects = [caught.subject for caught in store.messages(limit=3, offset=1)]
    assert subjects == ["brief 5", "brief 4", "brief 3"]
    assert [caught.subject for caught in store.find(" NL@voor")] == [
        "brief 5",
        "brief 3",
        "brief 1",
    ]
    assert store.count("fr@") == 4


@pytest.mark.parametrize(
    "key", ["", "..", "../secret", "../tmp/x", "/etc/passwd", "a\0b", "x" * 300]
)
def test_a_key_cannot_leave_the_store(store: Store, key: str) -> None:
    store.add("x@y.example", ["a@b.example"], letter().as_bytes())
    (store.folder / "secret").write_text("no")
    assert store.open(key) is None


def test_reads_mail_that_nobody_should_send(store: Store) -> None:
    headers = b"Subject: =?klingon?q?a?= =?utf-8?q?=ff?=\r\nFrom: \xff\r\n"
    broken = headers + b"Content-Type: text/plain; charset=none\r\n\r\nx"
    key = store.add("", ["a@b.example", "c@d.example"], broken)
    message = store.open(key)
    assert message is not None
    assert message.text == "x"
    assert message.html is None
    assert message.caught.rcpt_to == "a@b.example, c@d.example"
    assert store.open(store.add("", ["a@b.example"], b"")) is not None


def test_a_busy_port_is_named_with_its_setting(port: int) -> None:
    with pytest.raises(FixSettings, match=f"CATCHER_PORT {port} cannot be used"):
        listen(port)


def test_only_this_machine_reaches_it(port: int) -> None:
    with socket.socket() as outside:
        outside.settimeout(1)
        address = socket.gethostbyname(socket.gethostname())
        if address.startswith("127."):
            pytest.skip("this machine has no other address")
        assert outside.connect_ex((address, port)) != 0


def test_offers_8bitmime_and_smtputf8(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.ehlo()
        assert client.has_extn("8bitmime")
        assert client.has_extn("smtputf8")
        assert client.has_extn("size")


def test_takes_many_newsletters_over_one_connection(store: Store, port: int) -> None:
    body = "Subject: x\r\n\r\n" + ("x" * 74 + "\r\n") * 400
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for number in range(100):
            client.sendmail("a@b.example", [f"reader{number}@c.example"], body)
    assert store.count() == 100
