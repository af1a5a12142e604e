"""Words as the archive's search sees them: without accents, with their stem, and in their parts.

Both databases index what this file makes, and are asked with it, so that both find the same. Every
word begins with its locale ("nlgemeent"): the languages share an index and are kept apart in it.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import snowballstemmer  # type: ignore[import-untyped]

ALGORITHMS = {"nl": "dutch_porter", "fr": "french", "en": "english", "de": "german"}
# Languages that write compounds as one word: "register" has to find "geboorteregister".
COMPOUNDING = ("nl", "de")
SHORTEST_START, SHORTEST_END = 3, 4  # letters of what a compound begins and ends with
LONGEST_WORD = 40  # letters; what is longer is no word, and found by its beginning
MOST_TERMS = 8
LONGEST_QUERY = 200  # characters that are looked at
SHORTEST_BEGINNING = 3  # letters: shorter words are found only as they stand

WORD = re.compile("[a-z0-9]+")
# Letters that Unicode does not take apart into a base and a mark.
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
# Words of which a question keeps none when it has others: they stand in every text.
COMMON = {
    "nl": "aan als bij dat de den der die dit door een en er het hoe ik in is je maar met naar niet"
    " nog of om ons onze ook op over te tot uit van voor wat we wie wij ze zich zijn",
    "fr": "a au aux avec ce ces cette comment d dans de des du elle en est et il ils je l la le les"
    " leur ne nos notre nous on ou par pas pour qu que qui sa se ses son sont sur un une vous",
    "en": "a an and are as at be by for from how in is it its of on or our that the their this to"
    " was we what who with you",
    "de": "als am an auf aus bei das dem den der des die ein eine einem einen einer es fur hat ich"
    " im in ist mit nach nicht oder sich sie sind und uns unser vom von was wer wie wir zu zum zur",
}
_COMMON = {locale: frozenset(words.split()) for locale, words in COMMON.items()}
_STEMMERS = {locale: snowballstemmer.stemmer(name) for locale, name in ALGORITHMS.items()}
_STEMMING = threading.Lock()  # a stemmer holds the word it is at


class Term(NamedTuple):
    """One word of a question: as it was written, and its stem; both folded, without locale."""

    word: str
    stem: str

    @property
    def begins(self) -> bool:
        """May it be the beginning of a longer word?"""
        return len(self.word) >= SHORTEST_BEGINNING

    def fits(self, word: str, locale: str) -> bool:
        """Is `word` (folded) found by it, as itself, by its stem, or as part of a compound?"""
        if word == self.word or (self.begins and word.startswith(self.word)):
            return True
        ends = parts(word, locale)
        return (
            self.stem in ends
            or (self.begins and any(end.startswith(self.word) for end in ends))
            or stem(word, locale) == self.stem
        )


def fold(text: str) -> str:
    """Lower case without accents: "Pèrèrè" is "perere"; it may be longer than `text`."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def split(text: str) -> list[str]:
    """The folded words of a text, in order, each cut to LONGEST_WORD."""
    return [word[:LONGEST_WORD] for word in WORD.findall(fold(text))]


@lru_cache(maxsize=1 << 16)
def stem(word: str, locale: str) -> str:
    """The stem of a folded word: "gemeenten" and "gemeente" have the same."""
    with _STEMMING:
        found: str = _STEMMERS[locale].stemWord(word)
    return _dutch(found) if locale == "nl" else found


def _dutch(stem: str) -> str:
    """What the ending hid: "huizen" is of huis, "brieven" of brief, "bronnen" of bron."""
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "aeiou":
        return stem[:-1]
    return stem[:-1] + {"z": "s", "v": "f"}.get(stem[-1:], stem[-1:])


@lru_cache(maxsize=1 << 16)
def parts(word: str, locale: str) -> tuple[str, ...]:
    """What a compound may end with: "register" for one of "geboorteregister"; never itself."""
    if locale not in COMPOUNDING or word.isdigit():
        return ()
    return tuple(word[at:] for at in range(SHORTEST_START, len(word) - SHORTEST_END + 1))


def terms(text: str, locale: str) -> Sequence[Term]:
    """What a question asks for: at most MOST_TERMS words, none of them twice."""
    words = list(dict.fromkeys(split(text[:LONGEST_QUERY])))
    telling = [word for word in words if len(word) > 1 and word not in _COMMON[locale]] or words
    return [Term(word, stem(word, locale)) for word in telling[:MOST_TERMS]]


def indexed(text: str, locale: str) -> str:
    """A text as the index keeps it: its words in order, each followed by its stem if it has one."""
    return " ".join(f"{locale}{form}" for word in split(text) for form in _forms(word, locale))


def indexed_parts(text: str, locale: str) -> str:
    """The parts of its compounds, each once."""
    found = {part for word in set(split(text)) for part in parts(word, locale)}
    return " ".join(f"{locale}{part}" for part in sorted(found))


def _forms(word: str, locale: str) -> Iterator[str]:
    yield word
    if (found := stem(word, locale)) != word:
        yield found
