"""File names of the shelf: `slug.locale.md`."""

import re
import unicodedata
from typing import NamedTuple

from newsletter.i18n import LOCALES

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_SLUG = 100
_LEFTOVER = re.compile(r"\..*|.*~|.*\.(swp|tmp|bak)|#.*#")


class Name(NamedTuple):
    """A name in parts; with a fault it is not on the shelf."""

    slug: str
    locale: str
    fault: str | None = None


def is_leftover(name: str) -> bool:
    """Hidden files and what editing programs leave behind are no concern of ours."""
    return bool(_LEFTOVER.fullmatch(name))


def split(name: str) -> Name:
    """Slug and locale of a file name, or what is wrong with it."""
    stem, dot, suffix = name.rpartition(".")
    if suffix != "md" or not dot:
        return Name(name, "", "This is not a text; name it slug.nl.md or put it in content/images.")
    slug, dot, locale = stem.rpartition(".")
    known = ", ".join(LOCALES)
    if not dot:
        return Name(stem, "", f"The name has no language ({known}); name it '{stem}.nl.md'.")
    if locale not in LOCALES:
        return Name(slug, "", f"'{locale}' in the name is not one of our languages ({known}).")
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_SLUG:
        better = f"{_slugify(slug)}.{locale}.md"
        rule = "lower-case letters, digits and single hyphens only"
        return Name(slug, "", f"The slug '{slug}' may have {rule}; name it '{better}'.")
    return Name(slug, locale)


def _slugify(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG] or "slug"
