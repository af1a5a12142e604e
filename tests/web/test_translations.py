"""French, English and German are complete: nothing missing, nothing left over, nothing mixed up."""

import ast
import io
import re
from importlib.resources import files

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import config
from newsletter import i18n
from tests.web.catalogue import plurals, texts

TRANSLATED = [locale for locale in i18n.LOCALES if locale != i18n.DEFAULT]
PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]|%%?")


def catalogue(locale: str) -> Catalog:
    source = files("newsletter").joinpath("translations", f"{locale}.po").read_bytes()
    return read_po(io.BytesIO(source), locale=locale, abort_invalid=True)


def pairs(locale: str) -> dict[str, str]:
    """Every text with its translation; each form of a plural counts."""
    found = {}
    for message in catalogue(locale):
        if isinstance(message.id, str):
            found[message.id] = str(message.string)
        else:
            found |= dict(zip(message.id, message.string or (), strict=True))
    return {text: translation for text, translation in found.items() if text}


def test_all_texts_are_found() -> None:
    found = dict(texts())
    assert found["Schrijf me in met deze keuze"].startswith("templates/public/_form.html")
    assert "Dit e-mailadres is te lang." in found  # marked with _()
    assert "Naar de voorpagina" in found  # translated where it stands
    assert "zet ze daar." in found  # said to whoever it is
    assert plurals()


def test_no_text_is_made_while_the_program_runs() -> None:
    """What is said begins with a text that stands in the code, so that it is found for all."""
    for path in (config.PROJECT_DIR / "newsletter").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("Said", "_"):
                assert not isinstance(call.args[0], ast.JoinedStr | ast.BinOp), (path, call.lineno)


@pytest.mark.parametrize("locale", TRANSLATED)
def test_every_text_is_translated(locale: str) -> None:
    translated = pairs(locale)
    missing = {text: place for text, place in texts() if not translated.get(text, "").strip()}
    assert not missing


@pytest.mark.parametrize("locale", TRANSLATED)
def test_no_translation_is_left_over(locale: str) -> None:
    used = {text for text, _place in texts()}
    assert not set(pairs(locale)) - used
    assert not catalogue(locale).obsolete
    assert not [message.id for message in catalogue(locale) if message.fuzzy and message.id]


@pytest.mark.parametrize("locale", TRANSLATED)
def test_placeholders_are_the_same(locale: str) -> None:
    wrong = {
        text: translation
        for text, translation in pairs(locale).items()
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(translation))
    }
    assert not wrong


def test_french_stops_have_a_space_that_does_not_break() -> None:
    wrong = re.compile(r"(?<=\S) [:;?!»]|« |\w[:;?!»](\s|$)")
    assert not [text for text in pairs("fr").values() if wrong.search(text)]


@pytest.mark.parametrize("locale", TRANSLATED)
def test_no_translation_is_the_dutch_text(locale: str) -> None:
    """Short words are the same in several languages; a sentence never is."""
    same = [text for text, translation in pairs(locale).items() if text == translation]
    assert not [text for text in same if len(text.split()) > 3]
