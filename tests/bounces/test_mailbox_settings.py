"""Mailboxes and sockets as the settings name them."""

from pathlib import Path

import pytest

from newsletter import settings as settings_module
from newsletter.errors import FixSettings
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Account, Listener, Maildir


def load(tmp_path: Path, **names: str) -> Settings:
    names.setdefault("INSTANCE_DIR", str(tmp_path / "instance"))
    return settings_module.load(environ=names, env_file=tmp_path / ".env")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", None),
        ("maildir:/var/mail/b", Maildir(Path("/var/mail/b"))),
        ("imaps://b@x.example", Account("x.example", 993, "b", "INBOX", tls_at_once=True)),
        (
            "imap://b%40y.example@x.example:1143/INBOX/In%20tray",
            Account("x.example", 1143, "b@y.example", "INBOX/In tray", tls_at_once=False),
        ),
    ],
)
def test_a_mailbox_is_read(tmp_path: Path, text: str, place: object) -> None:
    found = load(tmp_path, BOUNCE_MAILBOX=text, BOUNCE_MAILBOX_PASSWORD="x y")
    assert found.bounce_mailbox == place


def test_an_account_says_its_address_but_not_who_uses_it(tmp_path: Path) -> None:
    boxes = "imaps://a%40gmail.example@imap.gmail.example; imap://an@localhost:1143"
    first, second = load(tmp_path, SEED_MAILBOXES=boxes, SEED_PASSWORDS="x y").seed_mailboxes
    assert (first.address, second.address) == ("a@gmail.example", "an@localhost")
    assert (str(first), second.local) == ("INBOX on imap.gmail.example:993", True)


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        ("127.0.0.1:2424", Listener(None, "127.0.0.1", 2424)),
        ("[::1]:2424", Listener(None, "::1", 2424)),
        ("/run/fiabel/lmtp", Listener(Path("/run/fiabel/lmtp"))),
        ("", None),
    ],
)
def test_a_socket_is_read(tmp_path: Path, text: str, listener: Listener | None) -> None:
    assert load(tmp_path, BOUNCE_LMTP=text).bounce_lmtp == listener


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOUNCE_MAILBOX", "maildir:here"),
        ("BOUNCE_MAILBOX", "imaps://x.example"),
        ("BOUNCE_MAILBOX", "pop3://b@x.example"),
        ("BOUNCE_MAILBOX", "imaps://b@x.example:port"),
        ("BOUNCE_MAILBOX", "imaps://b:geheim@x.example"),
        ("BOUNCE_MAILBOX", "imaps://b@x.example"),
        ("SEED_MAILBOXES", "imaps://b:geheim@x.example"),
        ("SEED_MAILBOXES", "imaps://b@x.example"),
        ("BOUNCE_LMTP", "2424"),
        ("BOUNCE_LMTP", "127.0.0.1:99999"),
        ("BOUNCE_POLL_SECONDS", "0"),
    ],
)
def test_nonsense_is_refused_by_name_and_no_password_is_shown(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(FixSettings, match=name.removesuffix("_MAILBOXES")) as found:
        load(tmp_path, **{name: value})
    assert "geheim" not in str(found.value)
