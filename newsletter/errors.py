"""Errors a person can act on, named by what to do next. Each message is one clear sentence."""

from pathlib import Path

from newsletter.i18n import Said


class NewsletterError(Exception):
    """Base of all expected errors, made of what it says: Said, or a Dutch text (in commands: an
    English one). A door shows `in_(locale)` and answers 4xx; a command prints `str(error)` in
    English and exits with 1."""

    def __init__(self, *said: Said | str) -> None:
        super().__init__(*said)

    @property
    def said(self) -> tuple[Said, ...]:
        """What it says, sentence by sentence."""
        return tuple(one if isinstance(one, Said) else Said(one) for one in self.args)

    def in_(self, locale: str) -> str:
        """What it says in `locale`, one sentence a line."""
        return "\n".join(one.in_(locale) for one in self.said)

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class FixSettings(NewsletterError):
    """A setting is missing or makes no sense; the message names it."""


class FixContent(NewsletterError):
    """The shelf or an issue needs mending; one finding a line, each with its place."""


class FixRequest(NewsletterError):
    """What was asked for does not exist or is not possible now; the message says what is."""


class FixField(FixRequest):
    """One field of a form needs mending: `field` is its name."""

    def __init__(self, field: str, said: Said | str) -> None:
        super().__init__(said)
        self.field = field


class TryLater(NewsletterError):
    """Something outside did not answer; the same call may succeed later, nothing was lost."""


class AdoptFirst(NewsletterError):
    """This is a copy of a server, or a restored backup: it sends nothing until it is adopted."""


class Finding:
    """One thing to mend: file, line (1-based) and a sentence that says how."""

    def __init__(self, path: Path, line: int, message: Said) -> None:
        self.path, self.line, self.message = path, line, message

    @property
    def said(self) -> Said:
        """The sentence with its place."""
        place = {"file": self.path, "line": self.line}
        return Said("%(file)s, regel %(line)s: %(message)s", **place, message=self.message)

    def __str__(self) -> str:
        return str(self.said)
