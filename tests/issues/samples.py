"""Pieces as the compiler would freeze them, for tests of the mail."""

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from newsletter.content.library import Library
from newsletter.content.markdown import render
from newsletter.issues.compiler import freeze
from newsletter.models import Issue, Piece
from newsletter.settings import Settings
from tests import shared

BODY = """
Een gewone alinea met [een bron bij VVSG](https://www.vvsg.be/bron?a=1&b=2) en een noot.[^1]

## Een tussenkop

- **Eerste** punt
- tweede punt

| Land | Partner |
| --- | --- |
| Benin | ANCB |

[^1]: De noot zelf.
"""


def issue(number: int = 12) -> Issue:
    """An issue of 1 December 2026."""
    return Issue(number=number, compiled_at=datetime(2026, 12, 1, 8, tzinfo=UTC))


def piece(slug: str = "dogbo", **values: Any) -> Piece:
    """A Dutch piece about Roeselare and Dogbo, unless told otherwise."""
    body = render(values.pop("markdown", BODY), anchor=slug)
    made: dict[str, Any] = {
        "slug": slug,
        "locale": "nl",
        "language": "nl",
        "topics": "bestuur",
        "date": date(2026, 11, 12),
        "title": f"Elke geboorte telt in {slug}",
        "summary": "In Dogbo wordt elk kind ingeschreven.",
        "facts": {
            "municipality": "Roeselare",
            "partner": "Dogbo",
            "country": "BJ",
            "sdgs": [16, 2],
            "topic_names": ["Goed lokaal bestuur"],
            "sources": [{"title": "Krant van West-Vlaanderen", "url": "https://kw.be/een"}],
        },
        "html": body.html,
        "text": body.text,
    }
    return Piece(**made | values)


def call(slug: str = "oproep", **values: Any) -> Piece:
    """A call with a deadline and no place: something for the agenda only."""
    made: dict[str, Any] = {
        "title": "Stuur ons je verhaal",
        "deadline": date(2027, 1, 31),
        "facts": {"sdgs": [17]},
    }
    return piece(slug, **made | values)


COLUMNS = [column.name for column in Piece.__table__.columns]


@cache
def _pictured(locale: str) -> tuple[Piece, Piece, dict[str, bytes]]:
    library = Library(shared.CONTENT)
    slugs = ("evergem-guaranda-bronnen", "sint-niklaas-tambacounda-compost")
    items = sorted((item for item in library.items() if item.slug in slugs), key=lambda i: i.slug)
    pieces, album = freeze(items, library)
    above, within = (piece for piece in pieces if piece.locale == locale)
    files = {file.name: file.data for ready in album.pictures for file in ready.files}
    return above, within, files


def pictured_piece(locale: str = "nl") -> Piece:
    """A real item with a picture above its story, and in it the picture of another one."""
    above, within, _files = _pictured(locale)
    values = {name: getattr(above, name) for name in COLUMNS}
    paragraph = next(line for line in within.html.split("\n") if "<img" in line)
    html = above.html.replace("\n<h3>", f"\n{paragraph}\n<h3>", 1)
    return Piece(**values | {"html": html, "hash": None})


def picture_file(name: str) -> bytes:
    """A picture of `pictured_piece`, as the site serves it."""
    return _pictured("nl")[2][name]


def real_pieces(settings: Settings, locale: str = "nl", count: int = 9) -> list[Piece]:
    """The newest ready items of the content folder, a real partnership first."""
    library = shared.shelf(replace(settings, content_dir=shared.CONTENT))
    items = [item for item in library.sound_items() if item.status == "ready"]
    items.sort(key=lambda item: item.slug != "elke-geboorte-telt")
    pieces, _album = freeze(items[:count], library)
    return [one for one in pieces if one.locale == locale]
