"""Settings refuse to start on nonsense, name what is wrong, and are all explained."""

import os
import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

import config
from newsletter import settings as settings_module
from newsletter.errors import FixSettings
from newsletter.settings import Settings
from newsletter.tokens import Purpose, tokens_of

PRODUCTION = {
    "NEWSLETTER_ENV": "production",
    "SECRET_KEY": "0123456789012345678901234567890123456789",
    "BASE_URL": "https://nieuws.vvsg.example",
    "MAIL_SERVER": "relay.vvsg.example",
    "MAIL_USE_TLS": "yes",
    "MAIL_DEFAULT_SENDER": "Fiabel <fiabel@nieuws.example>",
    "LIST_ID": "fiabel.list-id.nieuws.example",
    "ORG_NAME": "VVSG",
    "ORG_LEGAL_FORM": "vzw ",
    "ORG_ADDRESS": "Straat 1, 1000 Brussel",
    "ORG_NUMBER": "0123.456.789",
    "ORG_COURT": "RPR Leuven",
    "ORG_EMAIL": "info@vvsg.example",
    "ORG_WEBSITE": "https://vvsg.example/",
}


def load(tmp_path: Path, **environ: str) -> Settings:
    environ.setdefault("INSTANCE_DIR", str(tmp_path / "instance"))
    return settings_module.load(environ=environ, env_file=tmp_path / ".env")


def test_every_setting_is_explained_in_config() -> None:
    source = Path(config.__file__).read_text("utf-8").splitlines()
    names = {"SECRET_KEY", *(field.name.upper() for field in fields(Settings))}
    assigned = {line.split(" = ")[0] for line in source if re.match(r"[A-Z_0-9]+ = ", line)}
    assert assigned - {"PROJECT_DIR"} == names
    for index, line in enumerate(source):
        if re.match(r"[A-Z_0-9]+ = ", line) and not line.startswith("PROJECT_DIR"):
            block = source[max(0, index - 8) : index]
            explained = next((row for row in reversed(block) if not re.match("[A-Z]", row)), "")
            assert explained.startswith("#"), f"{line} has no explanation above it"


