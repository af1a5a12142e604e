"""Locales: Dutch is the source of every text; fr, en and de are translations of it (gettext)."""

import io
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

DEFAULT = "nl"
COMMAND_LINE = "en"
LOCALES = ("nl", "fr", "en", "de")
REGIONS = {"en": "en_GB"}  # dates and numbers of Europe
KEPT = 4096  # names and dates that are kept as words: making them costs more than a page
WEEKDAY = {"en": "EEEE d MMMM y"}  # CLDR's "full" has a comma that stumbles in a sentence


@cache
def translations(locale: str) -> NullTranslations:
    """The gettext catalogue of a locale; Dutch texts stand in the code and templates themselves."""
    if locale == DEFAULT:
        return NullTranslations()
    source = files("newsletter").joinpath("translations", f"{locale}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale=locale))
    compiled.seek(0)
    return Translations(compiled)


def translate(locale: str, text: str, /, **values: object) -> str:
    """`text` (Dutch, with `%(name)s` for values) in `locale`."""
    translated = translations(locale).gettext(text)
    return translated % values if values else translated


def _(text: str) -> str:
    """Mark a Dutch text for translation; `translate` is called where the locale is known."""
    return text


@dataclass(frozen=True, slots=True, init=False)
class Said:
    """Something to tell a person whose language is not known yet: a Dutch text and the values of
    its `%(name)s`, which may be Said themselves. Nothing is translated until it is shown.

    str() is English, for the command line, logs and records; several sort as they stand there.
    """

    text: str
    values: tuple[tuple[str, object], ...]

    def __init__(self, text: str, /, **values: object) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "values", tuple(values.items()))

    def in_(self, locale: str) -> str:
        """What a reader of `locale` is told."""
        values = {
            name: value.in_(locale) if isinstance(value, Said) else value
            for name, value in self.values
        }
        return translate(locale, self.text, **values)

    def __str__(self) -> str:
        return self.in_(COMMAND_LINE)

    def __lt__(self, other: "Said") -> bool:
        return str(self) < str(other)


def either(*choices: str) -> Said | str:
    """One or more words to choose from: "a of b" in Dutch."""
    first, *others = choices
    return Said("%(one)s of %(others)s", one=first, others=either(*others)) if others else first


def pick(accepted: list[str]) -> str:
    """The first locale we speak of an Accept-Language list, best first."""
    for tag in accepted:
        language = tag.split("-")[0].lower()
        if language in LOCALES:
            return language
    return DEFAULT


def region(locale: str) -> str:
    """The locale whose dates and numbers its readers expect: en_GB for en."""
    return REGIONS.get(locale, locale)


@cache
def own_name(locale: str) -> str:
    """What speakers call their language, as it stands in a list: Nederlands, Français."""
    name = Locale(locale).get_display_name(locale) or locale
    return name[:1].upper() + name[1:]


@cache
def language_name(language: str, locale: str) -> str:
    """What speakers of `locale` call `language`: language_name("nl", "fr") is "néerlandais"."""
    return Locale(language).get_display_name(locale) or language


@lru_cache(KEPT)
def country_name(code: str, locale: str) -> str:
    """Name of the country with an ISO 3166-1 code: country_name("BJ", "nl") is "Benin"."""
    return str(Locale(locale).territories.get(code, code))


def long_date(value: date | datetime, locale: str, zone: ZoneInfo) -> str:
    """ "23 november 2026", on the calendar of `zone`."""
    if isinstance(value, datetime):
        value = value.astimezone(zone).date()
    return day_in_words(value, "long", region(locale))


@lru_cache(KEPT)
def day_in_words(day: date, pattern: str, place: str) -> str:
    """A day by a pattern of CLDR, such as "MMM y", with the words of a locale."""
    return format_date(day, pattern, locale=place)


def date_and_time(value: datetime, locale: str, zone: ZoneInfo) -> str:
    """ "dinsdag 1 december 2026 om 09:00", in `zone`; it reads well inside a sentence."""
    day, time = _day_and_time(value, locale, zone)
    return translate(locale, "%(day)s om %(time)s", day=day, time=time)


def date_and_hours(start: datetime, end: datetime, locale: str, zone: ZoneInfo) -> str:
    """ "dinsdag 1 december 2026 van 09:00 tot 10:30": both on one day of `zone`."""
    day, since = _day_and_time(start, locale, zone)
    _same_day, until = _day_and_time(end, locale, zone)
    return translate(locale, "%(day)s van %(start)s tot %(end)s", day=day, start=since, end=until)


def _day_and_time(value: datetime, locale: str, zone: ZoneInfo) -> tuple[str, str]:
    local, place = value.astimezone(zone), region(locale)
    day = day_in_words(local.date(), WEEKDAY.get(locale, "full"), place)
    return day, format_time(local.time(), "HH:mm", locale=place)


def number(value: float, locale: str) -> str:
    """12.345 in Dutch, 12,345 in English."""
    return format_decimal(value, locale=region(locale))


def days(value: int, locale: str) -> str:
    """ "30 dagen"; whole years as years: days(1095, "nl") is "3 jaar"."""
    unit: Literal["year", "day"] = "day" if value % 365 else "year"
    # Beyond any threshold: else Babel makes months of 30 days.
    return format_timedelta(timedelta(days=value), unit, threshold=1e9, locale=region(locale))
