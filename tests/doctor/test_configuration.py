"""Settings that are allowed and still unwise."""

from dataclasses import replace
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest

from newsletter.doctor import configuration
from newsletter.errors import FixSettings
from newsletter.settings import Settings
from tests.doctor.conftest import graded, said


@pytest.fixture
def real(settings: Settings, tmp_path: Path) -> Settings:
    """A sound server of production."""
    return replace(
        settings,
        newsletter_env="production",
        base_url="https://nieuws.vvsg.be",
        mail_server="relay.vvsg.be",
        mail_default_sender=Address("Fiabel", addr_spec="fiabel@nieuws.vvsg.be"),
        return_path="bounce@nieuws.vvsg.be",
        list_id="fiabel.list-id.nieuws.vvsg.be",
        editors=("redactie@vvsg.be",),
        trusted_proxies=1,
    )


def sender(local: str, domain: str) -> Address:
    return Address("Fiabel", local, domain)


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "development with a relay": ({"newsletter_env": "development"}, "warn", "NEWSLETTER_ENV"),
    "a name for examples": ({"base_url": "https://nieuws.vvsg.example"}, "fail", "BASE_URL"),
    "a list for examples": ({"list_id": "fiabel.example.org"}, "fail", "LIST_ID"),
    "somebody's free mailbox": (
        {"mail_default_sender": sender("fiabel", "Gmail.com")},
        "fail",
        "lets nobody else send",
    ),
    "nobody reads replies": (
        {"mail_default_sender": sender("noreply", "nieuws.vvsg.be")},
        "warn",
        "writes to noreply@",
    ),
    "nobody reads replies to": ({"reply_to": "do-not-reply@vvsg.be"}, "warn", "Set REPLY_TO"),
    "bounces to the sender": ({"return_path": ""}, "warn", "RETURN_PATH is empty"),
    "no editors": ({"editors": ()}, "warn", "EDITORS is empty"),
    "a proxy unknown": ({"trusted_proxies": 0}, "warn", "TRUSTED_PROXIES is 0"),
    "a password alone": ({"desk_second_factor": "optional"}, "warn", "DESK_SECOND_FACTOR"),
    "a key to guess": ({"secret_keys": ("secret" * 8,)}, "fail", "openssl rand"),
}


@pytest.mark.parametrize(("changes", "grade", "words"), CASES.values(), ids=CASES)
def test_aut_09_what_is_unwise_is_told(
    changes: dict[str, Any], grade: str, words: str, real: Settings, tmp_path: Path
) -> None:
    lines = configuration.lines(replace(real, **changes), tmp_path / "no.env")
    assert graded(lines) == [f"settings {grade}"], said(lines)
    assert words in said(lines)
    assert real.secret_key not in said(lines)


def test_a_sound_server_is_one_line(real: Settings, tmp_path: Path) -> None:
    (line,) = configuration.lines(real, tmp_path / "no.env")
    assert (line.grade, line.said) == ("ok", "Complete, for production: https://nieuws.vvsg.be")


def test_development_without_a_relay_may_do_as_it_likes(settings: Settings, tmp_path: Path) -> None:
    (line,) = configuration.lines(settings, tmp_path / "no.env")
    assert line.grade == "ok"


def test_secrets_are_for_nobody_else(real: Settings, tmp_path: Path) -> None:
    env, key = tmp_path / ".env", tmp_path / "dkim.pem"
    env.write_text("")
    key.write_text("")
    env.chmod(0o640)
    key.chmod(0o604)
    real.instance_dir.chmod(0o755)
    lines = configuration.lines(replace(real, dkim_key_file=key), env)
    assert [line.mend for line in lines] == [
        f"chmod 600 {env}",
        f"chmod 700 {real.instance_dir}",
        f"chmod 600 {key}",
    ]


def test_a_return_path_without_room_is_one_sentence(real: Settings, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="RETURN_PATH may have"):
        configuration.lines(replace(real, return_path=f"{'b' * 40}@vvsg.be"), tmp_path / ".env")
