"""The items on the shelf as editors look for them: state, languages, words, and whose they are.

Who made an item is what the log says (`item.make`), so no file names a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.content import translations
from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.content.translations import Language
from newsletter.issues.words import split, terms
from newsletter.models import Entry, ItemNumber

MAKE = "item.make"


class Stage(StrEnum):
    """How far an item is."""

    DRAFT = "draft"
    READY = "ready"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Row:
    """An item on the list."""

    item: Item
    stage: Stage
    languages: Mapping[str, Language]
    owner: int | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; empty: anything. `gap` is a locale that is missing or stale."""

    words: str = ""
    stage: str = ""
    topic: str = ""
    gap: str = ""
    owner: int | None = None


def listed(session: Session, library: Library, wish: Wish, locale: str) -> list[Row]:
    """Items that fit, newest first; words are those of `locale`, or just as they stand."""
    published, made_by = _published(session), owners(session)
    rows = []
    for item in library.sound_items():
        owner = made_by.get(item.slug)
        stage = published.get(item.slug, Stage(item.status))
        if not _fits(item, stage, owner, wish) or not _has(item, wish.words, locale):
            continue
        languages = translations.languages(library.folder, item)
        if not wish.gap or languages.get(wish.gap) in (Language.MISSING, Language.STALE):
            rows.append(Row(item, stage, languages, owner))
    return rows


def stage(session: Session, slug: str, status: str) -> Stage:
    """How far one item is."""
    return _published(session, slug).get(slug, Stage(status))


def owners(session: Session) -> dict[str, int]:
    """Who made which item on the desk; of items that came as files nobody knows."""
    query = select(Entry.subject, Entry.actor).where(Entry.action == MAKE).order_by(Entry.number)
    return _made(session.execute(query).all())


def owner(session: Session, slug: str) -> int | None:
    """Who made an item on the desk."""
    mine = (Entry.subject == f"item {slug}", Entry.action == MAKE)
    query = select(Entry.subject, Entry.actor).where(*mine).order_by(Entry.number)
    return _made(session.execute(query).all()).get(slug)


def _made(lines: Sequence[tuple[str, str]]) -> dict[str, int]:
    who = audit.editor(0).removesuffix("0")
    return {
        subject.removeprefix("item "): int(actor.removeprefix(who))
        for subject, actor in lines
        if actor.startswith(who)
    }


def _published(session: Session, slug: str | None = None) -> dict[str, Stage]:
    query = select(ItemNumber.slug, ItemNumber.withdrawn_at)
    if slug is not None:
        query = query.where(ItemNumber.slug == slug)
    return {
        row.slug: Stage.WITHDRAWN if row.withdrawn_at else Stage.PUBLISHED
        for row in session.execute(query)
    }


def _fits(item: Item, stage: Stage, owner: int | None, wish: Wish) -> bool:
    return (
        (not wish.stage or stage == wish.stage)
        and (not wish.topic or wish.topic in item.original.front.topics)
        and (wish.owner is None or owner == wish.owner)
    )


def _has(item: Item, words: str, locale: str) -> bool:
    """Is every word in one of its texts?"""
    asked = terms(words, locale)
    return not words.strip() or any(
        all(any(term.fits(word, text.locale) for word in found) for term in asked)
        for text in item.texts.values()
        if (found := _words(text.slug, text.front.title, text.front.summary, text.body.text))
    )


@lru_cache(20_000)
def _words(*texts: str) -> frozenset[str]:
    return frozenset(split(" ".join(texts)))
