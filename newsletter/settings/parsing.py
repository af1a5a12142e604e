"""From the text of a setting to its value; a ValueError says what it must be, after its name."""

import re
from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from newsletter.settings.rates import Rate as Rate
from newsletter.settings.rates import limit, rate, share

Parser = Callable[[Any], Any]
MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")
YES = {"1", "yes", "true", "on", "ja"}
NO = {"0", "no", "false", "off", "nee", ""}


def as_text(value: Any) -> str:
    """Any text without control characters."""
    text = str(value).strip()
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("must not contain control characters")
    return text


def yes_no(value: Any) -> bool:
    """yes or no, in English or Dutch, or 1 or 0."""
    text = str(value).strip().lower()
    if text in YES or text in NO:
        return text in YES
    raise ValueError("must be yes or no")


def number(low: float, high: float, kind: type[int] | type[float] = int) -> Any:
    """A parser of numbers from `low` to `high`."""

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


def one_of(*choices: str) -> Any:
    """A parser that knows only these words."""

    def parse(value: Any) -> str:
        if str(value).strip() not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return str(value).strip()

    return parse


def secret(value: Any) -> str:
    """Empty, or at least 32 characters."""
    text = str(value).strip()
    if text and len(text) < 32:
        raise ValueError("must be at least 32 characters long")
    return text


def secrets(value: Any) -> tuple[str, ...]:
    """Secrets separated by commas."""
    return tuple(secret(part) for part in str(value).split(",") if part.strip())


def origins(value: Any) -> str:
    """Sites separated by blanks, or "*"; empty: none."""
    return "*" if as_text(value) == "*" else " ".join(site(part) for part in as_text(value).split())


def site(value: Any) -> str:
    """An origin: scheme and host, no path; ASCII, since it goes into mail headers."""
    text = str(value).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not text.isascii():
        raise ValueError("must be a full address such as https://nieuws.example")
    if parts.path or parts.query or parts.fragment or parts.username or " " in text:
        raise ValueError("must be scheme and host only, such as https://nieuws.example")
    return text


def site_or_page(value: Any) -> str:
    """A web address."""
    text = as_text(value)
    if text and urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("must be a full address such as https://www.vvsg.be/")
    return text


