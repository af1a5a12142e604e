"""Preflight: an edition is read as its readers get it, and every fault is named with its place.

Pure: nothing is fetched, nothing is written; only `external`, on demand, asks other sites. A
finding of grade `stop` means the edition is not sent. Rules are named after STANDARDS (HTM-03,
PRV-16 …), so that each can be looked up.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from newsletter.issues.preflight.finding import Mail, PreflightFinding
from newsletter.issues.preflight.rules import findings
from newsletter.issues.preflight.tree import parse
from newsletter.issues.rendering import RenderedEdition
from newsletter.models import Piece
from newsletter.settings import Settings

__all__ = ["PreflightFinding", "check"]


def check(
    settings: Settings,
    edition: RenderedEdition,
    pieces: Sequence[Piece],
    now: datetime | None = None,
    known: Collection[str] | None = None,
) -> list[PreflightFinding]:
    """All findings about `edition`, made of `pieces` (at least one), those that stop it first.

    With `now`, a call past its deadline is one of them. With `known`, the slugs of all items that
    have a page (and "issues/12" of issues), so is a link to one that is neither there nor in the
    edition.
    """
    mail = Mail(settings, pieces[0].locale, edition, pieces, parse(edition.html), now, known)
    return sorted(findings(mail), key=lambda finding: finding.grade)  # "stop" < "warn"
