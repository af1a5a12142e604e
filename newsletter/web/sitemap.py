"""The site map (sitemaps.org): every page in every language it is written in, in parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from newsletter.content.library import Library
from newsletter.i18n import LOCALES
from newsletter.issues.reading import Count, Entry
from newsletter.links import Links
from newsletter.models import Issue
from newsletter.web.subjects import NAMES

SCHEMA = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML = "http://www.w3.org/1999/xhtml"
PAGES = 2_500  # in a part: at most 10,000 addresses of the 50,000 that are allowed


class Page(NamedTuple):
    """One page: its address by locale, and when it last changed, if that is known."""

    addresses: Mapping[str, str]
    at: datetime | None = None


def pages(
    links: Links,
    library: Library,
    issues: Sequence[Issue],
    subjects: Sequence[Count],
    items: Sequence[Entry],
) -> list[Page]:
    """Every page that search engines may show; `items` stand together by slug."""
    newest = max((issue.planned_at for issue in issues if issue.planned_at), default=None)
    found = [_everywhere(links.home, newest), _everywhere(links.archive, newest)]
    found.append(_everywhere(lambda locale: f"{links.base_url}/{locale}/signup"))
    found += [_issue(links, issue) for issue in issues]
    found += [_subject(links, one) for one in subjects]
    found += _texts(links, library)
    found += _items(links, items)
    return found


def document(part: Sequence[Page]) -> bytes:
    """One part: each address, with those of the same page in other languages."""
    urls = "".join(
        f"<url><loc>{escape(address)}</loc>{_changed(page.at)}{_others(page)}</url>\n"
        for page in part
        for address in page.addresses.values()
    )
    return _document("urlset", f' xmlns:xhtml="{XHTML}"', urls)


def index(addresses: Sequence[str]) -> bytes:
    """The list of the parts."""
    parts = "".join(f"<sitemap><loc>{escape(one)}</loc></sitemap>\n" for one in addresses)
    return _document("sitemapindex", "", parts)


def _everywhere(address: Callable[[str], str], at: datetime | None = None) -> Page:
    return Page({locale: address(locale) for locale in LOCALES}, at)


def _issue(links: Links, issue: Issue) -> Page:
    return _everywhere(lambda locale: links.issue(locale, issue.number), issue.planned_at)


def _subject(links: Links, one: Count) -> Page:
    path = f"{NAMES[one.kind]}/{one.key}"
    return _everywhere(lambda locale: f"{links.base_url}/{locale}/{path}")


def _texts(links: Links, library: Library) -> Iterator[Page]:
    """Pages such as the privacy statement, in the languages they are written in."""
    written: dict[str, dict[str, str]] = {}
    for locale in LOCALES:
        for page in library.pages(locale):
            if page.locale == locale:
                written.setdefault(page.name, {})[locale] = links.page(locale, page.name)
    yield from (Page(addresses) for addresses in written.values())


def _items(links: Links, items: Sequence[Entry]) -> Iterator[Page]:
    for slug, entries in groupby(items, key=lambda entry: entry.slug):
        texts = list(entries)
        addresses = {entry.locale: links.item(entry.locale, slug) for entry in texts}
        yield Page(addresses, max(entry.updated_at for entry in texts))


def _others(page: Page) -> str:
    if len(page.addresses) < 2:
        return ""
    return "".join(
        f'<xhtml:link rel="alternate" hreflang="{locale}" href={quoteattr(address)}/>'
        for locale, address in page.addresses.items()
    )


def _changed(at: datetime | None) -> str:
    return f"<lastmod>{at.isoformat(timespec='seconds')}</lastmod>" if at else ""


def _document(root: str, more: str, content: str) -> bytes:
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f'{head}<{root} xmlns="{SCHEMA}"{more}>\n{content}</{root}>\n'.encode()