def test_defaults_are_good_for_development(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found.relay == ("127.0.0.1", 1025)
    assert found.database_url.endswith("instance/newsletter.db")
    assert len(found.secret_key) >= 32
    assert load(tmp_path).secret_key == found.secret_key, "the key is kept"
    assert (tmp_path / "instance/secret_key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEWSLETTER_ENV", "prod"),
        ("SECRET_KEY", "short"),
        ("BASE_URL", "nieuws.example"),
        ("BASE_URL", "https://nieuws.example/path"),
        ("BASE_URL", "https://nieuws exämple"),
        ("TIMEZONE", "Europe/Brussel"),
        ("TIMEZONE", "../../etc/passwd"),
        ("MAIL_PORT", "smtp"),
        ("MAIL_PORT", "70000"),
        ("MAIL_USE_TLS", "perhaps"),
        ("MAIL_DEFAULT_SENDER", "Fiabel"),
        ("MAIL_DEFAULT_SENDER", "Fiabel\r\nBcc: x <a@b.be>"),
        ("REPLY_TO", "two words@x.be"),
        ("CADENCES", ""),
        ("CADENCES", "monthly"),
        ("CADENCES", "monthly = 0 9 * * 2"),
        ("CADENCES", "monthly = 61 9 * * tue"),
        ("DEFAULT_CADENCE", "daily"),
        ("HOLD_HOURS", "-1"),
        ("HOLD_HOURS", "nan"),
        ("APPROVALS", "3"),
        ("IN_DOUBT", "maybe"),
        ("LEASE_SECONDS", "0"),
        ("DELIVERY_CONNECTIONS", "1.5"),
        ("ORG_WEBSITE", "javascript:alert(1)"),
        ("APPROVALS", "one"),
        ("BASE_URL", "https://x:99999"),
        ("BASE_URL", "https://[::1"),
        ("DATABASE_URL", "mysql://a"),
        ("DATABASE_URL", "postgresql://me@host:port/name"),
        ("EDITORS", "@,x@y.be"),
        ("FEEDBACK_SENDER", "é"),
        ("INSTANCE_DIR", ""),
        ("INSTANCE_DIR", "/proc/x"),
        ("LIST_ID", ""),
        ("LIST_ID", "lijst-é.example"),
        ("MAIL_DEFAULT_SENDER", "A <a b@c.de>"),
        ("MAIL_SERVER", "é..x"),
        ("REPLY_TO", "x@"),
        ("BOUNCE_WARN", "2"),
        ("BOUNCE_PAUSE", "101 %"),
        ("BOUNCE_WARN", "6 %"),  # more than BOUNCE_PAUSE
        ("COMPLAINT_PAUSE", "-1 %"),
        ("FORWARD_RATE", "60"),
        ("MAILGUN_SIGNING_KEY", "short"),
        ("POSTMARK_WEBHOOK", "a-password-without-a-user"),
        ("POSTMARK_WEBHOOK", "user:short"),
        ("POSTMARK_WEBHOOK", "user:een wachtwoord met é"),
        ("SES_TOPIC_ARN", "fiabel"),
        ("SES_TOPIC_ARN", "arn:aws:sqs:eu-west-1:123456789012:fiabel"),
    ],
)
def test_nonsense_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(FixSettings, match=f"^{name} .*\\.$"):
        load(tmp_path, **{name: value})


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(FixSettings) as caught:
        load(tmp_path, MAIL_PORT="x", BACKLOG="y", IN_DOUBT="z")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    "url", ["postgres://me:hunter2@host/x", "postgresql://me:hunter2@host:x/y"]
)
def test_the_password_of_the_database_is_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(FixSettings, match=r"^DATABASE_URL must be") as caught:
        load(tmp_path, DATABASE_URL=url)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_repeated_in_errors(tmp_path: Path) -> None:
    for name in (
        "SECRET_KEY",
        "SECRET_KEYS",
        "LEAKED_KEYS",
        "MAILGUN_SIGNING_KEY",
        "POSTMARK_WEBHOOK",
    ):
        with pytest.raises(FixSettings) as caught:
            load(tmp_path, **{name: "hunter2"})
        assert "hunter2" not in str(caught.value)


def test_postmark_has_room_for_a_message_id(tmp_path: Path) -> None:
    longest = "n" * 23 + ".example"
    account = "reports:a password of Postmark's"
    for domain in (longest, f"n{longest}"):
        sender = {"MAIL_DEFAULT_SENDER": f"Fiabel <fiabel@{domain}>"}
        load(tmp_path, **sender)
        if domain == longest:
            settings = load(tmp_path, **sender, POSTMARK_WEBHOOK=account)
            token = tokens_of(settings).issue(Purpose.MESSAGE_ID, 2**40 - 1, datetime.now(UTC))
            assert len(f"<{999_999_999}.{token}@{settings.mail_domain}>") == 80
        else:
            with pytest.raises(FixSettings, match=r"^POSTMARK_WEBHOOK needs .* 31 characters"):
                load(tmp_path, **sender, POSTMARK_WEBHOOK=account)


def test_production_names_all_that_is_missing(tmp_path: Path) -> None:
    assert load(tmp_path, **PRODUCTION).production
    for name in PRODUCTION.keys() - {"NEWSLETTER_ENV", "MAIL_USE_TLS"}:
        said = "SECRET_KEYS" if name == "SECRET_KEY" else name
        with pytest.raises(FixSettings, match=f"^{said} must be set"):
            load(tmp_path, **{k: v for k, v in PRODUCTION.items() if k != name})
    with pytest.raises(FixSettings) as caught:
        load(tmp_path, NEWSLETTER_ENV="production")
    assert len(str(caught.value).splitlines()) == 12


def test_production_names_what_is_missing_beside_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FixSettings) as caught:
        load(tmp_path, NEWSLETTER_ENV="production", MAIL_PORT="x")
    assert "MAIL_PORT must be" in str(caught.value)
    assert "ORG_COURT must be set" in str(caught.value)


