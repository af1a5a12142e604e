"""Typed, frozen settings made from `config.py`, `.env` and the environment.

`load()` is called once, by a door; everything below gets the `Settings` it returns. Every
problem is reported at once, each in one sentence that names the setting.
"""

import contextlib
import difflib
import io
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from dotenv.parser import parse_stream

import config
from newsletter.errors import FixSettings

YES = {"1", "yes", "true", "on", "ja"}
NO = {"0", "no", "false", "off", "nee", ""}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Settings:
    """One field for each name in `config.py`, in lower case, with units as explained there."""

    newsletter_env: str
    secret_key: str
    base_url: str
    database_url: str
    content_dir: Path
    instance_dir: Path
    timezone: ZoneInfo
    trusted_proxies: int
    mail_server: str
    mail_port: int
    mail_use_tls: bool
    mail_use_ssl: bool
    mail_username: str
    mail_password: str
    mail_allow_plaintext: bool
    mail_default_sender: Address
    mail_timeout: int
    reply_to: str
    list_id: str
    feedback_sender: str
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
    delivery_give_up: float
    confirm_days: int
    confirm_notices_per_day: int
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
    def uses_catcher(self) -> bool:
        """Does mail go to the local catcher (development without a relay)?"""
        return not self.mail_server

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
    if not problems:
        problems += _contradictions(values)
    if not problems and values["newsletter_env"] == "production":
        problems += _missing_in_production(raw)
    if problems:
        raise FixSettings("\n".join(problems))
    return _complete(Settings(**values))


def _names() -> list[str]:
    return [field.name.upper() for field in fields(Settings)]


def _read_env_file(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(file.read_text("utf-8"))):
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
    parser: Callable[[Any], Any] = _PARSERS.get(name, _text)
    try:
        return parser(value)
    except ValueError as error:
        shown = "" if name in {"SECRET_KEY", "MAIL_PASSWORD"} else f" (it is {str(value)!r})"
        problems.append(f"{name} {error}{shown}.")
        return None


def _text(value: Any) -> str:
    text = str(value).strip()
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("must not contain control characters")
    return text


