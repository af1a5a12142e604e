"""The whole way of an item in a real browser: begun, illustrated, stopped, mended, translated."""

import re
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from newsletter.content.library import Library
from newsletter.models import Role
from tests.desk.conftest import Desk
from tests.web.conftest import published_file  # noqa: F401 (a fixture)
from tests.web.served import serve

PROJECT = Path(__file__).parents[2]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def served_desk(
    published_file: Any,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    """The desk over a copy of our shelf, since these tests write."""
    folder = tmp_path_factory.mktemp("desk")
    content = folder / "content"
    shutil.copytree(PROJECT / "content", content)
    for parts in serve(folder, published_file, "localhost", content):
        yield Desk(*parts)


def photo() -> bytes:
    file = BytesIO()
    Image.effect_noise((800, 500), 60).save(file, "JPEG")
    return file.getvalue()


def frame_of(page: Page, words: str) -> None:
    expect(page.frame_locator("#preview").get_by_text(words).first).to_be_visible()


@pytest.mark.browser
def test_an_item_from_its_title_to_its_translation(desk_page: Open, served_desk: Desk) -> None:
    shelf = served_desk.settings.content_dir
    page = desk_page(Role.EDITOR)
    page.goto("/desk/items")
    page.get_by_role("link", name="Nieuw artikel").click()
    page.get_by_label("Titel").fill("Regenwater in Sokone")
    page.get_by_role("button", name="Begin").click()

    page.get_by_label("Samenvatting").fill("In Sokone valt de regen nu in een vat.")
    body = page.get_by_label("Tekst", exact=False).and_(page.locator("textarea"))
    body.fill("Een vat vol. ")
    page.get_by_role("button", name="Vet").click()
    page.keyboard.type("water")
    expect(body).to_have_value("Een vat vol. **water**")
    expect(page.locator("#keeping")).to_contain_text("bijgehouden om")
    page.reload()
    expect(page.get_by_text("Je ziet je onbewaarde tekst van")).to_be_visible()

    page.get_by_role("button", name="Bewaar", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("“topics” ontbreekt")
    page.get_by_role("alert").get_by_role("link", name="Thema’s").click()
    page.get_by_label("Water, klimaat en afval").check()
    page.get_by_text("Laad een foto op").click()
    page.get_by_label("Foto op je toestel").set_input_files(
        {"name": "Vat.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    page.locator("#picture_alt").fill("Een blauw vat onder een goot")
    page.get_by_role("button", name="Laad de foto op").click()
    expect(page.locator("#image")).to_have_value("vat.jpg")
    page.get_by_role("button", name="Bewaar", exact=True).click()
    expect(page.get_by_text("De tekst is bewaard.")).to_be_visible()
    assert Library(shelf).check() == []

    frame_of(page, "In Sokone valt de regen nu in een vat.")
    page.get_by_label("Als", exact=True).select_option("page")
    page.get_by_label("Kleuren").select_option("dark")
    expect(page.frame_locator("#preview").locator(".masthead")).to_be_visible()
    assert (
        page.frame_locator("#preview")
        .locator("body")
        .evaluate("body => getComputedStyle(body).backgroundColor")
        == "rgb(18, 32, 31)"
    )

    page.get_by_role("link", name=re.compile("Français")).click()
    expect(page.get_by_role("heading", name="Regenwater in Sokone").last).to_be_visible()
    page.locator("#title").fill("De l’eau de pluie à Sokone")
    page.locator("#summary").fill("À Sokone, la pluie tombe dans un fût.")
    page.locator("#body").fill("Un fût plein.")
    page.locator("#image_alt").fill("Un fût bleu")
    page.get_by_role("button", name="Bewaar", exact=True).click()
    expect(page.get_by_text("De tekst is bewaard.")).to_be_visible()
    assert Library(shelf).check() == []
    page.goto("/desk/items?q=pluie")
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.browser
def test_two_browsers_on_one_text(desk_page: Open, served_desk: Desk) -> None:
    one, other = desk_page(Role.EDITOR), desk_page(Role.PUBLISHER)
    for page in (one, other):
        page.goto("/desk/items/moedertaaldag/nl")
    one.locator("#title").fill("Van de ene")
    one.get_by_role("button", name="Bewaar", exact=True).click()
    expect(one.get_by_text("De tekst is bewaard.")).to_be_visible()
    other.locator("#summary").fill("Van de ander.")
    other.get_by_role("button", name="Bewaar", exact=True).click()
    expect(other.get_by_role("heading", name="Iemand anders was je voor")).to_be_visible()
    expect(other.locator("mark", has_text="Van de ene")).to_be_visible()
    other.get_by_role("button", name="Bewaar deze tekst").click()
    expect(other.get_by_text("De tekst is bewaard.")).to_be_visible()
    (file,) = served_desk.settings.content_dir.rglob("moedertaaldag.nl.md")
    text = file.read_text("utf-8")
    assert "title: Van de ene\n" in text
    assert "summary: Van de ander.\n" in text


@pytest.mark.browser
@pytest.mark.parametrize("pressed", [True, False])
def test_what_was_typed_after_the_session_ended_comes_back(
    desk_page: Open, served_desk: Desk, pressed: bool
) -> None:
    page = desk_page(Role.EDITOR)
    page.goto("/desk/items/moedertaaldag/nl")
    kept: Any = page.context.cookies()
    page.context.clear_cookies()
    body = page.locator("#body")
    body.fill("Een hele ochtend geschreven.")
    if pressed:
        page.get_by_role("button", name="Bewaar", exact=True).click()
        expect(page.get_by_role("heading", name="Nog niet bewaard")).to_be_visible()
        expect(page.get_by_label("Tekst", exact=True)).to_have_value("Een hele ochtend geschreven.")
        expect(page.get_by_text("Dit tabblad houdt het ook bij")).to_be_visible()
    else:
        expect(page.locator("#keeping")).to_contain_text("Je bent afgemeld.")
    page.context.add_cookies(kept)  # signed in again
    page.goto("/desk/items/moedertaaldag/nl")
    expect(body).not_to_have_value("Een hele ochtend geschreven.")
    page.get_by_role("button", name="Zet ze terug in het formulier").click()
    expect(body).to_have_value("Een hele ochtend geschreven.")
    expect(page.locator("#keeping")).to_contain_text("bijgehouden om")
    page.reload()
    expect(page.get_by_text("Je ziet je onbewaarde tekst van")).to_be_visible()
    expect(page.locator("#held")).to_be_hidden()
    page.get_by_role("button", name="Gooi mijn onbewaarde tekst weg").click()
