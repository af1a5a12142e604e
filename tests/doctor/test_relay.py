"""The relay's lines, from a real relay: what it offers, and that nothing is sent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from newsletter.delivery.sender import utcnow
from newsletter.doctor import relay
from newsletter.errors import FixSettings, TryLater
from newsletter.settings import Settings
from tests.doctor.conftest import graded, said
from tests.faults.certificates import certificate, server_context
from tests.relay import RelayLog, free_port, running

OFFERS = ("8BITMIME", "SMTPUTF8", "SIZE 10240000", "AUTH PLAIN LOGIN")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("doctor") / "relay.pem")


@pytest.fixture
def secure(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RelayLog]:
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with running(starttls=server_context(file), offers=OFFERS) as log:
        yield log


@pytest.fixture
def ours(settings: Settings, secure: RelayLog) -> Settings:
    return replace(
        settings,
        mail_server="localhost",
        mail_port=secure.port,
        mail_use_tls=True,
        mail_username="fiabel",
        mail_password="a secret",
    )


def test_aut_13_a_good_relay_is_ok_and_gets_no_mail(ours: Settings, secure: RelayLog) -> None:
    lines = relay.lines(ours, utcnow() - timedelta(days=20))
    assert graded(lines) == [], said(lines)
    names = ["relay", "relay-tls", "relay-auth", "relay-pipelining", "relay-size", "relay-smtputf8"]
    assert [line.name for line in lines] == names
    assert "TLSv1.3, with a valid certificate" in said(lines)
    assert "knows fiabel" in said(lines)
    assert "8BITMIME and SMTPUTF8" in said(lines)
    assert "MAIL" not in secure.verbs
    assert "AUTH" not in secure.unencrypted
    assert secure.verbs[-1] == "QUIT"


def test_aut_13_a_certificate_that_ends_soon_is_told(ours: Settings) -> None:
    assert graded(relay.lines(ours, utcnow())) == ["relay-tls warn"]


def test_aut_13_a_certificate_of_another_name_is_refused(ours: Settings) -> None:
    with pytest.raises(FixSettings, match="not valid"):
        relay.lines(replace(ours, mail_server="127.0.0.1"), utcnow())


def test_a_wrong_password_is_one_sentence(ours: Settings, secure: RelayLog) -> None:
    secure.script = lambda stage, _to: "535 5.7.8 no" if stage == "auth" else None
    with pytest.raises(FixSettings, match="refuses MAIL_USERNAME and MAIL_PASSWORD: 535"):
        relay.lines(ours, utcnow())


@pytest.mark.parametrize(("utf8", "expected"), [(False, []), (True, ["relay-smtputf8 fail"])])
def test_a_plain_relay_on_this_machine(settings: Settings, utf8: bool, expected: list[str]) -> None:
    with running() as log:
        plain = replace(settings, mail_server="127.0.0.1", mail_port=log.port, mail_smtputf8=utf8)
        lines = relay.lines(plain, utcnow())
    assert graded(lines) == expected
    assert "on this machine" in said(lines)


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        (("SIZE 100000",), ["relay-size fail"]),
        (("SIZE 0",), []),
        (("SIZE",), []),
        (("SIZE 219999",), ["relay-size fail"]),
        (("SIZE 220000",), []),
    ],
)
def test_the_largest_message_has_to_fit(
    settings: Settings, offers: tuple[str, ...], expected: list[str]
) -> None:
    with running(offers=offers) as log:
        plain = replace(settings, mail_server="127.0.0.1", mail_port=log.port)
        assert graded(relay.lines(plain, utcnow())) == expected


def test_without_pipelining_it_is_slower(settings: Settings) -> None:
    with running(pipelining=False) as log:
        plain = replace(settings, mail_server="127.0.0.1", mail_port=log.port)
        assert graded(relay.lines(plain, utcnow())) == ["relay-pipelining warn"]


def test_aut_13_plaintext_to_another_machine_is_told(
    settings: Settings, file: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOPBACK", set())
    with running(starttls=server_context(file)) as log:
        plain = replace(settings, mail_server="127.0.0.1", mail_port=log.port)
        lines = relay.lines(plain, now)
    assert graded(lines) == ["relay-tls warn"]
    assert "Set MAIL_USE_TLS=yes" in said(lines)


def test_a_relay_that_does_not_answer_is_one_sentence(settings: Settings, now: datetime) -> None:
    away = replace(settings, mail_server="127.0.0.1", mail_port=free_port())
    with pytest.raises(TryLater, match="does not answer"):
        relay.lines(away, now)
