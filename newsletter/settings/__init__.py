"""Typed, frozen settings made from `config.py`, `.env` and the environment.

`load()` is called once, by a door; everything below gets the `Settings` it returns. Every
problem is reported at once, each in one sentence that names the setting.
"""

import difflib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from email.headerregistry import Address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dotenv.parser import parse_stream

import config
from newsletter.errors import FixSettings
from newsletter.settings import keys, mailboxes, webhooks
from newsletter.settings.mailboxes import LOOPBACK as LOOPBACK
from newsletter.settings.mailboxes import Account, Listener, Place
from newsletter.settings.parsing import PARSERS, Parser, Rate, as_text

SECRETS = {"SECRET_KEY", "SECRET_KEYS", "LEAKED_KEYS", "MAIL_PASSWORD", "OIDC_CLIENT_SECRET"}
SECRETS |= {"METRICS_TOKEN", "DATABASE_URL"}
SECRETS |= webhooks.SECRETS
SECRETS |= {"BOUNCE_MAILBOX_PASSWORD", "SEED_PASSWORDS"}
# Somebody may have put a password into these, where it must not be.
SECRETS |= {"BOUNCE_MAILBOX", "SEED_MAILBOXES"}


@dataclass(frozen=True, slots=True)
class Settings:
    """One field for each name in `config.py`, in lower case, with units as explained there."""

    newsletter_env: str
    secret_keys: tuple[str, ...]
    leaked_keys: tuple[str, ...]
    base_url: str
    database_url: str
    content_dir: Path
    instance_dir: Path
    outside_dir: Path
    machine_id: str
    timezone: ZoneInfo
    trusted_proxies: int
    content_host: bool
    clock: str
    web_processes: int
    log_level: str
    log_format: str
    metrics_token: str
    metrics_port: int
    mail_server: str
    mail_port: int
    mail_use_tls: bool
    mail_use_ssl: bool
    mail_username: str
    mail_password: str
    mail_allow_plaintext: bool
    mail_default_sender: Address
    mail_timeout: int
    mail_smtputf8: bool
    mail_outgoing: tuple[str, ...]
    return_path: str
    reply_to: str
    forward_rate: Rate | None
    mailgun_signing_key: str
    postmark_webhook: str
    ses_topic_arn: str
    bounce_mailbox: Place | None
    bounce_mailbox_password: str
    bounce_mailbox_done: str
    bounce_poll_seconds: int
    bounce_lmtp: Listener | None
    seed_mailboxes: tuple[Account, ...]
    seed_passwords: tuple[str, ...]
    seed_hours: float
    list_id: str
    feedback_sender: str
    dkim_domain: str
    dkim_selector: str
    dkim_key_file: Path | None
    dkim_ed25519_selector: str
    dkim_ed25519_key_file: Path | None
    catcher_port: int
    cadences: Mapping[str, str]
    default_cadence: str
    editors: tuple[str, ...]
    hold_hours: float
    late_hours: float
    approvals: int
    backlog: int
    delivery_connections: int
    lease_seconds: int
    in_doubt: str
    delivery_rate: Rate | None
    delivery_domain_rates: Mapping[str, Rate]
    domain_rest_minutes: float
    delivery_window: float
    warmup_days: int
    retry_minutes: tuple[float, ...]
    delivery_give_up: float
    failure_share: float
    failure_sample: int
    bounce_warn: float
    bounce_pause: float
    complaint_warn: float
    complaint_pause: float
    reputation_sample: int
    relay_rest_seconds: int
    grace_seconds: int
    confirm_days: int
    remind_hours: float
    confirm_notices_per_day: int
    confirm_notices_per_month: int
    come_back_days: int
    signup_ip_rate: Rate | None
    signup_rate: Rate | None
    signup_domain_rate: Rate | None
    work_bits: int
    embed_origins: str
    api_rate: Rate
    endpoints_inside: bool
    data_link_hours: float
    undo_days: int
    desk_second_factor: str
    desk_idle_minutes: float
    desk_session_hours: float
    desk_fresh_minutes: float
    invitation_days: int
    new_password_hours: float
    desk_guesses: Rate
    desk_network_guesses: Rate
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str
    origin_days: int
    left_days: int
    notice_days: int
    reply_days: int
    privacy_contact: str
    processors: str
    org_name: str
    org_legal_form: str
    org_address: str
    org_number: str
    org_court: str
    org_email: str
    org_website: str

    @property
    def production(self) -> bool:
        """Is this the real thing, with real readers?"""
        return self.newsletter_env == "production"

    @property
    def secret_key(self) -> str:
        """The key that signs."""
        return self.secret_keys[0]

    @property
    def uses_catcher(self) -> bool:
        """Does mail go to the local catcher (development without a relay)?"""
        return not (self.mail_server or self.production)

    @property
    def relay(self) -> tuple[str, int]:
        """Host and port that mail is handed to."""
        if self.uses_catcher:
            return "127.0.0.1", self.catcher_port
        return self.mail_server, self.mail_port

    @property
    def mail_domain(self) -> str:
        """The sender's domain: right-hand side of every Message-ID."""
        return self.mail_default_sender.domain

    @property
    def bounce_domain(self) -> str:
        """The domain of the envelope's sender, where bounces come back."""
        return self.return_path.rpartition("@")[2] or self.mail_domain


