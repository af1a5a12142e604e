"""Printers' quotes, dashes and spaces in a Markdown tree, as each language sets them.

Works on the tree, so that code and bare addresses stay as typed and a quotation may hold markup.
"""

import re
from typing import NamedTuple
from xml.etree.ElementTree import Element

BLOCKS = {"div", "p", "h3", "h4", "li", "th", "td", "dt", "dd", "blockquote", "pre"}
_NBSP = "\u00a0"
_APOSTROPHE = "’"
_MARK = re.compile(r"[\"']|-{2,3}(?!-)|\.\.\.")
# Dutch 's avonds, 't, 'n; English '90s, 'em: an apostrophe at the beginning of a word.
_LEADING = re.compile(r"'(?:[stnkm]|em|er|ie|ns|\d\d(?:er)?s?)\b", re.IGNORECASE)
_FRENCH_STOP = re.compile(r"(?<=\S) (?=[?!;:»])")
_FRENCH_START = re.compile(r"« (?=\S)")
_BEFORE_OPENING = " \t\n\u00a0\u202f([{/–—-“„«‘‚"


class Quotes(NamedTuple):
    """What replaces " " and ' '."""

    opening: str
    closing: str
    inner_opening: str
    inner_closing: str


QUOTES = {
    "nl": Quotes("“", "”", "‘", "’"),
    "fr": Quotes(f"«{_NBSP}", f"{_NBSP}»", "“", "”"),
    "en": Quotes("“", "”", "‘", "’"),
    "de": Quotes("„", "“", "‚", "‘"),
}


def set_type(root: Element, language: str) -> None:
    """Change all texts of the tree in place; an unknown language is set as Dutch."""
    _Setter(language).walk(root)


class _Setter:
    """Walks in reading order; `before` is the last character of the same block."""

    def __init__(self, language: str) -> None:
        self.language, self.quotes = language, QUOTES.get(language, QUOTES["nl"])
        self.before, self.inner = "", 0

    def walk(self, element: Element) -> None:
        if element.tag in BLOCKS:
            self.before, self.inner = "", 0
        if element.tag in ("code", "pre") or _is_bare_address(element):
            self.before = "x"
            return
        element.text = self._set(element.text)
        for child in element:
            self.walk(child)
            child.tail = self._set(child.tail)

    def _set(self, text: str | None) -> str | None:
        if not text:
            return text
        pieces, end = [], 0
        for found in _MARK.finditer(text):
            before = text[found.start() - 1] if found.start() else self.before
            pieces += [text[end : found.start()], self._replace(found, before, text)]
            end = found.end()
        self.before = text[-1]
        return self._space("".join([*pieces, text[end:]]))

    def _replace(self, found: re.Match[str], before: str, text: str) -> str:
        mark, after = found.group(), text[found.end() : found.end() + 1]
        opens = (not before or before in _BEFORE_OPENING) and not after.isspace()
        if mark == '"':
            return self.quotes.opening if opens else self.quotes.closing
        if mark == "'":
            return self._single(opens and not _LEADING.match(text, found.start()), after)
        return {"...": "…", "--": "–", "---": "—"}[mark]

    def _single(self, opens: bool, after: str) -> str:
        if opens:
            self.inner += 1
            return self.quotes.inner_opening
        if self.inner and not after.isalnum():
            self.inner -= 1
            return self.quotes.inner_closing
        return _APOSTROPHE

    def _space(self, text: str) -> str:
        if self.language != "fr":
            return text
        return _FRENCH_START.sub(f"«{_NBSP}", _FRENCH_STOP.sub(_NBSP, text))


def _is_bare_address(element: Element) -> bool:
    text = element.text or ""
    return element.tag == "a" and len(element) == 0 and text in element.get("href", "")
