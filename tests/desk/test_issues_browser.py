"""The order of an issue in a real browser; `test_morning` goes the whole way of an issue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.models import Role
from tests.desk.conftest import Desk
from tests.issues.conftest import Shelf
from tests.web.conftest import published_file  # noqa: F401 (a fixture)
from tests.web.served import serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def newsroom(migrated_file: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own, with a shelf of three items."""
    shelf = Shelf(tmp_path / "content")
    for slug in ("bron", "school", "bad"):
        shelf.put(slug)
    folder = tmp_path / "desk"
    folder.mkdir()
    for parts in serve(folder, migrated_file, "localhost", shelf.folder):
        yield Desk(*parts)


@pytest.fixture
def page(browser: Browser, newsroom: Desk) -> Iterator[Page]:
    context = newsroom.context(browser, Role.PUBLISHER)
    faults: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text))
    yield page
    context.close()
    assert not faults


def make_an_issue(page: Page) -> None:
    page.goto("/desk/issues/next/monthly")
    page.get_by_role("button", name="Maak dit nummer nu").click()
    page.get_by_role("link", name="Zet in volgorde").click()


def titles(page: Page) -> list[str]:
    return [line.split("(")[0].split()[-1] for line in page.locator("#order p").all_inner_texts()]


def test_an_order_is_changed_with_the_mouse(newsroom: Desk, page: Page) -> None:
    make_an_issue(page)
    first, second, third = titles(page)
    page.locator(f"#item-{third}").drag_to(
        page.locator(f"#item-{first}"), target_position={"x": 10, "y": 4}
    )
    expect(page.locator("#order > li").first).to_have_id(f"item-{third}")
    page.reload()
    assert titles(page) == [third, first, second]


def test_an_order_is_changed_without_javascript(browser: Browser, newsroom: Desk) -> None:
    context = newsroom.context(browser, Role.EDITOR, java_script_enabled=False)
    page = context.new_page()
    make_an_issue(page)
    first, second, third = titles(page)
    page.get_by_role("button", name="Maak opener").last.click()
    assert titles(page) == [third, first, second]
    assert page.url.endswith(f"#item-{third}")
    context.close()
