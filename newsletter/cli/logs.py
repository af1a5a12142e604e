"""What this program writes to its log: to stderr, one line each (or one JSON object), and nothing
that opens a door.

Nobody logs requests; but an error may quote one, or a row of the database. Every text is looked
through, whoever logged it: also those of gunicorn, APScheduler and Procrastinate, and tracebacks.
"""

import hashlib
import logging
import logging.config
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import fields
from importlib.metadata import version
from typing import Any

from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

from newsletter import tracing
from newsletter.settings import SECRETS, Settings

# A name of the program has no digits and no capitals.
TOKEN = re.compile(r"(?<![A-Za-z0-9_-])(?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{36}(?![A-Za-z0-9_-])")
SHORT_TOKEN = re.compile(r"(?<![A-Za-z0-9])[0-9A-Fa-f]{30}(?![A-Za-z0-9])")
OURS = re.compile(r"(?:fnt_|whsec_)[\w+/=%-]+")  # an API token, the secret of an endpoint
ADDRESS = re.compile(r"(?:\"[^\"\n]+\"|[^\s<>\"(),:;=\[\]@/?&]+)(?:@|%40)[^\s<>\"'(),:;\[\]@/?&]+")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
DEEPEST = 6  # levels of lists and mappings that are shown as such
PLAIN = (bool, int, float, type(None))
EventDict = MutableMapping[str, Any]


def redacted(text: str) -> str:
    """Without tokens and addresses: whoever reads a log must not be able to use a reader's link,
    nor know who reads (SEC-11)."""
    for secret in (OURS, TOKEN, SHORT_TOKEN, ADDRESS):
        text = secret.sub("…", text)
    return text


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping) and depth < DEEPEST:
        return {redacted(str(key)): _clean(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < DEEPEST:
        return [_clean(one, depth + 1) for one in value]
    return redacted(str(value))


def _cleaned(_logger: Any, _method: str, fields: EventDict) -> EventDict:
    """Before anything is rendered: afterwards quotes would hide where a text ends."""
    found: EventDict = _clean(fields)
    return found


def _bound(_logger: Any, _method: str, fields: EventDict) -> EventDict:
    """What the work at hand belongs to; what the line itself says goes before."""
    return {**tracing.fields_bound(), **fields}


class Redacted(ProcessorFormatter):
    """Lines for people, or (`form` is json) objects for collectors."""

    def __init__(self, form: str = "console") -> None:
        self._form = form
        last = (
            JSONRenderer()
            if form == "json"
            else ConsoleRenderer(
                colors=False, pad_event_to=0, pad_level=False, exception_formatter=plain_traceback
            )
        )
        super().__init__(
            processors=[
                ProcessorFormatter.remove_processors_meta,
                format_exc_info,
                _cleaned,
                last,
            ],
            foreign_pre_chain=[
                ExtraAdder(),
                add_log_level,
                add_logger_name,
                _bound,
                TimeStamper(fmt="iso", utc=True),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        """Nobody's text begins a line of its own (SEC-12); JSON has no other lines."""
        try:
            text = super().format(record)
        except Exception as error:  # else logging would show what it was given, as it is
            return f"A line of {record.name} could not be written ({type(error).__name__})."
        if self._form == "json":
            return text
        shown = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", redacted(text))
        return shown.replace("\n", "\n    ")


def configuration(settings: Settings) -> dict[str, Any]:
    """For `logging.config.dictConfig`, and for gunicorn, which has the same with its own names."""
    level = (settings.log_level or "info").upper()
    others = "WARNING" if level == "INFO" else level  # what libraries tell is about themselves
    ticks = "DEBUG" if level == "DEBUG" else "ERROR"  # it warns of each during a long delivery
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": others, "handlers": ["error_console"]},
        "loggers": {
            "newsletter": {"level": level},
            "gunicorn.error": {"level": others, "handlers": [], "propagate": True},
            "apscheduler": {"level": ticks},
            "procrastinate": {"level": "CRITICAL"},  # ours says what went wrong, once
            "psycopg.pool": {"level": "ERROR"},
        },
        "handlers": {
            "error_console": {
                "class": "logging.StreamHandler",
                "formatter": "generic",
                "stream": "ext://sys.stderr",
            }
        },
        "formatters": {"generic": {"()": f"{__name__}.Redacted", "form": settings.log_format}},
    }


def who(settings: Settings) -> dict[str, object]:
    """What an operator compares between two starts: `settings` are 12 hexadecimal digits that
    change when a setting does, secrets aside."""
    names = [one.name for one in fields(settings) if one.name.upper() not in SECRETS]
    told = repr([(name, str(getattr(settings, name))) for name in names])
    return {
        "version": version("newsletter"),
        "settings": hashlib.sha256(told.encode()).hexdigest()[:12],
        "database": settings.database_url.partition(":")[0],
        "processes": settings.web_processes,
    }


def set_up(settings: Settings) -> None:
    """Write the log of this process as the settings say."""
    logging.config.dictConfig(configuration(settings))
