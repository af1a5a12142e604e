"""File names of the shelf: `slug.locale.md` of texts, `folder/name.jpg` of pictures."""

import re
import unicodedata
from typing import NamedTuple

from newsletter.i18n import LOCALES, Said

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
    fault: Said | None = None


def is_leftover(name: str) -> bool:
    """Hidden files and what editing programs leave behind are no concern of ours."""
    return bool(_LEFTOVER.fullmatch(name))


def split(name: str) -> Name:
    """Slug and locale of a file name, or what is wrong with it."""
    stem, dot, suffix = name.rpartition(".")
    if suffix != "md" or not dot:
        fault = Said("Dit is geen tekst; noem het slug.nl.md of zet het in content/images.")
        return Name(name, "", fault)
    slug, dot, locale = stem.rpartition(".")
    known = ", ".join(LOCALES)
    if not dot:
        fault = Said(
            "In de naam ontbreekt de taal (%(known)s); noem het bestand “%(better)s”.",
            known=known,
            better=f"{stem}.nl.md",
        )
        return Name(stem, "", fault)
    if locale not in LOCALES:
        fault = Said(
            "“%(language)s” in de naam is geen van onze talen (%(known)s); kies er een.",
            language=locale,
            known=known,
        )
        return Name(slug, "", fault)
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_SLUG:
        fault = Said(
            "De naam “%(slug)s” mag enkel kleine letters, cijfers en losse streepjes hebben; noem "
            "het bestand “%(better)s”.",
            slug=slug,
            better=f"{slugify(slug)}.{locale}.md",
        )
        return Name(slug, "", fault)
    return Name(slug, locale)


def picture_said(picture: str, fault: Said) -> Said:
    """A sentence about a picture: its name, and a fault as `picture_fault` says it."""
    return Said("De foto “%(picture)s” %(fault)s", picture=picture[:80], fault=fault)


def picture_fault(written: str) -> Said | None:
    """Why `written` names no picture of the shelf, for `picture_said`; None: it may be one."""
    if written.lower().startswith("data:"):
        return Said("staat in de tekst zelf; bewaar ze in content/images en schrijf haar naam.")
    if _ELSEWHERE.match(written):
        return Said("staat op een andere site; bewaar ze in content/images en schrijf haar naam.")
    kind = written.rpartition(".")[2].lower()
    if kind not in _KINDS:
        return Said("is geen png, jpg, gif of webp; bewaar ze zo en schrijf haar naam.")
    if written.startswith("/") or ".." in written.split("/") or "\\" in written:
        return Said("is een pad; schrijf enkel haar naam, zoals ze in content/images staat.")
    if not PICTURE.fullmatch(written):
        folders = [slugify(part) for part in written.split("/")[:-1]]
        stem = slugify(written.rpartition("/")[2].rpartition(".")[0])
        better = "/".join([*folders, f"{stem}.{kind}"])
        return Said(
            "mag enkel kleine letters, cijfers en streepjes hebben; noem ze “%(better)s”.",
            better=better,
        )
    return None


def hyphenated(text: str) -> str:
    """A text in small letters without accents, digits and single hyphens; it may be empty."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    plain = plain.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def slugify(text: str) -> str:
    """A slug made of any text."""
    return hyphenated(text)[:LONGEST_SLUG] or "slug"
