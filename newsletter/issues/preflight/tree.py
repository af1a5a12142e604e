"""The HTML of a mail as a small tree: what a rule needs to see, with lines."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass(eq=False, slots=True)
class Node:
    """One element; `line` counts from 1. Comments, also those for Outlook, are not in the tree."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node | str"] = field(default_factory=list)
    after: "Node | None" = None  # the heading it stands under

    def walk(self) -> Iterator["Node"]:
        """This element and all below it, in the order of the document."""
        yield self
        for child in self.elements():
            yield from child.walk()

    def elements(self) -> Iterator["Node"]:
        """The elements directly in this one."""
        return (child for child in self.children if isinstance(child, Node))

    def find(self, *tags: str) -> Iterator["Node"]:
        """All elements below with one of these tags."""
        return (node for node in self.walk() if node.tag in tags)

    def text(self) -> str:
        """What is read aloud: the text below it and the alternatives of its images."""
        return " ".join("".join(self._said()).split())

    def style(self) -> dict[str, str]:
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


def declarations(css: str) -> dict[str, str]:
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
    return parser.root


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", 1)
        self.open = [self.root]
        self.heading: Node | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, self.getpos()[0], {name: value or "" for name, value in attrs})
        node.after = self.heading
        if tag in HEADINGS:
            self.heading = node
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if any(node.tag == tag for node in self.open):
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)
