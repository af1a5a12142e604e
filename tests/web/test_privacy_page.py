"""The privacy statement: what article 13 asks, and the periods as the settings say."""

import pytest

from newsletter import i18n
from tests.web.conftest import Build, World

pytestmark = pytest.mark.sqlite("what a page shows does not depend on the database")

AUTHORITY = {
    "nl": "Gegevensbeschermingsautoriteit",
    "fr": "Autorité de protection des données",
    "en": "Data Protection Authority",
    "de": "Datenschutzbehörde",
}


@pytest.mark.parametrize("locale", i18n.LOCALES)
def test_prv_09_the_statement_stands_beside_the_form_in_every_language(
    world: World, locale: str
) -> None:
    page = world.client.get(f"/{locale}/signup").text
    assert f'href="/{locale}/about/privacy"' in page
    statement = world.client.get(f"/{locale}/about/privacy").text
    assert "VVSG" in statement
    assert AUTHORITY[locale] in statement
    assert "13" in statement  # the article it answers to


@pytest.mark.parametrize("locale", i18n.LOCALES)
def test_prv_09_the_periods_are_those_of_the_settings(build: Build, locale: str) -> None:
    world = build(confirm_days=11, left_days=730, origin_days=17, notice_days=99, reply_days=66)
    statement = world.client.get(f"/{locale}/about/privacy").text.replace("\xa0", " ")
    for count in (11, 730, 17, 99, 66):
        assert i18n.days(count, locale).replace("\xa0", " ") in statement
    assert "_days" not in statement
