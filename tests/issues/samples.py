"""Pieces as the compiler would freeze them, for tests of the mail."""

from datetime import UTC, date, datetime
from typing import Any

from config import PROJECT_DIR
from newsletter.content.library import Library
from newsletter.content.markdown import render
from newsletter.issues.compiler import freeze
from newsletter.models import Issue, Piece
from newsletter.settings import Settings

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


def real_pieces(settings: Settings, locale: str = "nl", count: int = 9) -> list[Piece]:
    """The newest ready items of the content folder, a real partnership first."""
    library = Library(PROJECT_DIR / "content", settings.timezone)
    items = [item for item in library.sound_items() if item.status == "ready"]
    items.sort(key=lambda item: item.slug != "elke-geboorte-telt")
    pieces = freeze(items[:count], library.topics())
    return [one for one in pieces if one.locale == locale]
