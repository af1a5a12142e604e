"""The HTML of a mail as a small tree: what a rule needs to see, with lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
STYLES = 4096  # that are kept as read: a mail has few, each many times
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass(eq=False, slots=True)
class Node:
    """One element; `line` counts from 1. Comments, also those for Outlook, are not in the tree."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node | str"] = field(default_factory=list)
    after: "Node | None" = None  # the heading it stands under
    # The nodes of the whole document in order, and where those below this one are among them.
    order: list["Node"] = field(default_factory=list, repr=False)
    start: int = 0
    end: int = 0

    def walk(self) -> Sequence["Node"]:
        """This element and all below it, in the order of the document."""
        return self.order[self.start : self.end]

    def elements(self) -> Iterator["Node"]:
        """The elements directly in this one."""
        return (child for child in self.children if isinstance(child, Node))

    def find(self, *tags: str) -> Iterator["Node"]:
        """This element and those below it that have one of these tags."""
        return (node for node in self.walk() if node.tag in tags)

    def text(self) -> str:
        """What is read aloud: the text below it and the alternatives of its images."""
        return " ".join("".join(self._said()).split())

    def style(self) -> Mapping[str, str]:
        """Its inline declarations; names in lower case."""
        return declarations(self.attributes.get("style", ""))

    def _said(self) -> Iterator[str]:
        if self.tag == "img":
            yield self.attributes.get("alt", "")
        if self.tag == "br":
            yield " "
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._said()


@lru_cache(STYLES)
def declarations(css: str) -> Mapping[str, str]:
    """ "color: #FFF; …" as a dictionary, without !important."""
    found = {}
    for declaration in css.split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            found[name.strip().lower()] = value.replace("!important", "").strip()
    return found


def parse(html: str) -> Node:
    """The document below a root without a tag."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    return parser.whole()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", 1)
        self.order = [self.root]
        self.root.order = self.order
        self.open = [self.root]
        self.heading: Node | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, self.getpos()[0], {name: value or "" for name, value in attrs})
        node.after = self.heading
        node.order, node.start = self.order, len(self.order)
        self.order.append(node)
        node.end = len(self.order)
        if tag in HEADINGS:
            self.heading = node
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if any(node.tag == tag for node in self.open):
            while self._close().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def whole(self) -> Node:
        """The root, when all has been read; what is still open ends here."""
        while self.open:
            self._close()
        return self.root

    def _close(self) -> Node:
        node = self.open.pop()
        node.end = len(self.order)
        return node
