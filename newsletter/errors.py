"""Errors a person can act on, named by what to do next. Each message is one clear sentence."""

from pathlib import Path


class NewsletterError(Exception):
    """Base of all expected errors; a door shows `str(error)` and exits with 1 (or answers 4xx)."""


class FixSettings(NewsletterError):
    """A setting is missing or makes no sense; the message names it."""


class FixContent(NewsletterError):
    """The shelf or an issue needs mending; one finding a line, each with its place."""

    def __init__(self, *findings: "Finding | str") -> None:
        super().__init__("\n".join(str(finding) for finding in findings))


class FixRequest(NewsletterError):
    """What was asked for does not exist or is not possible now; the message says what is."""


class TryLater(NewsletterError):
    """Something outside did not answer; the same call may succeed later, nothing was lost."""


class Finding:
    """One thing to mend: file, line (1-based) and a sentence that says how."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        self.path, self.line, self.message = path, line, message

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"
