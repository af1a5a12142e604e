"""`topics.toml`: the topics readers choose from, each with a name in every language."""

import re
import tomllib
from typing import NamedTuple

from newsletter.content.loader import in_words
from newsletter.content.names import SLUG
from newsletter.content.safety import first_forbidden
from newsletter.content.source import NOT_UTF8, Note
from newsletter.i18n import LOCALES, Said

LONGEST_NAME = 80


class Topics(NamedTuple):
    """`names[key][locale]`, in the order of the file; only topics without a note."""

    names: dict[str, dict[str, str]]
    notes: tuple[Note, ...]


def read(data: bytes) -> Topics:
    """The topics of a whole file and everything that is wrong in it."""
    try:
        text = data.decode("utf-8-sig")
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Topics({}, (Note(line, NOT_UTF8),))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        problem = str(error).partition(" (at ")[0]
        message = Said(
            'Dit is geen TOML (%(problem)s); schrijf [sleutel] en nl = "…".',
            problem=in_words(problem),
        )
        return Topics({}, (Note(line, message),))
    faults = {key: _fault(key, names) for key, names in tables.items()}
    notes = [Note(_line(text, key), fault) for key, fault in faults.items() if fault]
    return Topics({key: tables[key] for key in tables if not faults[key]}, tuple(notes))


def _fault(key: str, names: object) -> Said | None:
    if not isinstance(names, dict):
        return Said("“%(key)s” hoort bij geen thema; zet het onder een regel [thema].", key=key)
    if not SLUG.fullmatch(key):
        return Said(
            "De sleutel “%(key)s” van een thema mag enkel kleine letters, cijfers en streepjes "
            "hebben.",
            key=key,
        )
    if strange := sorted(set(names) - set(LOCALES)):
        return Said(
            "Het thema “%(key)s” heeft “%(strange)s”; er zijn enkel namen voor %(known)s.",
            key=key,
            strange=strange[0],
            known=", ".join(LOCALES),
        )
    for locale in LOCALES:
        if not _is_name(names.get(locale)):
            return Said(
                "Het thema “%(key)s” heeft een naam nodig in “%(language)s”, van hoogstens "
                "%(most)s tekens.",
                key=key,
                language=locale,
                most=LONGEST_NAME,
            )
    return None


def _is_name(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return bool(value.strip()) and len(value) <= LONGEST_NAME and not first_forbidden(value)


def _line(text: str, key: str) -> int:
    place = re.compile(rf"^\s*\[?\s*[\"']?{re.escape(key)}[\"']?\s*[\]=]")
    found = (n for n, line in enumerate(text.split("\n"), start=1) if place.match(line))
    return next(found, 1)