def load(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None, **overrides: str
) -> Settings:
    """Read the settings; `overrides` (by upper-case name) win over environment and file.

    Raises FixSettings with one line for each setting that is missing or makes no sense.
    """
    environ = os.environ if environ is None else environ
    file = env_file or config.PROJECT_DIR / ".env"
    raw: dict[str, Any] = {name: getattr(config, name) for name in _names()}
    raw |= _read_env_file(file)
    raw |= {name: environ[name] for name in _names() if name in environ}
    raw |= overrides
    problems: list[str] = []
    values = {
        f.name: _parse(f.name.upper(), raw[f.name.upper()], problems) for f in fields(Settings)
    }
    values["secret_keys"] = keys.chosen(
        values, _parse("SECRET_KEY", raw["SECRET_KEY"], problems), problems
    )
    sound = not problems
    if values["newsletter_env"] == "production":
        problems += _missing_in_production(raw)
    if sound:
        problems += _contradictions(values)
    if problems:
        raise FixSettings("\n".join(problems))
    return _complete(Settings(**values))


def _names() -> list[str]:
    return ["SECRET_KEY", *(field.name.upper() for field in fields(Settings))]


def _read_env_file(file: Path) -> dict[str, str]:
    try:
        text = file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise FixSettings(f"{file.name} cannot be read as UTF-8 text: {error}.") from None
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        place = f"{file.name}, line {binding.original.line}"
        if binding.error:
            raise FixSettings(f"{place}: this is not a line of the form NAME=value.")
        if binding.key is None:
            continue
        if binding.key not in _names():
            _refuse_misspelling(binding.key, place)
        else:
            found[binding.key] = binding.value or ""
    return found


def _refuse_misspelling(key: str, place: str) -> None:
    """Other programs may keep their settings in the same file; a near miss of ours is a mistake."""
    if close := difflib.get_close_matches(key, _names(), n=1, cutoff=0.85):
        raise FixSettings(f"{place}: {key} is not a setting; did you mean {close[0]}?")


def _parse(name: str, value: Any, problems: list[str]) -> Any:
    parser: Parser = (PARSERS | mailboxes.PARSERS | webhooks.PARSERS).get(name, as_text)
    try:
        return parser(value)
    except ValueError as error:
        shown = "" if name in SECRETS else f" (it is {str(value)!r})"
        problems.append(f"{name} {error}{shown}.")
        return None


