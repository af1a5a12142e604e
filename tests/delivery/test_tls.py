"""The relay's certificate is verified, always; and the same loop works over TLS."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.sender import Sender
from newsletter.errors import FixSettings, TryLater
from newsletter.settings import Settings
from tests.relay import RelayLog, running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key in the same file, signed by nobody."""
    openssl = shutil.which("openssl")
    assert openssl, "there is no openssl (Debian: apt-get install openssl)"
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*request, "-keyout", key, "-out", made], check=True, capture_output=True)
    (folder / "both.pem").write_text(key.read_text() + made.read_text())
    return folder / "both.pem"


@pytest.fixture
def secure_relay(certificate: Path) -> Iterator[RelayLog]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running(tls=context) as log:
        yield log


@pytest.fixture
def secure_settings(settings: Settings, secure_relay: RelayLog) -> Settings:
    return replace(
        settings,
        mail_server="localhost",
        mail_port=secure_relay.port,
        mail_use_ssl=True,
        delivery_connections=2,
    )


def test_everyone_gets_it_once_over_tls(
    planned: Database,
    secure_settings: Settings,
    secure_relay: RelayLog,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert Sender(planned, secure_settings).work().accepted == 25
    assert len({taken.recipient for taken in secure_relay.taken}) == len(secure_relay.taken) == 25


def test_aut_13_a_certificate_nobody_signed_is_refused(
    planned: Database, secure_settings: Settings, secure_relay: RelayLog
) -> None:
    with pytest.raises(FixSettings, match="certificate of MAIL_SERVER localhost is not valid"):
        Sender(planned, secure_settings).work()
    assert secure_relay.taken == []
    with planned.read() as session:
        assert ledger.counts(session, 1)["pending"] == 25


def test_aut_13_a_name_that_is_not_in_the_certificate_is_refused(
    planned: Database,
    secure_settings: Settings,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(FixSettings, match="not valid"):
        Sender(planned, replace(secure_settings, mail_server="127.0.0.1")).work()


def test_a_password_that_no_relay_can_be_told_is_one_sentence(
    planned: Database, settings: Settings
) -> None:
    with running(offers=["AUTH PLAIN"]) as log:
        mine = replace(settings, mail_server="127.0.0.1", mail_port=log.port)
        with pytest.raises(FixSettings, match="MAIL_PASSWORD may hold ASCII"):
            Sender(planned, replace(mine, mail_username="a", mail_password="é" * 9)).work()


def test_a_relay_without_starttls_gets_nothing_in_plaintext(
    planned: Database, settings: Settings
) -> None:
    with running() as log:
        plain = replace(settings, mail_server="127.0.0.1", mail_port=log.port, mail_use_tls=True)
        with pytest.raises((FixSettings, TryLater)):
            Sender(planned, plain).work()
        assert "MAIL" not in log.verbs
