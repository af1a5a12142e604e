"""Markdown to sanitised HTML and to plain text, both from one tree.

`render` is what everyone calls; `convert` also tells editors what to mend. The sanitisers stand
behind `_sanitise` alone: bleach (which reached its end in June 2026), then nh3 as the last gate.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree.ElementTree import Element, tostring

import bleach
import nh3

from newsletter.content import tree
from newsletter.content.names import PICTURE
from newsletter.content.plaintext import SAID, to_text
from newsletter.content.safety import ANY, strip
from newsletter.content.source import Note
from newsletter.content.syntax import Problem
from newsletter.content.tangles import first_tangle
from newsletter.content.typography import set_type
from newsletter.i18n import DEFAULT, Said, translate

MOST_PROBLEMS = 100  # that are looked for in the text
TAGS = frozenset(
    (
        "p", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "code", "hr",
        "br", "a", "strong", "em", "sup", "table", "thead", "tbody", "tr", "th", "td", "img",
    )
)  # fmt: skip
ATTRIBUTES = {
    "a": {"href"},
    "th": {"scope", "align"},
    "td": {"align"},
    "ol": {"start"},
    "li": {"id"},
    "sup": {"id"},
    "img": {"src", "alt"},
}
_VALUES = {
    "scope": re.compile("col"),
    "align": re.compile("left|right|center"),
    "start": re.compile("[0-9]{1,8}"),
    "id": re.compile("[a-z0-9-]+-fn(ref)?-[0-9]+"),
    "src": re.compile(tree.IMAGES + PICTURE.pattern),
    "alt": re.compile(".+"),
    "href": re.compile(r"#[a-z0-9-]+-fn-[0-9]+|(https?://|mailto:).+", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class Body:
    """One text twice: `html`, a sanitised fragment with headings from h3, and `text`, at most 72
    wide but for long addresses."""

    html: str
    text: str


class Picture(NamedTuple):
    """A picture that an item names: its line, its file below content/images, whether it is said
    whose it is, and whether it stands above the story (`lead`)."""

    line: int
    name: str
    credited: bool
    lead: bool = False


class Converted(NamedTuple):
    """A body, what to mend in it, and its pictures; lines count from 1 at the body's first line."""

    body: Body
    notes: tuple[Note, ...]
    pictures: tuple[Picture, ...] = ()


def render(markdown: str, language: str = DEFAULT, anchor: str = "") -> Body:
    """Any text as a body, with the quotes of `language`; `anchor` (a slug) makes footnote ids
    unique on a page with several items. Never raises."""
    return convert(markdown, language, anchor).body


def convert(
    markdown: str, language: str = DEFAULT, anchor: str = "", *, pictures: bool = False
) -> Converted:
    """`render`, and notes about headings, links, pictures and HTML that an editor has to mend.

    With `pictures` the body may show some: `<img src="images/NAME" alt="…">`, to be made ready.
    """
    if tangle := first_tangle(markdown):
        return Converted(_as_typed(markdown), (tangle,))
    try:
        grown = tree.grow(markdown, anchor, pictures)
        _describe_pictures(grown.root, language)
        set_type(grown.root, language)
        body = Body(_sanitise(_to_html(grown.root)), to_text(grown.root))
    except RecursionError:
        message = Said("In deze tekst zit te veel in elkaar; maak hem eenvoudiger.")
        return Converted(_as_typed(markdown), (Note(1, message),))
    lines = strip(markdown).split("\n")
    return Converted(body, _locate(grown.problems, lines), _pictures(grown.placed, lines))


def _describe_pictures(root: Element, language: str) -> None:
    """Leave in each what the text part says in its place."""
    for image in root.iter("img"):
        image.set(SAID, translate(language, "[Beeld: %(alt)s]", alt=image.get("alt", "")))


def _pictures(placed: Iterable[tree.Placed], lines: list[str]) -> tuple[Picture, ...]:
    left: dict[str, list[int]] = {}
    found = []
    for name, snippet, credited in placed:
        places = left.setdefault(snippet, _places(snippet, lines))
        found.append(Picture(places.pop(0) if len(places) > 1 else places[0], name, credited))
    return tuple(found)


def _to_html(root: Element) -> str:
    return tostring(root, encoding="unicode", method="html")


def _sanitise(markup: str) -> str:
    cleaned = bleach.clean(
        markup,
        tags=TAGS,
        attributes=lambda tag, name, value: _keeps(tag, name, value) is not None,
        protocols=ANY,
        strip=True,
    )
    return _last_gate(cleaned)


def _last_gate(markup: str) -> str:
    return nh3.clean(
        markup,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        attribute_filter=_keeps,
        url_schemes=set(ANY),
        link_rel=None,
    ).strip()


def _keeps(tag: str, name: str, value: str) -> str | None:
    if name in ATTRIBUTES.get(tag, ()) and _VALUES[name].fullmatch(value):
        return value
    return None


def _as_typed(markdown: str) -> Body:
    """The Markdown itself as one block: what is left to do with a text nobody can parse."""
    root = Element("div")
    pre = Element("pre")
    pre.text = strip(markdown)
    root.append(pre)
    # bleach would take seconds for a long text; nothing stands in this one but what is escaped.
    return Body(_last_gate(_to_html(root)), strip(markdown))


def _locate(problems: list[Problem], lines: list[str]) -> tuple[Note, ...]:
    """The first problems at their lines; the same snippet again is the next place that has it."""
    places: dict[str, list[int]] = {}
    notes = []
    for problem in problems[:MOST_PROBLEMS]:
        if problem.snippet not in places:
            places[problem.snippet] = _places(problem.snippet, lines, problem.heading)
        left = places[problem.snippet]
        notes.append(Note(left.pop(0) if len(left) > 1 else left[0], problem.message))
    return tuple(sorted(set(notes)))


def _places(snippet: str, lines: list[str], heading: bool = False) -> list[int]:
    """Lines that a snippet stands on, once for each time; [1] when it was written otherwise."""
    if heading:
        return [n for n in range(1, len(lines) + 1) if _is_heading(lines, n, snippet)] or [1]
    exact = re.compile(rf"(?<![^\s(<]){re.escape(snippet)}(?![^\s)>])")
    found = [n for n, line in enumerate(lines, start=1) for _ in exact.findall(line)]
    return found or [n for n, line in enumerate(lines, start=1) if snippet in line] or [1]


def _is_heading(lines: list[str], number: int, title: str) -> bool:
    line, below = lines[number - 1], "".join(lines[number : number + 1])
    marked = "#" in line or below.startswith(("=", "-"))
    return marked and _letters(line) == _letters(title)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
