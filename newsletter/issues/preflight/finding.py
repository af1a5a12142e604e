"""What the rules look at, and what they say."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from newsletter.i18n import LOCALES, Said
from newsletter.issues.preflight.tree import Node
from newsletter.issues.rendering import RenderedEdition
from newsletter.links import Links
from newsletter.models import Piece
from newsletter.settings import Settings

LINE = re.compile(r"HTML line \d+")
LONGEST_QUOTE = 60  # characters
SUBJECT, HTML, TEXT = Said("onderwerp"), Said("HTML"), Said("tekstdeel")


@dataclass(frozen=True, slots=True)
class PreflightFinding:
    """One fault: `stop` keeps the edition from being sent, `warn` does not.

    `rule` is its name in STANDARDS, `where` the part and line, `message` says how to mend it.
    """

    grade: Literal["stop", "warn"]
    rule: str
    message: Said
    where: Said

    @property
    def said(self) -> Said:
        """All of it in one sentence."""
        return Said(
            "%(rule)s, %(where)s: %(message)s",
            rule=self.rule,
            where=self.where,
            message=self.message,
        )

    def __str__(self) -> str:
        return str(self.said)


@dataclass(frozen=True, slots=True)
class Mail:
    """An edition for readers of `locale`, with its HTML as a tree."""

    settings: Settings
    locale: str
    edition: RenderedEdition
    pieces: Sequence[Piece]
    root: Node
    now: datetime | None
    known: Collection[str] | None = None  # what has a page: slugs, and "issues/12"

    @property
    def links(self) -> Links:
        """The addresses of our own site."""
        return Links(self.settings.base_url)


def told_once(found: Iterable[tuple[str, PreflightFinding]]) -> list[tuple[str, Said]]:
    """Grade and text of each finding, once for all locales that have it, in the order of LOCALES:
    the same place has another line in another locale."""
    alike: dict[tuple[str, str, Said, str], list[tuple[str, PreflightFinding]]] = {}
    for locale, one in sorted(found, key=lambda pair: LOCALES.index(pair[0])):
        key = (one.grade, one.rule, one.message, LINE.sub("", str(one.where)))
        alike.setdefault(key, []).append((locale, one))
    return [(pairs[0][1].grade, _in_locales(pairs)) for pairs in alike.values()]


def _in_locales(pairs: Sequence[tuple[str, PreflightFinding]]) -> Said:
    locales, (_locale, first) = ", ".join(dict(pairs)), pairs[0]
    return Said("%(locales)s: %(finding)s", locales=locales, finding=first.said)


def stop(rule: str, where: Node | Said, message: Said) -> PreflightFinding:
    """A fault that keeps the edition from being sent."""
    return PreflightFinding("stop", rule, message, _place(where))


def warn(rule: str, where: Node | Said, message: Said) -> PreflightFinding:
    """Something to look at."""
    return PreflightFinding("warn", rule, message, _place(where))


def _place(where: Node | Said) -> Said:
    """A part, or a line (of the editors' intro: just that) with the words an editor knows it by."""
    if isinstance(where, Said):
        return where
    in_intro = any("foreword" in _classes(node) for node in where.order if _holds(node, where))
    under = where.after.text() if where.after and not in_intro else ""
    words = where.text()
    element = f"<{where.tag}> “{_short(words)}”" if words else f"<{where.tag}>"
    place = (
        Said("inleiding, %(element)s", element=element)
        if in_intro
        else Said("HTML regel %(line)s, %(element)s", line=where.line, element=element)
    )
    if not under:
        return place
    return Said("%(place)s, onder “%(heading)s”", place=place, heading=_short(under))


def _holds(node: Node, inner: Node) -> bool:
    return node.start <= inner.start < node.end


def _classes(node: Node) -> list[str]:
    return node.attributes.get("class", "").split()


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
