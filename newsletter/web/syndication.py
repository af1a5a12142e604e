"""Items as Atom (RFC 4287) and JSON Feed 1.1: absolute addresses, and each in its own language."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from newsletter.settings import Settings
from newsletter.web.sheet import Tale

ATOM = "http://www.w3.org/2005/Atom"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
JSON_FEED = "https://jsonfeed.org/version/1.1"
NEVER = datetime(2026, 1, 1, tzinfo=UTC)  # a feed without items must have a time too (RFC 4287)
# What a sanitised body may point to with: addresses of this site, and footnotes of this text.
ADDRESS = re.compile(r'((?:href|src)=")([/#][^"]*)"')
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ElementTree.register_namespace("", ATOM)


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a feed."""

    tale: Tale
    first_at: datetime
    updated_at: datetime

    @property
    def html(self) -> str:
        """The whole text, with absolute addresses."""
        url = self.tale.story.url
        return ADDRESS.sub(
            lambda found: f'{found[1]}{urljoin(url, found[2])}"', self.tale.story.piece.html
        )


@dataclass(frozen=True, slots=True)
class Feed:
    """A list of items for programs; `home` and `address` are absolute."""

    locale: str
    title: str
    subtitle: str
    home: str
    address: str
    settings: Settings
    items: Sequence[Item]

    @property
    def updated_at(self) -> datetime:
        """When the newest of its items was sent out."""
        return max((item.updated_at for item in self.items), default=NEVER)


def atom(feed: Feed) -> bytes:
    """The feed as an Atom document."""
    root = Element(f"{{{ATOM}}}feed", {LANGUAGE: feed.locale})
    _add(root, "id", feed.address)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.subtitle)
    _add(root, "updated", _moment(feed.updated_at))
    _link(root, "self", feed.address, "application/atom+xml")
    _link(root, "alternate", feed.home, "text/html")
    _author(root, feed.settings)
    for item in feed.items:
        _entry(root, item)
    ElementTree.indent(root)
    found: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return found


def json_feed(feed: Feed) -> bytes:
    """The feed as a JSON Feed."""
    settings = feed.settings
    whole = {
        "version": JSON_FEED,
        "title": feed.title,
        "description": feed.subtitle,
        "home_page_url": feed.home,
        "feed_url": feed.address,
        "language": feed.locale,
        "favicon": f"{settings.base_url}/favicon.ico",
        "authors": [{"name": settings.org_name, "url": settings.org_website}],
        "items": [_json_item(item) for item in feed.items],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


def _entry(root: Element, item: Item) -> None:
    story, piece = item.tale.story, item.tale.story.piece
    entry = SubElement(root, f"{{{ATOM}}}entry", {LANGUAGE: piece.language})
    _add(entry, "id", story.url)
    _add(entry, "title", piece.title)
    _add(entry, "published", _moment(item.first_at))
    _add(entry, "updated", _moment(item.updated_at))
    _link(entry, "alternate", story.url, "text/html")
    if story.picture:
        _link(entry, "enclosure", story.picture_url, story.picture.media_type)
    for topic in item.tale.topics:
        SubElement(entry, f"{{{ATOM}}}category", {"term": topic.name})
    _add(entry, "summary", piece.summary)
    _add(entry, "content", item.html, type="html")


def _author(root: Element, settings: Settings) -> None:
    author = SubElement(root, f"{{{ATOM}}}author")
    _add(author, "name", settings.org_name)
    _add(author, "uri", settings.org_website)


def _add(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, f"{{{ATOM}}}{name}", attributes).text = NOT_XML.sub("", text)


def _link(parent: Element, rel: str, href: str, kind: str) -> None:
    SubElement(parent, f"{{{ATOM}}}link", {"rel": rel, "href": href, "type": kind})


def _json_item(item: Item) -> dict[str, Any]:
    story, piece = item.tale.story, item.tale.story.piece
    return {
        "id": story.url,
        "url": story.url,
        "title": piece.title,
        "summary": piece.summary,
        "content_html": item.html,
        "image": story.picture_url,
        "date_published": _moment(item.first_at),
        "date_modified": _moment(item.updated_at),
        "language": piece.language,
        "tags": [topic.name for topic in item.tale.topics],
    }


def _moment(at: datetime) -> str:
    """A time of RFC 3339, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