def _contradictions(values: dict[str, Any]) -> list[str]:
    problems = []
    if values["default_cadence"] not in values["cadences"]:
        known = ", ".join(values["cadences"])
        problems.append(f"DEFAULT_CADENCE must be one of the cadences in CADENCES: {known}.")
    if values["mail_use_tls"] and values["mail_use_ssl"]:
        problems.append("MAIL_USE_TLS and MAIL_USE_SSL exclude each other; say yes to one.")
    for share in ("bounce", "complaint"):
        if values[f"{share}_warn"] > values[f"{share}_pause"]:
            name = share.upper()
            problems.append(f"{name}_WARN must not be larger than {name}_PAUSE.")
    if values["clock"] == "workers" and not values["database_url"].startswith("postgresql"):
        problems.append("CLOCK=workers needs a PostgreSQL database in DATABASE_URL.")
    plain = not (values["mail_use_tls"] or values["mail_use_ssl"] or values["mail_allow_plaintext"])
    if values["mail_server"] and plain and values["mail_server"] not in LOOPBACK:
        problems.append(
            "MAIL_USE_TLS or MAIL_USE_SSL must be yes for a relay on another machine "
            "(or MAIL_ALLOW_PLAINTEXT, if you accept unencrypted mail)."
        )
    if bool(values["mail_username"]) != bool(values["mail_password"]):
        problems.append("MAIL_USERNAME and MAIL_PASSWORD go together; one of them is missing.")
    if bool(values["oidc_issuer"]) != bool(values["oidc_client_id"]):
        problems.append("OIDC_ISSUER and OIDC_CLIENT_ID go together; one of them is missing.")
    if values["oidc_issuer"].startswith("http:") and values["newsletter_env"] == "production":
        problems.append("OIDC_ISSUER must be an https address in production.")
    return problems + _half_signed(values) + _locked_mailboxes(values) + webhooks.problems(values)


def _locked_mailboxes(values: dict[str, Any]) -> list[str]:
    problems = []
    if isinstance(values["bounce_mailbox"], Account) and not values["bounce_mailbox_password"]:
        problems.append("BOUNCE_MAILBOX needs BOUNCE_MAILBOX_PASSWORD.")
    if len(values["seed_mailboxes"]) != len(values["seed_passwords"]):
        problems.append("SEED_PASSWORDS must hold one password for each of SEED_MAILBOXES.")
    return problems


def _half_signed(values: dict[str, Any]) -> list[str]:
    problems = []
    rsa = [bool(values[name]) for name in ("dkim_domain", "dkim_selector", "dkim_key_file")]
    if any(rsa) and not all(rsa):
        problems.append(
            "DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE go together; one of them is missing."
        )
    second = [bool(values[f"dkim_ed25519_{name}"]) for name in ("selector", "key_file")]
    if any(second) and not (all(second) and all(rsa)):
        problems.append(
            "DKIM_ED25519_SELECTOR and DKIM_ED25519_KEY_FILE go together, beside the RSA key."
        )
    return problems


def _missing_in_production(raw: dict[str, Any]) -> list[str]:
    """A default that only suits development counts as missing."""
    needed = ["MAIL_SERVER", "MAIL_DEFAULT_SENDER", "LIST_ID"]
    needed += [name for name in _names() if name.startswith("ORG_")]
    unset = [
        name for name in needed if not str(raw[name]).strip() or raw[name] is getattr(config, name)
    ]
    problems = [f"{name} must be set in production." for name in unset]
    if not (str(raw["SECRET_KEYS"]).strip() or str(raw["SECRET_KEY"]).strip()):
        problems.append("SECRET_KEYS must be set in production.")
    if not str(raw["BASE_URL"]).startswith("https://"):
        problems.append("BASE_URL must be set to an https address in production.")
    return problems


def _complete(settings: Settings) -> Settings:
    """Fill in what depends on INSTANCE_DIR: the development key and the embedded database."""
    try:
        settings.instance_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FixSettings(
            f"INSTANCE_DIR {settings.instance_dir} cannot be made: {error.strerror}."
        ) from None
    changes: dict[str, Any] = {}
    if not settings.content_host:  # what the host with the folder shares is put there
        changes["content_dir"] = settings.instance_dir / "content"
    if not settings.database_url:
        changes["database_url"] = f"sqlite:///{settings.instance_dir / 'newsletter.db'}"
    if not settings.outside_dir:
        changes["outside_dir"] = settings.instance_dir / "outside"
    if not settings.secret_keys:
        changes["secret_keys"] = (keys.development_key(settings.instance_dir / "secret_key"),)
    return replace(settings, **changes)
