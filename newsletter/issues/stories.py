"""A frozen piece as an edition tells it: place, dates and goals in the words of the reader."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from babel import Locale

from newsletter.content.names import hyphenated
from newsletter.i18n import (
    KEPT,
    _,
    country_name,
    date_and_hours,
    date_and_time,
    day_in_words,
    language_name,
    long_date,
    translate,
)
from newsletter.issues import pictures
from newsletter.issues.pictures import Shown
from newsletter.links import Links
from newsletter.models import Piece
from newsletter.settings import Settings

# Names of the United Nations' goals, as its Dutch, French, English and German pages have them.
SDGS = (
    _("Geen armoede"),
    _("Geen honger"),
    _("Goede gezondheid en welzijn"),
    _("Kwaliteitsonderwijs"),
    _("Gendergelijkheid"),
    _("Schoon water en sanitair"),
    _("Betaalbare en duurzame energie"),
    _("Waardig werk en economische groei"),
    _("Industrie, innovatie en infrastructuur"),
    _("Ongelijkheid verminderen"),
    _("Duurzame steden en gemeenschappen"),
    _("Verantwoorde consumptie en productie"),
    _("Klimaatactie"),
    _("Leven in het water"),
    _("Leven op het land"),
    _("Vrede, justitie en sterke publieke diensten"),
    _("Partnerschap om doelstellingen te bereiken"),
)


class Dated(NamedTuple):
    """One date of a piece: `time` in the reader's language, `place` in that of the piece."""

    time: str  # "Deadline: 31 januari 2027", "18–25 september 2027"
    place: str  # "Vlaanderen", or empty


@dataclass(frozen=True, slots=True)
class Story:
    """One piece, told. `lang` is None where the text is in the reader's own language."""

    piece: Piece
    url: str
    land: str  # name of its drawing, the same in every language: "roeselare-dogbo-bj"
    drawing: str  # address of that drawing
    picture: Shown | None  # what the editors chose to stand above it
    picture_url: str  # address of that, or else of the drawing
    links: Links  # of this site
    place: str  # "Roeselare – Dogbo, Benin", or empty
    topics: tuple[str, ...]
    sdgs: tuple[tuple[int, str], ...]
    dates: tuple[Dated, ...]
    day: date  # the first of its dates; that of the piece when it has none
    day_number: str  # "31"
    day_month: str  # "jan 2027"
    lang: str | None
    note: str  # why the text is in another language, or empty
    whole: bool = True  # else only its title is printed

    @property
    def body(self) -> str:
        """The HTML of the piece as the mail shows it."""
        return pictures.in_mail(self.piece.html, self.links)

    @property
    def when(self) -> tuple[str, ...]:
        """Its dates as lines: "18–25 september 2027, Vlaanderen"."""
        return tuple(", ".join(filter(None, dated)) for dated in self.dates)

    @property
    def only_agenda(self) -> bool:
        """Dated and about no place: it is told under the dates and not once more as news."""
        return bool(self.dates) and not self.place

    @property
    def facts(self) -> dict[str, Any]:
        """The optional front matter of the piece."""
        return self.piece.facts

    @property
    def sources(self) -> Sequence[dict[str, str]]:
        """Where its facts come from: title and url."""
        found: Sequence[dict[str, str]] = self.facts.get("sources", ())
        return found

    @property
    def website(self) -> str:
        """Where to read on elsewhere, unless it is named as a source already."""
        link = str(self.facts.get("link", ""))
        return "" if link in {source["url"] for source in self.sources} else link

    @property
    def website_name(self) -> str:
        """Its host, as people write it: "kortrijk.be"."""
        return (urlsplit(self.website).hostname or "").removeprefix("www.")

    def brief(self) -> "Story":
        """The same, as a title only."""
        return replace(self, whole=False)


