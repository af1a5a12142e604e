"""The Markdown that is ours: the one place that speaks with Python-Markdown.

No `extra`: it brings raw HTML in Markdown and attribute lists. No postprocessors: the tree is
complete, nothing is hidden in the library's stash of raw HTML.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple, cast
from xml.etree.ElementTree import Element, SubElement

import markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions.def_list import DefListExtension
from markdown.extensions.footnotes import FootnoteExtension
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markdown.inlinepatterns import AUTOMAIL_RE, ENTITY_RE, HTML_RE, InlineProcessor
from markdown.util import AtomicString, code_escape

from newsletter.i18n import Said


class Problem(NamedTuple):
    """What to mend in a body; `snippet` is the piece of Markdown to look for, or a heading."""

    snippet: str
    message: Said
    heading: bool = False


def parse(text: str, problems: list[Problem]) -> Element:
    """A Markdown text as the library's tree, with its stash marks; faults go to `problems`."""
    # The marker is a text that no editor can write.
    footnotes = _Footnotes(PLACE_MARKER="\x02here\x03", BACKLINK_TEXT="")
    parser = _parser(footnotes, problems)
    lines = text.split("\n")
    for preprocessor in parser.preprocessors:
        lines = preprocessor.run(lines)
    root = cast("Element", parser.parser.parseDocument(lines).getroot())
    for treeprocessor in parser.treeprocessors:
        changed = treeprocessor.run(root)
        root = root if changed is None else changed
    problems += footnotes.unused()
    return root


def _parser(footnotes: FootnoteExtension, problems: list[Problem]) -> markdown.Markdown:
    parser = markdown.Markdown(
        extensions=[
            footnotes,
            TableExtension(use_align_attribute=True),
            DefListExtension(),
            SaneListExtension(),
        ]
    )
    parser.preprocessors.deregister("html_block")
    parser.inlinePatterns.register(_Html(HTML_RE, problems), "html", 90)
    parser.inlinePatterns.register(_Dangling(problems), "dangling", 172)
    parser.inlinePatterns.register(_Lost(problems), "lost", 125)
    parser.inlinePatterns.register(_Entity(ENTITY_RE), "entity", 80)
    parser.inlinePatterns.register(_Mail(AUTOMAIL_RE), "automail", 110)
    parser.parser.blockprocessors.register(_Fence(parser.parser), "fence", 95)
    return parser


class _Footnotes(FootnoteExtension):
    """Footnotes without the search for a free id, which is quadratic; ids are ours."""

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self._used: set[str] = set()

    def unique_ref(self, reference: str, found: bool = False) -> str:
        if found:
            self._used.add(reference)
        return reference

    def unused(self) -> Iterator[Problem]:
        """Footnotes that no mark leads to."""
        for name in self.footnotes:
            if self.makeFootnoteRefId(name) not in self._used:
                mark = f"[^{name}]"
                message = Said(
                    "Niets verwijst naar de voetnoot %(mark)s; zet %(mark)s in de tekst, of haal "
                    "haar weg.",
                    mark=mark,
                )
                yield Problem(f"{mark}:", message)


class _Html(InlineProcessor):
    """HTML stays the text that it is; the editor hears about it."""

    def __init__(self, pattern: str, problems: list[Problem]) -> None:
        super().__init__(pattern)
        self.problems = problems

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[None, None, None]:
        snippet = m.group(0)
        message = Said(
            "HTML (“%(html)s”) komt er als gewone tekst uit; schrijf het in Markdown.",
            html=snippet[:40],
        )
        self.problems.append(Problem(snippet, message))
        return None, None, None


class _Dangling(InlineProcessor):
    """`[^1]` that the footnotes did not take."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(r"\[\^[^\]\n]{1,60}\]")
        self.problems = problems

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[None, None, None]:
        mark = m.group(0)
        message = Said(
            "De voetnoot %(mark)s is er niet; zet onderaan een regel “%(line)s”.",
            mark=mark,
            line=f"{mark}: …",
        )
        self.problems.append(Problem(mark, message))
        return None, None, None


class _Lost(InlineProcessor):
    """`[words][name]` without a line `[name]: …`, which nothing before this took."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(r"\[(?!\^)([^\[\]]+)\]\[([^\[\]^]*)\]")
        self.problems = problems

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[None, None, None]:
        words, name = m.groups()
        message = Said(
            "Nergens staat waar [%(name)s] heen leidt; zet onderaan een regel “%(line)s”.",
            name=name or words,
            line=f"[{name or words}]: https://…",
        )
        self.problems.append(Problem(f"][{name}]" if name else f"[{words}][]", message))
        return None, None, None


class _Entity(InlineProcessor):
    """`&eacute;` becomes the character itself, which cannot begin markup any more."""

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[str, int, int]:
        return html.unescape(m.group(1)), m.start(0), m.end(0)


class _Mail(InlineProcessor):
    """`<name@example.be>`, without the library's disguise of entities."""

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[Element, int, int]:
        address = m.group(1).removeprefix("mailto:")
        element = Element("a", href=f"mailto:{address}")
        element.text = AtomicString(address)
        return element, m.start(0), m.end(0)


class _Fence(BlockProcessor):
    """Code between ``` or ~~~ lines; the library's own works on the text and stashes raw HTML."""

    OPEN = re.compile(r"(?:^|\n)(?P<mark>`{3,}|~{3,})[^`\n]*(?:\n|$)")

    def test(self, parent: Element, block: str) -> bool:
        return bool(self.OPEN.search(block))

    def run(self, parent: Element, blocks: list[str]) -> bool:
        opening = self.OPEN.search(blocks[0])
        closing = re.compile(rf"^{opening['mark']}[ ]*$", re.MULTILINE) if opening else None
        if not opening or not closing:
            return False
        whole = "\n\n".join(blocks)
        end = closing.search(whole, opening.end())
        if not end:
            return False
        before, after = whole[: opening.start()], whole[end.end() :].lstrip("\n")
        self.parser.parseBlocks(parent, [before] if before.strip() else [])
        code = SubElement(SubElement(parent, "pre"), "code")
        code.text = AtomicString(code_escape(whole[opening.end() : end.start()]))
        blocks[:] = after.split("\n\n") if after else []
        return True
