"""How dates and languages are called inside a sentence, for each locale."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import LOCALES, Said, date_and_hours, date_and_time, days, either, own_name

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


def test_what_is_said_is_told_in_every_language_and_english_in_commands() -> None:
    fault = Said("staat niet in content/images; %(advice)s", advice=Said("zet ze daar."))
    one = Said("De foto “%(picture)s” %(fault)s", picture="a 100%.png", fault=fault)
    assert [one.in_(locale) for locale in LOCALES] == [
        "De foto “a 100%.png” staat niet in content/images; zet ze daar.",
        "La photo «\u00a0a 100%.png\u00a0» n’est pas dans content/images\u202f; mettez-la là.",
        "The picture 'a 100%.png' is not in content/images; put it there.",
        "Das Foto „a 100%.png“ ist nicht in content/images; legen Sie es dorthin.",
    ]
    assert str(one) == one.in_("en")
    assert one != Said(one.text, picture="b.png", fault=fault)
    assert {one, Said(one.text, **dict(one.values))} == {one}


def test_several_stand_in_the_order_of_what_is_printed() -> None:
    texts = ["zet ze daar.", "niet ingevuld", "een tekst"]
    assert [str(one) for one in sorted(map(Said, texts))] == ["a text", "missing", "put it there."]


def test_an_error_is_told_in_the_language_of_its_reader() -> None:
    assert FixRequest("Verwijder eerst de vertalingen.").in_("fr") != (
        "Verwijder eerst de vertalingen."
    )
    two = FixContent(Said("een getal"), Said("een tekst"))
    assert (str(two), two.in_("nl")) == ("a number\na text", "een getal\neen tekst")


@pytest.mark.parametrize(
    ("choices", "words"), [("a", "a"), ("ab", "a of b"), ("abc", "a of b of c")]
)
def test_words_to_choose_from(choices: str, words: str) -> None:
    found = either(*choices)
    assert (found.in_("nl") if isinstance(found, Said) else found) == words
