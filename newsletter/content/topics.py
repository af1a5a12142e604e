"""`topics.toml`: the topics readers choose from, each with a name in every language."""

import re
import tomllib
from typing import NamedTuple

from newsletter.content.names import SLUG
from newsletter.content.safety import first_forbidden
from newsletter.content.source import Note
from newsletter.i18n import LOCALES

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
        return Topics(
            {}, (Note(line, "This line is not UTF-8; save the file with UTF-8 encoding."),)
        )
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        problem = str(error).partition(" (at ")[0]
        return Topics({}, (Note(line, f'This is not TOML ({problem}); write [key] and nl = "…".'),))
    faults = {key: _fault(key, names) for key, names in tables.items()}
    notes = [Note(_line(text, key), fault) for key, fault in faults.items() if fault]
    return Topics({key: tables[key] for key in tables if not faults[key]}, tuple(notes))


def _fault(key: str, names: object) -> str | None:
    if not isinstance(names, dict):
        return f"'{key}' stands outside a topic; write it under a line [topic]."
    if not SLUG.fullmatch(key):
        return f"The topic key '{key}' may have lower-case letters, digits and hyphens only."
    if strange := sorted(set(names) - set(LOCALES)):
        return f"The topic '{key}' has '{strange[0]}'; names are for {', '.join(LOCALES)} only."
    for locale in LOCALES:
        if not _is_name(names.get(locale)):
            return f"The topic '{key}' needs a name in '{locale}', of at most {LONGEST_NAME} signs."
    return None


def _is_name(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return bool(value.strip()) and len(value) <= LONGEST_NAME and not first_forbidden(value)


def _line(text: str, key: str) -> int:
    place = re.compile(rf"^\s*\[?\s*[\"']?{re.escape(key)}[\"']?\s*[\]=]")
    found = (n for n, line in enumerate(text.split("\n"), start=1) if place.match(line))
    return next(found, 1)
