"""Markdown to a clean element tree.

Only what mail programs show survives here already; `markdown.render` still sanitises what is made
of it.
"""

import html
import re
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from newsletter.content import alternatives
from newsletter.content.names import picture_fault, picture_said
from newsletter.content.safety import strip, url_fault
from newsletter.content.syntax import Problem, parse
from newsletter.content.vague import is_vague
from newsletter.i18n import Said

IMAGES = "images/"  # before the name of a picture in a body, until the picture is made ready
_STASHED = re.compile("\x02[^\x03]*\x03")
_LEVELS = {"h1": "h3", "h2": "h3", "h3": "h4", "h4": "h4", "h5": "h4", "h6": "h4"}
_UNSAFE_IN_ID = re.compile(r"[^a-z0-9-]")


class Placed(NamedTuple):
    """A picture in a body: its file below content/images, the piece of Markdown to look for, and
    whether it is said whose it is."""

    name: str
    snippet: str
    credited: bool


class Tree(NamedTuple):
    """`root` is a div; its tags are those of `markdown.TAGS`, span, and div for the footnotes."""

    root: Element
    problems: list[Problem]
    placed: list[Placed]


def grow(text: str, anchor: str, pictures: bool = False) -> Tree:
    """The tree of a Markdown text; `anchor` makes the ids of its footnotes unique on a page.
    Without `pictures` those are faults."""
    problems: list[Problem] = []
    root = parse(strip(text), problems)
    _resolve(root)
    _shift_headings(root, problems)
    placed = _place_pictures(root, problems, pictures)
    for element in root.iter():
        _clean(element, problems)
    _number_footnotes(root, _UNSAFE_IN_ID.sub("-", anchor.lower()) or "note")
    return Tree(root, problems, placed)


def text_of(element: Element) -> str:
    """All text in an element, on one line."""
    return " ".join("".join(element.itertext()).split())


def _resolve(root: Element) -> None:
    """Plain characters everywhere: no stash marks, code not escaped, nothing forbidden."""
    for element in root.iter():
        if element.tag == "code":
            element.text = html.unescape(element.text or "")
        element.text = strip(_STASHED.sub("", element.text or ""))
        element.tail = strip(_STASHED.sub("", element.tail or ""))


def _shift_headings(root: Element, problems: list[Problem]) -> None:
    previous = 1
    for element in root.iter():
        if element.tag in _LEVELS:
            level, title = int(element.tag[1]), text_of(element)
            if message := _heading_fault(level, previous, title[:60]):
                problems.append(Problem(title, message, heading=True))
            previous, element.tag = level, _LEVELS[element.tag]


def _heading_fault(level: int, previous: int, title: str) -> Said | None:
    if level == 1:
        return Said(
            "De tussenkop “%(title)s” heeft één #, en dat is voor de titel; schrijf ##.",
            title=title,
        )
    if level > 3:
        return Said("De tussenkop “%(title)s” zit te diep; gebruik enkel ## en ###.", title=title)
    if level == 3 and previous < 2:
        return Said(
            "De tussenkop “%(title)s” heeft ### zonder een ## erboven; schrijf ##.", title=title
        )
    if title:
        return None
    return Said("Deze tussenkop heeft geen tekst; haal de regel weg of schrijf er een.")


def _clean(element: Element, problems: list[Problem]) -> None:
    if element.tag == "a" and not element.get("class", "").startswith("footnote-"):
        _clean_link(element, problems)
    elif element.tag == "th":
        element.set("scope", "col")


def _place_pictures(root: Element, problems: list[Problem], allowed: bool) -> list[Placed]:
    """Pictures that may stand where they do, with their credit; of others only the words stay."""
    alone = {id(paragraph) for paragraph in root.findall("p") if _is_picture(paragraph)}
    placed = []
    for parent in list(root.iter()):
        for image in parent.findall("img"):
            written, name = image.get("src", ""), _written(image, "src")
            fault = _picture_fault(image, name, id(parent) in alone)
            if fault or not allowed:
                elsewhere = Said("Hier kan geen foto staan, enkel in een artikel; haal ze weg.")
                problems.append(Problem(written, fault or elsewhere))
                image.tag, image.text, image.attrib = "span", _written(image, "alt"), {}
                continue
            credit = _written(image, "title")
            image.attrib = {"src": f"{IMAGES}{name}", "alt": _written(image, "alt")}
            if credit:
                SubElement(parent, "br")
                SubElement(parent, "em").text = credit
            placed.append(Placed(name, written, bool(credit)))
    return placed


def _is_picture(paragraph: Element) -> bool:
    words = (paragraph.text or "") + "".join(child.tail or "" for child in paragraph)
    return [child.tag for child in paragraph] == ["img"] and not words.strip()


def _picture_fault(image: Element, name: str, alone: bool) -> Said | None:
    if fault := picture_fault(name):
        return picture_said(name, fault)
    if not alone:
        among = Said("staat tussen woorden; geef ze een eigen alinea, tussen lege regels.")
        return picture_said(name, among)
    if fault := alternatives.fault(_written(image, "alt"), name):
        return alternatives.said(name, fault)
    return None


def _written(image: Element, attribute: str) -> str:
    """An attribute as plain characters on one line."""
    text = html.unescape(_STASHED.sub("", image.get(attribute, "")))
    return " ".join(strip(text).split())


def _clean_link(element: Element, problems: list[Problem]) -> None:
    written = element.get("href", "")
    href, label = html.unescape(_STASHED.sub("", written)).strip(" "), text_of(element)
    if fault := url_fault(href):
        message = Said("De link “%(url)s” %(fault)s.", url=href[:80], fault=fault)
        problems.append(Problem(written, message))
        element.tag, element.attrib = "span", {}
        return
    element.attrib = {"href": href}
    if not label:
        element.text = href
    if is_vague(label):
        message = Said(
            "De linktekst “%(label)s” zegt niets; schrijf waar de link heen gaat.", label=label
        )
        problems.append(Problem(written, message))


def _number_footnotes(root: Element, anchor: str) -> None:
    for number, item in enumerate(root.findall("div/ol/li"), start=1):
        item.attrib = {"id": f"{anchor}-fn-{number}"}
        for paragraph in item.findall("p"):
            for link in paragraph.findall("a[@class='footnote-backref']"):
                paragraph.remove(link)
            if not text_of(paragraph):
                item.remove(paragraph)
    seen: set[str] = set()
    for mark in root.iter("sup"):
        link = mark[0]
        number_text = link.text or ""
        # Only the first of several references to one note can be its target.
        mark.attrib = {} if number_text in seen else {"id": f"{anchor}-fnref-{number_text}"}
        link.attrib = {"href": f"#{anchor}-fn-{number_text}"}
        seen.add(number_text)
