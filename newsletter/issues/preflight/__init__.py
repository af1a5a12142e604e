"""Preflight: an edition is read as its readers get it, and every fault is named with its place.

Pure: nothing is fetched, nothing is written; only `external`, on demand, asks other sites. A
finding of grade `stop` means the edition is not sent. Rules are named after STANDARDS (HTM-03,
PRV-16 …), so that each can be looked up.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from newsletter.issues.preflight import colours, envelope, hyperlinks, structure
from newsletter.issues.preflight.finding import Mail, PreflightFinding
from newsletter.issues.preflight.tree import parse
from newsletter.issues.rendering import RenderedEdition
from newsletter.models import Piece
from newsletter.settings import Settings

__all__ = ["PreflightFinding", "check"]

_RULES: tuple[Callable[[Mail], Iterable[PreflightFinding]], ...] = (
    *envelope.RULES,
    *structure.RULES,
    *hyperlinks.RULES,
    *colours.RULES,
)


def check(
    settings: Settings,
    edition: RenderedEdition,
    pieces: Sequence[Piece],
    now: datetime | None = None,
    known: Collection[str] | None = None,
) -> list[PreflightFinding]:
    """All findings about `edition`, made of `pieces` (at least one), those that stop it first.

    With `now`, a call past its deadline is one of them. With `known`, the slugs of all items that
    have a page, so is a link to an item that is neither there nor in the edition.
    """
    mail = Mail(settings, edition, pieces, parse(edition.html), now, known)
    found = [finding for rule in _RULES for finding in rule(mail)]
    return sorted(found, key=lambda finding: finding.grade)  # "stop" < "warn"
