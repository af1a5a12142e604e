"""The text part of a mail: a walk over the clean Markdown tree, wrapped at 72 (FMT-06).

Every link stands behind its text in brackets; no address and no word is ever broken.
"""

import re
from collections.abc import Callable, Iterable
from xml.etree.ElementTree import Element

WIDTH = 72
NARROWEST = 24
BLOCKS = {
    "p", "h3", "h4", "ul", "ol", "dl", "dt", "dd", "blockquote", "pre", "table", "hr", "div",
}  # fmt: skip
SAID = "said"  # the attribute of a picture that holds what is printed in its place
_SPACES = re.compile(r"[ \t\n]+")


def to_text(root: Element, width: int = WIDTH) -> str:
    """The tree as plain text, blocks apart by one empty line; ends without a line feed."""
    return "\n\n".join(_flow(root, width))


def _flow(element: Element, width: int) -> list[str]:
    """The blocks of a container; text between its block children becomes paragraphs."""
    width = max(width, NARROWEST)
    blocks, run = [], [_squeeze(element.text)]
    for child in element:
        if child.tag in BLOCKS:
            blocks += [_wrap("".join(run), width), _block(child, width)]
            run = [_squeeze(child.tail)]
        else:
            run += [_inline(child), _squeeze(child.tail)]
    blocks.append(_wrap("".join(run), width))
    return [block for block in blocks if block]


def _block(element: Element, width: int) -> str:
    write = _WRITERS.get(element.tag)
    return write(element, width) if write else "\n\n".join(_flow(element, width))


def _squeeze(text: str | None) -> str:
    return _SPACES.sub(" ", text or "")


def _inline(element: Element) -> str:
    if element.tag == "br":
        return "\n"
    if element.tag == "img":
        return element.get(SAID, "")
    inner = _squeeze(element.text)
    inner += "".join(_inline(child) + _squeeze(child.tail) for child in element)
    if element.tag == "sup":
        return f"[{inner}]"
    return _link(inner, element.get("href", "")) if element.tag == "a" else inner


def _link(label: str, href: str) -> str:
    target = href.removeprefix("mailto:")
    if href.startswith("#") or not href or label.strip() in (href, target):
        return label
    return f"{label} ({target})" if label.strip() else target


def _wrap(text: str, width: int) -> str:
    lines = (_SPACES.sub(" ", line).strip(" ") for line in text.strip(" \n").split("\n"))
    return "\n".join(_fill(line, width) for line in lines).strip("\n")


def _fill(line: str, width: int) -> str:
    # By hand, for textwrap takes more characters for spaces than Markdown does.
    filled: list[str] = []
    for word in line.split(" "):
        if filled and len(filled[-1]) + 1 + len(word) <= width:
            filled[-1] += f" {word}"
        else:
            filled.append(word)
    return "\n".join(filled)


def _prefixed(text: str, first: str, rest: str) -> str:
    """`text` with `first` before its first line and `rest` before the others."""
    head, *tail = text.split("\n")
    lines = [first + head, *(rest + line for line in tail)]
    return "\n".join(line.rstrip(" ") for line in lines)


def _underlined(element: Element, width: int, mark: str) -> str:
    title = "\n".join(_flow(element, width))
    longest = max(map(len, title.split("\n")))
    return f"{title}\n{mark * min(longest, width)}" if title else ""


def _list(element: Element, width: int) -> str:
    items = element.findall("li")
    start = element.get("start", "1")
    first = int(start) if start.isdecimal() and len(start) < 9 else 1
    marks = ["- "] * len(items)
    if element.tag == "ol":
        marks = [f"{number}. " for number in range(first, first + len(items))]
    return _items(items, marks, width)


def _items(items: list[Element], marks: list[str], width: int) -> str:
    """List items behind their marks; apart by an empty line when one holds several paragraphs."""
    room = max(map(len, marks), default=0)
    loose = any(len(item.findall("p")) > 1 for item in items)
    texts = []
    for item, mark in zip(items, marks, strict=True):
        inner = ("\n\n" if loose else "\n").join(_flow(item, width - room))
        texts.append(_prefixed(inner, mark.ljust(room), " " * room))
    return ("\n\n" if loose else "\n").join(texts)


def _footnotes(element: Element, width: int) -> str:
    notes = element.findall("ol/li")
    return _items(notes, [f"[{number}] " for number in range(1, len(notes) + 1)], width)


def _definitions(element: Element, width: int) -> str:
    lines = []
    for child in element:
        if child.tag == "dt":
            lines += ["", *_flow(child, width)]
        else:
            lines.append(_prefixed("\n\n".join(_flow(child, width - 4)), "    ", "    "))
    return "\n".join(lines).strip("\n")


def _table(element: Element, width: int) -> str:
    """Columns where they fit; else one block for each row, `column: value`."""
    rows = [[_cell(cell) for cell in row] for row in element.iter("tr")]
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return _records(rows, width)
    head, *body = [_columns(row, widths, element) for row in rows]
    rule = "  ".join("-" * size for size in widths)
    return "\n".join([head, rule, *body])


def _cell(element: Element) -> str:
    return " ".join(" ".join(_flow(element, 10_000)).split("\n"))


def _columns(row: list[str], widths: Iterable[int], table: Element) -> str:
    sides = [cell.get("align") for cell in table.iter("th")]
    cells = [
        cell.rjust(size) if side == "right" else cell.ljust(size)
        for cell, size, side in zip(row, widths, sides, strict=True)
    ]
    return "  ".join(cells).rstrip(" ")


def _records(rows: list[list[str]], width: int) -> str:
    names, *body = rows
    return "\n\n".join(
        "\n".join(_field(name, cell, width) for name, cell in zip(names, row, strict=True) if cell)
        for row in body
    )


def _field(name: str, cell: str, width: int) -> str:
    text = f"{name}: {cell}" if name else cell
    return _prefixed(_fill(text, width - 2), "", "  ")


def _quotation(element: Element, width: int) -> str:
    return _prefixed("\n\n".join(_flow(element, width - 2)), "> ", "> ")


def _code(element: Element, width: int) -> str:
    return _prefixed("".join(element.itertext()).strip("\n"), "    ", "    ")


_WRITERS: dict[str, Callable[[Element, int], str]] = {
    "h3": lambda element, width: _underlined(element, width, "-"),
    "h4": lambda element, width: _underlined(element, width, "~"),
    "ul": _list,
    "ol": _list,
    "dl": _definitions,
    "blockquote": _quotation,
    "pre": _code,
    "table": _table,
    "hr": lambda element, width: "* * *",
    "div": _footnotes,
}