def zone(value: Any) -> ZoneInfo:
    """An IANA time zone."""
    try:
        return ZoneInfo(str(value).strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None


def sender(value: Any) -> Address:
    """`Name <address@domain>`, ASCII in the address."""
    name, found = parseaddr(as_text(value))
    if not MAILBOX.fullmatch(found):
        raise ValueError("must be of the form Name <address@domain>")
    local, _, domain = found.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def address(value: Any) -> str:
    """A mail address, or nothing."""
    text = as_text(value)
    if text and not MAILBOX.fullmatch(text):
        raise ValueError("must be a mail address such as redactie@vvsg.example")
    return text


def addresses(value: Any) -> tuple[str, ...]:
    """Mail addresses separated by commas."""
    return tuple(address(part) for part in str(value).split(",") if part.strip())


def ips(value: Any) -> tuple[str, ...]:
    """IP addresses separated by commas."""
    try:
        return tuple(
            str(ip_address(part.strip())) for part in str(value).split(",") if part.strip()
        )
    except ValueError:
        raise ValueError("must be IP addresses separated by commas") from None


def domain_rates(value: Any) -> dict[str, Rate]:
    """`domain = rate; domain = rate`."""
    rates: dict[str, Rate] = {}
    for entry in filter(None, (part.strip() for part in as_text(value).split(";"))):
        name, _, text = (part.strip() for part in entry.partition("="))
        found = rate(text)
        if not HOST.fullmatch(name) or found is None:
            raise ValueError("must read 'gmail.com = 100/minute; hotmail.com = 20/minute'")
        rates[name.lower()] = found
    return rates


def minutes(value: Any) -> tuple[float, ...]:
    """Waiting times separated by commas."""
    try:
        found = tuple(float(part) for part in str(value).split(",") if part.strip())
    except ValueError:
        found = ()
    if not found or not all(0 < part <= 60 * 24 for part in found):
        raise ValueError("must be minutes separated by commas, such as 15, 35, 150")
    return found


def file(value: Any) -> Path | None:
    """A file, from the current folder when relative; or nothing."""
    return Path(as_text(value)).expanduser().absolute() if as_text(value) else None


def folder(value: Any) -> Path:
    """A folder, from the current one when relative."""
    if not as_text(value):
        raise ValueError("must name a folder")
    return Path(as_text(value)).expanduser().absolute()


def database(value: Any) -> str:
    """SQLite or PostgreSQL, as an SQLAlchemy address; empty for the embedded one."""
    text = as_text(value)
    if text and not re.match(r"(sqlite|postgresql)(\+\w+)?://", text):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    try:
        make_url(text or "sqlite://")
    except (ArgumentError, ValueError):
        raise ValueError("must be like postgresql://user:password@host:5432/name") from None
    return text


def host(value: Any) -> str:
    """A host name or an IP address, ASCII."""
    text = as_text(value)
    if text and not (HOST.fullmatch(text) and max(map(len, text.split("."))) < 64):
        raise ValueError("must be a host name such as relay.vvsg.example")
    return text


def list_id(value: Any) -> str:
    """A List-Id without its brackets (RFC 2919 3): labels with dots, at most 255 octets."""
    text = as_text(value)
    if not (HOST.fullmatch(text) and "." in text and len(text) <= 255):
        raise ValueError("must be a name under your domain, such as fiabel.list-id.vvsg.example")
    return text


def feedback_sender(value: Any) -> str:
    """The sender part of Feedback-ID."""
    text = as_text(value)
    if not re.fullmatch(r"[A-Za-z0-9_-]{5,15}", text):
        raise ValueError("must be 5 to 15 letters, digits or hyphens")
    return text


def cadences(value: Any) -> dict[str, str]:
    """`name = cron rule; name = cron rule`."""
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


PARSERS: dict[str, Parser] = {
    "NEWSLETTER_ENV": one_of("development", "production"),
    "SECRET_KEY": secret,
    "SECRET_KEYS": secrets,
    "LEAKED_KEYS": secrets,
    "BASE_URL": site,
    "CONTENT_DIR": folder,
    "DATABASE_URL": database,
    "MAIL_SERVER": host,
    "LIST_ID": list_id,
    "FEEDBACK_SENDER": feedback_sender,
    "INSTANCE_DIR": folder,
    "OUTSIDE_DIR": file,
    "TIMEZONE": zone,
    "TRUSTED_PROXIES": number(0, 10),
    "CONTENT_HOST": yes_no,
    "WEB_PROCESSES": number(1, 64),
    "LOG_LEVEL": one_of("", "debug", "info", "warning", "error"),
    "LOG_FORMAT": one_of("console", "json"),
    "METRICS_TOKEN": secret,
    "METRICS_PORT": number(0, 65535),
    "MAIL_PORT": number(1, 65535),
    "MAIL_USE_TLS": yes_no,
    "MAIL_USE_SSL": yes_no,
    "MAIL_ALLOW_PLAINTEXT": yes_no,
    "MAIL_DEFAULT_SENDER": sender,
    "MAIL_TIMEOUT": number(1, 3600),
    "REPLY_TO": address,
    "FORWARD_RATE": rate,
    "MAIL_SMTPUTF8": yes_no,
    "MAIL_OUTGOING": ips,
    "RETURN_PATH": address,
    "DKIM_DOMAIN": host,
    "DKIM_SELECTOR": host,
    "DKIM_KEY_FILE": file,
    "DKIM_ED25519_SELECTOR": host,
    "DKIM_ED25519_KEY_FILE": file,
    "CATCHER_PORT": number(1, 65535),
    "CADENCES": cadences,
    "EDITORS": addresses,
    "HOLD_HOURS": number(0, 24 * 14, float),
    "LATE_HOURS": number(0, 24 * 14, float),
    "APPROVALS": number(0, 2),
    "BACKLOG": number(0, 100),
    "DELIVERY_CONNECTIONS": number(1, 500),
    "LEASE_SECONDS": number(1, 3600),
    "CLOCK": one_of("embedded", "workers"),
    "IN_DOUBT": one_of("resend", "hold"),
    "DELIVERY_RATE": rate,
    "DELIVERY_DOMAIN_RATES": domain_rates,
    "DOMAIN_REST_MINUTES": number(0.001, 60 * 24, float),
    "DELIVERY_WINDOW": number(0, 24 * 14, float),
    "WARMUP_DAYS": number(0, 60),
    "RETRY_MINUTES": minutes,
    "DELIVERY_GIVE_UP": number(0, 24 * 14, float),
    "FAILURE_SHARE": number(0, 1, float),
    "FAILURE_SAMPLE": number(1, 100_000),
    "BOUNCE_WARN": share,
    "BOUNCE_PAUSE": share,
    "COMPLAINT_WARN": share,
    "COMPLAINT_PAUSE": share,
    "REPUTATION_SAMPLE": number(1, 1_000_000),
    "RELAY_REST_SECONDS": number(1, 3600),
    "GRACE_SECONDS": number(0, 3600),
    "CONFIRM_DAYS": number(1, 60),
    "REMIND_HOURS": number(0, 24 * 60, float),
    "CONFIRM_NOTICES_PER_DAY": number(1, 100),
    "CONFIRM_NOTICES_PER_MONTH": number(1, 1000),
    "COME_BACK_DAYS": number(1, 3650),
    "SIGNUP_IP_RATE": rate,
    "SIGNUP_RATE": rate,
    "SIGNUP_DOMAIN_RATE": rate,
    "WORK_BITS": number(0, 32),
    "EMBED_ORIGINS": origins,
    "DATA_LINK_HOURS": number(0.1, 24 * 30, float),
    "UNDO_DAYS": number(0, 3650),
    "DESK_SECOND_FACTOR": one_of("required", "optional"),
    "DESK_IDLE_MINUTES": number(1, 60 * 24, float),
    "DESK_SESSION_HOURS": number(0.1, 24 * 30, float),
    "DESK_FRESH_MINUTES": number(1, 60 * 24, float),
    "INVITATION_DAYS": number(1, 60),
    "NEW_PASSWORD_HOURS": number(0.1, 24 * 7, float),
    "API_RATE": limit,
    "ENDPOINTS_INSIDE": yes_no,
    "DESK_GUESSES": limit,
    "DESK_NETWORK_GUESSES": limit,
    "OIDC_ISSUER": site_or_page,
    "ORIGIN_DAYS": number(1, 3650),
    "LEFT_DAYS": number(1, 36500),
    "NOTICE_DAYS": number(30, 3650),
    "REPLY_DAYS": number(1, 3650),
    "PRIVACY_CONTACT": address,
    "ORG_EMAIL": address,
    "ORG_WEBSITE": site_or_page,
}
