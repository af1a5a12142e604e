"""Every text that readers can see, as it stands in code and templates."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages.extract import extract_from_dir

import config

METHODS = [
    ("newsletter/**.py", "python"),
    ("templates/**.html", "jinja2"),
    ("templates/**.txt", "jinja2"),
]
OPTIONS = {
    "templates/**.html": {"silent": "false", "newstyle_gettext": "true"},
    "templates/**.txt": {"silent": "false", "newstyle_gettext": "true"},
}
# _("text"), Said("text", …), and translate(locale, "text", …).
KEYWORDS = {"_": None, "Said": None, "gettext": None, "ngettext": (1, 2), "translate": (2,)}


@cache
def messages() -> list[tuple[tuple[str, ...], str]]:
    """Each text (a pair of them where there is a plural) with the place where it stands."""
    found = extract_from_dir(
        str(config.PROJECT_DIR),
        METHODS,
        OPTIONS,
        keywords=KEYWORDS,
        directory_filter=lambda path: Path(path).name not in {".venv", "build", "tests"},
    )
    return [
        ((text,) if isinstance(text, str) else text, f"{file}:{line}")
        for file, line, text, _comments, _context in found
    ]


def texts() -> Iterator[tuple[str, str]]:
    """Each text alone, with its place."""
    for forms, place in messages():
        for text in forms:
            yield text, place


def plurals() -> dict[str, str]:
    """Singular and plural of the texts that count something."""
    return {forms[0]: forms[1] for forms, _place in messages() if len(forms) == 2}
