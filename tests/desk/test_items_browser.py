"""Two editors on one text, each in a real browser; `test_morning` goes the whole way of an item."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

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
