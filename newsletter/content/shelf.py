"""What stands on the shelf: items in their languages, and pages of the site. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from newsletter.content.frontmatter import DRAFT, READY, FrontMatter
from newsletter.content.markdown import Body
from newsletter.i18n import LOCALES


@dataclass(frozen=True, slots=True)
class ItemText:
    """One item in one language; `body_line` is the line of the file where the body begins."""

    slug: str
    locale: str
    path: Path
    front: FrontMatter
    body: Body
    body_line: int


@dataclass(frozen=True, slots=True)
class Item:
    """One news piece; `texts` by locale, at least one, drafts too."""

    slug: str
    texts: Mapping[str, ItemText]

    @property
    def original(self) -> ItemText:
        """The Dutch text, else the first in the order of `i18n.LOCALES`; its facts count."""
        return next(self.texts[locale] for locale in LOCALES if locale in self.texts)

    @property
    def status(self) -> str:
        """ready or draft, as the original says."""
        return self.original.front.status

    @property
    def locales(self) -> tuple[str, ...]:
        """Languages that readers can have: drafts of a ready item do not exist for them."""
        return tuple(
            locale
            for locale in LOCALES
            if locale in self.texts
            and (self.status == DRAFT or self.texts[locale].front.status == READY)
        )

    def text_for(self, locale: str) -> ItemText:
        """The text in `locale` where readers can have it, else the original."""
        return self.texts[locale] if locale in self.locales else self.original


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the site in one language; `updated` is None when the file does not say."""

    name: str
    locale: str
    title: str
    summary: str
    order: int
    updated: date | None
    body: Body
