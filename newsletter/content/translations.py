"""Translations: which are missing, and which tell what the Dutch text no longer says.

A translation carries, as `original` in its front matter, a hash of what the Dutch text told readers
when it was made. So it travels with the file, whoever edits it, wherever it is copied. Without it
nobody knows, and nothing is said.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from newsletter.content import matter
from newsletter.content.files import Files, NotAFile
from newsletter.content.library import SHARED
from newsletter.content.matter import NotAForm, Value
from newsletter.content.shelf import Item
from newsletter.i18n import DEFAULT, LOCALES

TOLD = ("title", "summary", "image_alt")  # with the body: what a translation translates
TIMES = ("start", "end")  # of an event: the same in all languages


class Language(StrEnum):
    """How an item stands in one language."""

    MISSING = "missing"
    STALE = "stale"  # made of an older Dutch text
    DRAFT = "draft"  # readers get the Dutch text
    THERE = "there"


def told(text: str) -> str:
    """A hash of what the text of a file tells: 12 hex digits. Facts and status are none of it."""
    try:
        found = matter.values(text)
        seen = [*(found.get(name, "") for name in TOLD), matter.body(text).strip()]
    except NotAForm:
        seen = [text]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]


def languages(folder: Path, item: Item) -> dict[str, Language]:
    """How an item of the shelf in `folder` stands in each language."""
    found = {}
    for locale in LOCALES:
        text = item.texts.get(locale)
        if text is None:
            found[locale] = Language.MISSING
        elif locale != DEFAULT and _is_stale(folder, item, text.front.original):
            found[locale] = Language.STALE
        else:
            draft = text.front.status == "draft"
            found[locale] = Language.DRAFT if draft else Language.THERE
    return found


def shared(dutch: Mapping[str, Value], other: Mapping[str, Value]) -> dict[str, Value]:
    """What has to change in a translation that says `other`, so that its facts are those of the
    Dutch text."""
    facts: dict[str, Value] = {name: dutch.get(name, "") for name in SHARED}
    event, theirs = dutch.get("event") or {}, other.get("event") or {}
    if isinstance(event, Mapping) and isinstance(theirs, Mapping):
        times = {name: event[name] for name in TIMES if event.get(name)}
        place = theirs.get("place") or event.get("place", "")
        facts["event"] = times | {"place": place} if times else ""
    if "image" in facts:
        facts |= _beside_image(dutch, other)
    return facts


def _beside_image(dutch: Mapping[str, Value], other: Mapping[str, Value]) -> dict[str, Value]:
    """No picture is without words, and no words without a picture."""
    if not dutch.get("image"):
        return {"image_alt": "", "image_credit": ""}
    names = ("image_alt", "image_credit")
    return {name: other.get(name) or dutch.get(name, "") for name in names}


def _is_stale(folder: Path, item: Item, original: str) -> bool:
    dutch = item.texts.get(DEFAULT)
    if not original or dutch is None:
        return False
    with contextlib.suppress(FileNotFoundError, NotAFile):
        return _files(folder).load(dutch.path, _told_by) != original
    return False


def _told_by(data: bytes) -> str:
    return told(data.decode("utf-8", "replace"))


@lru_cache(8)
def _files(folder: Path) -> Files:
    return Files(folder)