def _yes_no(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in YES or text in NO:
        return text in YES
    raise ValueError("must be yes or no")


def _number(low: float, high: float, kind: type[int] | type[float] = int) -> Any:
    def parse(value: Any) -> int | float:
        try:
            number = kind(str(value).strip())
        except ValueError:
            whole = "a whole number" if kind is int else "a number"
            raise ValueError(f"must be {whole} from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return parse


def _one_of(*choices: str) -> Any:
    def parse(value: Any) -> str:
        if str(value).strip() not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return str(value).strip()

    return parse


def _secret(value: Any) -> str:
    if value and len(str(value)) < 32:
        raise ValueError("must be at least 32 characters long")
    return str(value)


def _site(value: Any) -> str:
    """An origin: scheme and host, no path; ASCII, since it goes into mail headers."""
    text = str(value).strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isascii():
        raise ValueError("must be a full address such as https://nieuws.example")
    if parts.path or parts.query or parts.fragment or parts.username or " " in text:
        raise ValueError("must be scheme and host only, such as https://nieuws.example")
    return text


def _site_or_page(value: Any) -> str:
    text = _text(value)
    if text and urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("must be a full address such as https://www.vvsg.be/")
    return text


def _zone(value: Any) -> ZoneInfo:
    try:
        return ZoneInfo(str(value).strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None


def _sender(value: Any) -> Address:
    name, address = parseaddr(_text(value))
    local, _, domain = address.rpartition("@")
    if not local or "." not in domain or not address.isascii():
        raise ValueError("must be of the form Name <address@domain>")
    return Address(display_name=name, username=local, domain=domain)


def _address(value: Any) -> str:
    text = _text(value)
    if text and ("@" not in text or " " in text or not text.isascii()):
        raise ValueError("must be a mail address")
    return text


def _addresses(value: Any) -> tuple[str, ...]:
    return tuple(_address(part) for part in str(value).split(",") if part.strip())


def _folder(value: Any) -> Path:
    return Path(_text(value)).expanduser().absolute()


def _cadences(value: Any) -> dict[str, str]:
    rules: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in str(value).split(";"))):
        name, _, rule = (part.strip() for part in entry.partition("="))
        if not name.isidentifier() or not rule:
            raise ValueError("must read 'name = cron rule; name = cron rule'")
        _check_rule(name, rule)
        rules[name] = rule
    if not rules:
        raise ValueError("must name at least one cadence")
    return rules


def _check_rule(name: str, rule: str) -> None:
    weekday = rule.split()[-1].partition("#")[0]
    if any(char.isdigit() for char in weekday):
        raise ValueError(f"has a weekday as a number in {name}; use names such as tue or tue#1")
    try:
        CronSim(rule.upper(), datetime(2026, 1, 1))  # noqa: DTZ001 (only to read the rule)
    except CronSimError as error:
        raise ValueError(f"has a rule that cannot be read in {name}: {error}") from None


def _contradictions(values: dict[str, Any]) -> list[str]:
    problems = []
    if values["default_cadence"] not in values["cadences"]:
        known = ", ".join(values["cadences"])
        problems.append(f"DEFAULT_CADENCE must be one of the cadences in CADENCES: {known}.")
    if values["mail_use_tls"] and values["mail_use_ssl"]:
        problems.append("MAIL_USE_TLS and MAIL_USE_SSL exclude each other; say yes to one.")
    plain = not (values["mail_use_tls"] or values["mail_use_ssl"] or values["mail_allow_plaintext"])
    if values["mail_server"] and plain and values["mail_server"] not in LOOPBACK:
        problems.append(
            "MAIL_USE_TLS or MAIL_USE_SSL must be yes for a relay on another machine "
            "(or MAIL_ALLOW_PLAINTEXT, if you accept unencrypted mail)."
        )
    if bool(values["mail_username"]) != bool(values["mail_password"]):
        problems.append("MAIL_USERNAME and MAIL_PASSWORD go together; one of them is missing.")
    return problems


def _missing_in_production(raw: dict[str, Any]) -> list[str]:
    """A default that only suits development counts as missing."""
    needed = ["SECRET_KEY", "MAIL_SERVER", "MAIL_DEFAULT_SENDER", "LIST_ID"]
    needed += [name for name in _names() if name.startswith("ORG_")]
    unset = [name for name in needed if not raw[name] or raw[name] is getattr(config, name)]
    problems = [f"{name} must be set in production." for name in unset]
    if not str(raw["BASE_URL"]).startswith("https://"):
        problems.append("BASE_URL must be set to an https address in production.")
    return problems


def _complete(settings: Settings) -> Settings:
    """Fill in what depends on INSTANCE_DIR: the development key and the embedded database."""
    settings.instance_dir.mkdir(parents=True, exist_ok=True)
    changes: dict[str, Any] = {}
    if not settings.database_url:
        changes["database_url"] = f"sqlite:///{settings.instance_dir / 'newsletter.db'}"
    if not settings.secret_key:
        changes["secret_key"] = _development_key(settings.instance_dir / "secret_key")
    return replace(settings, **changes)


def _development_key(file: Path) -> str:
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=file.parent) as fresh:  # mode 0600
            fresh.write(secrets.token_urlsafe(48))
            fresh.flush()
            # A hard link appears whole or not at all: of two starts at once, one wins.
            with contextlib.suppress(FileExistsError):
                os.link(fresh.name, file)
    return file.read_text("ascii").strip()


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "NEWSLETTER_ENV": _one_of("development", "production"),
    "SECRET_KEY": _secret,
    "BASE_URL": _site,
    "CONTENT_DIR": _folder,
    "INSTANCE_DIR": _folder,
    "TIMEZONE": _zone,
    "TRUSTED_PROXIES": _number(0, 10),
    "MAIL_PORT": _number(1, 65535),
    "MAIL_USE_TLS": _yes_no,
    "MAIL_USE_SSL": _yes_no,
    "MAIL_ALLOW_PLAINTEXT": _yes_no,
    "MAIL_DEFAULT_SENDER": _sender,
    "MAIL_TIMEOUT": _number(1, 3600),
    "REPLY_TO": _address,
    "CATCHER_PORT": _number(1, 65535),
    "CADENCES": _cadences,
    "EDITORS": _addresses,
    "HOLD_HOURS": _number(0, 24 * 14, float),
    "LATE_HOURS": _number(0, 24 * 14, float),
    "APPROVALS": _number(0, 2),
    "BACKLOG": _number(0, 100),
    "DELIVERY_CONNECTIONS": _number(1, 500),
    "LEASE_SECONDS": _number(1, 3600),
    "IN_DOUBT": _one_of("resend", "hold"),
    "DELIVERY_GIVE_UP": _number(0, 24 * 14, float),
    "CONFIRM_DAYS": _number(1, 60),
    "CONFIRM_NOTICES_PER_DAY": _number(1, 100),
    "ORG_EMAIL": _address,
    "ORG_WEBSITE": _site_or_page,
}