def tell(settings: Settings, piece: Piece, locale: str) -> Story:
    """The story of `piece` for a reader of `locale`, with dates on the calendar of TIMEZONE."""
    links = Links(settings.base_url)
    facts = piece.facts  # looked up once: through SQLAlchemy it costs
    place = place_line(facts, locale)
    land, picture = land_name(piece), pictures.above(facts)
    foreign = piece.language != locale
    day = _first_day(piece)
    return Story(
        piece=piece,
        url=links.item(locale, piece.slug),
        land=land,
        drawing=links.pattern(land),
        picture=picture,
        picture_url=links.picture(picture.name) if picture else links.pattern(land),
        links=links,
        place=place,
        topics=tuple(facts.get("topic_names", ())),
        sdgs=tuple((n, translate(locale, SDGS[n - 1])) for n in facts.get("sdgs", ())),
        dates=tuple(_dates(settings, piece, locale)),
        day=day,
        day_number=str(day.day),
        day_month=day_in_words(day, "MMM y", locale),
        lang=piece.language if foreign else None,
        note=_language_note(piece.language, locale) if foreign else "",
    )


def leading(stories: Sequence[Story]) -> Story:
    """The first news in the reader's own language, else the first news, else the first date."""
    news = [story for story in stories if not story.only_agenda] or stories
    return next((story for story in news if story.lang is None), news[0])


def place_line(facts: dict[str, Any], locale: str) -> str:
    """Where it happens: "Roeselare – Dogbo, Benin", or what is known of it."""
    towns = " – ".join(facts[name] for name in ("municipality", "partner") if facts.get(name))
    country = country_name(facts["country"], locale) if facts.get("country") else ""
    return ", ".join(part for part in (towns, country) if part)


def land_name(piece: Piece) -> str:
    """What the drawing of a piece is made from: its place, else the piece itself."""
    facts = piece.facts
    names = (facts.get(name) for name in ("municipality", "partner", "country"))
    return pattern_name(" ".join(filter(None, names)) or piece.slug)


@lru_cache(KEPT)
def pattern_name(place: str) -> str:
    """A place as it stands in an address: "roeselare-dogbo-bj"."""
    return hyphenated(place)


def _language_note(language: str, locale: str) -> str:
    return translate(
        locale,
        "Dit stuk is er nog niet in het %(wanted)s; je leest het in het %(language)s.",
        wanted=language_name(locale, locale),
        language=language_name(language, locale),
    )


def _first_day(piece: Piece) -> date:
    days = [piece.deadline] if piece.deadline else []
    if event := piece.facts.get("event"):
        days.append(_moment(event["start"]))
    return min((_day(moment) for moment in days), default=piece.date)


def _dates(settings: Settings, piece: Piece, locale: str) -> list[Dated]:
    found = []
    if piece.deadline:
        day = long_date(piece.deadline, locale, settings.timezone)
        found.append(Dated(translate(locale, "Deadline: %(date)s", date=day), ""))
    if event := piece.facts.get("event"):
        time = _period(settings, _moment(event["start"]), _end(event), locale)
        found.append(Dated(time, event.get("place") or ""))
    return found


def _period(settings: Settings, start: date, end: date, locale: str) -> str:
    """From `start` to `end` (both days or aware times), as short as it can be said."""
    zone = settings.timezone
    if isinstance(start, datetime) and isinstance(end, datetime):
        if start == end:
            return date_and_time(start, locale, zone)
        if start.astimezone(zone).date() == end.astimezone(zone).date():
            return date_and_hours(start, end, locale, zone)
        return f"{date_and_time(start, locale, zone)} – {date_and_time(end, locale, zone)}"
    if _day(start) == _day(end):
        return long_date(start, locale, zone)
    return _days(_day(start), _day(end), locale)


@lru_cache(KEPT)
def _days(start: date, end: date, locale: str) -> str:
    """ "18–25 september 2027": CLDR's short interval with the month written out."""
    differs = "y" if start.year != end.year else "M" if start.month != end.month else "d"
    patterns = Locale(locale).interval_formats["yMMMd"][differs]
    parts = zip((start, end), patterns, strict=True)
    return "".join(
        day_in_words(day, pattern.replace("MMM", "MMMM"), locale) for day, pattern in parts
    )


def _end(event: dict[str, Any]) -> date:
    return _moment(event.get("end") or event["start"])


def _moment(iso: str) -> date:
    return datetime.fromisoformat(iso) if "T" in iso else date.fromisoformat(iso)


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
