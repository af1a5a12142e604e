"""File names of the shelf: `slug.locale.md` of texts, `folder/name.jpg` of pictures."""

import re
import unicodedata
from typing import NamedTuple

from newsletter.i18n import LOCALES

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_SLUG = 100
# Letters that Unicode does not take apart into a base and a mark.
_LETTERS = str.maketrans({"ß": "ss", "œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
# Below content/images; no part begins with a dot, so that none leads up or is hidden.
PICTURE = re.compile(r"(?:[a-z0-9][a-z0-9_-]*/)*[a-z0-9][a-z0-9._-]*\.(?:png|jpe?g|gif|webp)")
_KINDS = ("png", "jpg", "jpeg", "gif", "webp")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:|//", re.IGNORECASE)
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
        better = f"{slugify(slug)}.{locale}.md"
        rule = "lower-case letters, digits and single hyphens only"
        return Name(slug, "", f"The slug '{slug}' may have {rule}; name it '{better}'.")
    return Name(slug, locale)


def picture_fault(written: str) -> str | None:
    """Why `written` names no picture of the shelf, to be put after "The picture … "; None: it may
    be one."""
    if written.lower().startswith("data:"):
        return "is written into the text; save it in content/images and write its name."
    if _ELSEWHERE.match(written):
        return "stands on another site; save it in content/images and write its name."
    kind = written.rpartition(".")[2].lower()
    if kind not in _KINDS:
        return "is no png, jpg, gif or webp; save it as one and write its name."
    if written.startswith("/") or ".." in written.split("/") or "\\" in written:
        return "is a path; write its name only, as it is below content/images."
    if not PICTURE.fullmatch(written):
        folders = [slugify(part) for part in written.split("/")[:-1]]
        stem = slugify(written.rpartition("/")[2].rpartition(".")[0])
        better = "/".join([*folders, f"{stem}.{kind}"])
        return f"may have lower-case letters, digits and hyphens only; name it '{better}'."
    return None


def hyphenated(text: str) -> str:
    """A text in small letters without accents, digits and single hyphens; it may be empty."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    plain = plain.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def slugify(text: str) -> str:
    """A slug made of any text."""
    return hyphenated(text)[:LONGEST_SLUG] or "slug"
