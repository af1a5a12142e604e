"""What the rules look at, and what they say."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from newsletter.issues.preflight.tree import Node
from newsletter.issues.rendering import RenderedEdition
from newsletter.links import Links
from newsletter.models import Piece
from newsletter.settings import Settings

LONGEST_QUOTE = 60  # characters


@dataclass(frozen=True, slots=True)
class PreflightFinding:
    """One fault: `stop` keeps the edition from being sent, `warn` does not.

    `rule` is its name in STANDARDS, `where` the part and line, `message` says how to mend it.
    """

    grade: Literal["stop", "warn"]
    rule: str
    message: str
    where: str

    def __str__(self) -> str:
        return f"{self.rule}, {self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Mail:
    """An edition with its HTML as a tree."""

    settings: Settings
    edition: RenderedEdition
    pieces: Sequence[Piece]
    root: Node
    now: datetime | None
    known: Collection[str] | None = None  # slugs of items that have a page

    @property
    def locale(self) -> str:
        """Of the reader."""
        return self.pieces[0].locale

    @property
    def links(self) -> Links:
        """The addresses of our own site."""
        return Links(self.settings.base_url)


def stop(rule: str, where: Node | str, message: str) -> PreflightFinding:
    """A fault that keeps the edition from being sent."""
    return PreflightFinding("stop", rule, message, _place(where))


def warn(rule: str, where: Node | str, message: str) -> PreflightFinding:
    """Something to look at."""
    return PreflightFinding("warn", rule, message, _place(where))


def _place(where: Node | str) -> str:
    """A part, or a line with the words an editor knows it by."""
    if isinstance(where, str):
        return where
    under = where.after.text() if where.after else ""
    words = where.text()
    place = f"HTML line {where.line}, <{where.tag}>"
    if words:
        place += f" “{_short(words)}”"
    return f"{place}, under “{_short(under)}”" if under else place


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
