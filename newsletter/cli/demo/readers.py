"""The made-up readers of the demo, and what each of them should get."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

DOMAINS = {"nl": "voorbeeld.example", "fr": "exemple.example", "en": "sample.example"}


@dataclass(frozen=True, slots=True)
class Reader:
    """One made-up person; no topics means all of them."""

    email: str
    locale: str
    topics: tuple[str, ...]

    def wants(self, topics: frozenset[str]) -> bool:
        """Does an item with these topics interest this reader?"""
        return not self.topics or bool(topics & set(self.topics))


def make_readers(count: int, topics: Sequence[str]) -> list[Reader]:
    """`count` readers: the languages in turn; half of them with one or two topics of their own."""
    choices = itertools.cycle([(topic,) for topic in topics] + list(itertools.pairwise(topics)))
    readers = []
    for number, locale in zip(range(count), itertools.cycle(DOMAINS), strict=False):
        chosen = next(choices, ()) if number % 2 else ()
        readers.append(Reader(f"reader-{number:05}@{DOMAINS[locale]}", locale, chosen))
    return readers


def as_csv(readers: Sequence[Reader], confirmed_at: datetime) -> Iterator[str]:
    """The lines of a file that `newsletter subscribers import` takes."""
    yield "email,locale,topics,confirmed_at"
    for reader in readers:
        topics = "|".join(reader.topics)
        yield f"{reader.email},{reader.locale},{topics},{confirmed_at.isoformat()}"


def expected(
    readers: Sequence[Reader], items: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """For each reader who should get a letter, the items it should hold.

    `items` are the slugs of an issue with their topics. This is the demo's own reckoning: neither
    the ledger nor the planner is asked.
    """
    wanted = {
        reader.email: frozenset(slug for slug, topics in items.items() if reader.wants(topics))
        for reader in readers
    }
    return {email: slugs for email, slugs in wanted.items() if slugs}
