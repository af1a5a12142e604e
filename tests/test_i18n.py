"""How dates and languages are called inside a sentence, for each locale."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from newsletter.i18n import LOCALES, date_and_hours, date_and_time, days, own_name

ZONE = ZoneInfo("Europe/Brussels")
MOMENT = datetime(2026, 11, 23, 6, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("nl", "maandag 23 november 2026 om 07:55"),
        ("fr", "lundi 23 novembre 2026 à 07:55"),
        ("en", "Monday 23 November 2026 at 07:55"),
        ("de", "Montag, 23. November 2026 um 07:55 Uhr"),
    ],
)
def test_a_moment_reads_well_in_a_sentence(locale: str, words: str) -> None:
    assert date_and_time(MOMENT, locale, ZONE) == words


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("nl", "maandag 23 november 2026 van 07:55 tot 09:25"),
        ("fr", "lundi 23 novembre 2026 de 07:55 à 09:25"),
        ("en", "Monday 23 November 2026 from 07:55 to 09:25"),
        ("de", "Montag, 23. November 2026 von 07:55 bis 09:25 Uhr"),
    ],
)
def test_hours_of_one_day(locale: str, words: str) -> None:
    end = MOMENT + timedelta(minutes=90)
    assert date_and_hours(MOMENT, end, locale, ZONE) == words


def test_languages_are_called_by_their_own_names() -> None:
    assert [own_name(locale) for locale in LOCALES] == [
        "Nederlands",
        "Français",
        "English",
        "Deutsch",
    ]


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("nl", ["1 dag", "30 dagen", "1 jaar", "3 jaar", "400 dagen"]),
        ("fr", ["1 jour", "30 jours", "1 an", "3 ans", "400 jours"]),
        ("en", ["1 day", "30 days", "1 year", "3 years", "400 days"]),
        ("de", ["1 Tag", "30 Tage", "1 Jahr", "3 Jahre", "400 Tage"]),
    ],
)
def test_periods_in_words(locale: str, words: list[str]) -> None:
    said = [days(count, locale) for count in (1, 30, 365, 1095, 400)]
    assert [one.replace("\xa0", " ") for one in said] == words