def test_secret_key_is_a_list_of_one(tmp_path: Path) -> None:
    one, two, three = "1" * 32, "2" * 32, "3" * 32
    assert load(tmp_path, SECRET_KEY=one).secret_keys == (one,)
    assert load(tmp_path, SECRET_KEYS=f"{two}, {one}").secret_key == two
    assert load(tmp_path, SECRET_KEYS=f"{two},{one}", SECRET_KEY=two).secret_keys == (two, one)
    with pytest.raises(FixSettings, match=r"^SECRET_KEY is not the first of SECRET_KEYS: keep"):
        load(tmp_path, SECRET_KEYS=f"{two},{one}", SECRET_KEY=one)
    with pytest.raises(FixSettings, match=r"^SECRET_KEYS must be at least 32 characters"):
        load(tmp_path, SECRET_KEYS=f"{two},short")
    with pytest.raises(FixSettings, match=r"^LEAKED_KEYS has a key that still stands in SECRET"):
        load(tmp_path, SECRET_KEY=one, LEAKED_KEYS=f"{three},{one}")
    production = PRODUCTION | {"SECRET_KEY": "", "SECRET_KEYS": f"{two},{one}"}
    assert load(tmp_path, **production).secret_keys == (two, one)


def test_production_needs_https_and_never_makes_a_key(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="BASE_URL must be set to an https address"):
        load(tmp_path, **PRODUCTION | {"BASE_URL": "http://nieuws.example"})
    load(tmp_path, **PRODUCTION)
    assert not (tmp_path / "instance/secret_key").exists()


def test_production_takes_no_blanks(tmp_path: Path) -> None:
    blank = PRODUCTION | {"MAIL_SERVER": " ", "SECRET_KEY": " " * 40, "ORG_NAME": " "}
    with pytest.raises(FixSettings) as caught:
        load(tmp_path, **blank)
    assert str(caught.value).count("must be set in production") == 3


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance/secret_key").write_text("")
    with pytest.raises(FixSettings, match="secret_key cannot be used"):
        load(tmp_path)


def test_an_env_file_in_another_encoding_is_said_so(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"ORG_NAME=caf\xe9\n")
    with pytest.raises(FixSettings, match="UTF-8"):
        load(tmp_path)


def test_plaintext_to_another_machine_needs_a_yes(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="MAIL_USE_TLS or MAIL_USE_SSL"):
        load(tmp_path, MAIL_SERVER="relay.example")
    load(tmp_path, MAIL_SERVER="127.0.0.1")
    load(tmp_path, MAIL_SERVER="relay.example", MAIL_ALLOW_PLAINTEXT="1")
    load(tmp_path, MAIL_SERVER="relay.example", MAIL_USE_SSL="ja")


def test_shares_are_read_in_per_cent(tmp_path: Path) -> None:
    found = load(tmp_path, BOUNCE_WARN="0.25%", COMPLAINT_PAUSE="1 %")
    assert (found.bounce_warn, found.complaint_pause) == (0.0025, 0.01)
    assert (found.bounce_pause, found.complaint_warn) == (0.05, 0.001)


def test_an_env_file_that_is_not_ours_to_read_is_said_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    root = os.geteuid() == 0
    if root:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(FixSettings, match=r"^\.env cannot be read"):
            settings_module.load(environ={}, env_file=closed / ".env")
    finally:
        if root:
            os.seteuid(0)


def test_env_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ours\nMAIL_PORT=2525\nBACKLOG=7\nOTHER_PROGRAM=1\n")
    found = load(tmp_path, BACKLOG="9")
    assert (found.mail_port, found.backlog) == (2525, 9)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MAIL_SEVER=x", r"\.env, line 2: MAIL_SEVER is not a setting; did you mean MAIL_SERVER\?"),
        ("=nothing", r"\.env, line 2: this is not a line of the form NAME=value"),
    ],
)
def test_env_file_errors_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / ".env").write_text(f"MAIL_PORT=2525\n{line}\n")
    with pytest.raises(FixSettings, match=message):
        load(tmp_path)
