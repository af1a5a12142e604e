"""What the server writes to its log: to stderr, in one line each, and nothing that opens a door.

Nobody logs requests; but an error may quote one, or a row of the database.
"""

import logging
import re

# A name of the program has no digits and no capitals.
TOKEN = re.compile(r"(?<![A-Za-z0-9_-])(?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{36}(?![A-Za-z0-9_-])")
SHORT_TOKEN = re.compile(r"(?<![A-Za-z0-9])[0-9A-Fa-f]{30}(?![A-Za-z0-9])")
ADDRESS = re.compile(r"(?:\"[^\"\n]+\"|[^\s<>\"(),:;=\[\]@/?&]+)(?:@|%40)[^\s<>\"'(),:;\[\]@/?&]+")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Redacted(logging.Formatter):
    """Log lines without tokens and addresses: whoever reads a log must not be able to use a
    reader's link, nor know who reads (SEC-11). Nobody's text begins a line of its own (SEC-12)."""

    def format(self, record: logging.LogRecord) -> str:
        """The line and its traceback, each token and each address replaced."""
        text = super().format(record)
        for secret in (TOKEN, SHORT_TOKEN, ADDRESS):
            text = secret.sub("…", text)
        shown = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
        return shown.replace("\n", "\n    ")


LOGGING = {
    "root": {"level": "WARNING", "handlers": ["error_console"]},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "apscheduler": {"level": "ERROR"},  # it warns of every tick while a long delivery runs
    },
    "formatters": {
        "generic": {
            "class": f"{__name__}.Redacted",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
}
