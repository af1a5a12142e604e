"""An issue in a real browser: put in order, approved, sent, and watched as it goes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.delivery import ledger
from newsletter.issues import publishing
from newsletter.jobs import tasks
from newsletter.models import Role
from tests.desk.conftest import Desk
from tests.desk.test_issues import add_reader
from tests.issues.conftest import Shelf
from tests.relay import running
from tests.web.conftest import published_file  # noqa: F401 (a fixture)
from tests.web.served import serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def newsroom(migrated_file: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own, with a shelf of three items and two readers."""
    shelf = Shelf(tmp_path / "content")
    for slug in ("bron", "school", "bad"):
        shelf.put(slug)
    folder = tmp_path / "desk"
    folder.mkdir()
    for parts in serve(folder, migrated_file, "localhost", shelf.folder):
        desk = Desk(*parts)
        with desk.database.write() as session:
            for name in ("an", "bo"):
                add_reader(session, name)
        yield desk


@pytest.fixture
def page(browser: Browser, newsroom: Desk) -> Iterator[Page]:
    context = newsroom.context(browser, Role.PUBLISHER)
    faults: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text))
    yield page
    context.close()
    assert not faults


def titles(page: Page) -> list[str]:
    return [line.split("(")[0].split()[-1] for line in page.locator("#order p").all_inner_texts()]


def test_an_issue_is_made_put_in_order_approved_sent_and_watched(
    newsroom: Desk, page: Page
) -> None:
    page.goto("/desk/issues")
    page.get_by_role("link", name="Het volgende nummer, elke maand").click()
    page.get_by_role("button", name="Maak dit nummer nu").click()
    page.get_by_role("link", name="Zet in volgorde").click()
    _put_in_order(page)
    page.get_by_role("link", name="Nummer 1", exact=True).click()
    page.get_by_role("button", name="Keur dit nummer goed").click()
    expect(page.get_by_text("Pol Uitgever, ")).to_have_count(2)  # at the top, and among the yeses
    page.get_by_role("link", name="Verstuur nu …").click()
    expect(page.get_by_text("hoogstens 2 lezers")).to_be_visible()
    page.get_by_role("button", name="Ja, verstuur nu").click()
    expect(page.locator("#state")).to_have_text("wordt verstuurd")
    expect(page.locator("[data-part=waiting]")).to_have_text("2")
    with running() as relay:
        settings = replace(newsroom.settings, mail_server="127.0.0.1", mail_port=relay.port)
        tasks.deliver(newsroom.database, settings)
    # Nobody reloads: the page finds out by itself, and comes with other buttons.
    expect(page.locator("#state")).to_have_text("verstuurd", timeout=20_000)
    expect(page.locator("[data-part=accepted]")).to_have_text("2")
    expect(page.get_by_role("link", name="Leg stil …")).to_have_count(0)
    with newsroom.database.read() as session:
        assert ledger.counts(session, 1)["accepted"] == 2
        assert not publishing.is_sending(session)


def _put_in_order(page: Page) -> None:
    """With the keyboard, then with the mouse."""
    first, second, third = titles(page)
    button = page.get_by_role("button", name="Naar onder").first
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("De volgorde is bewaard.")).to_be_visible()
    assert titles(page) == [second, first, third]
    page.locator(f"#item-{third}").drag_to(
        page.locator(f"#item-{second}"), target_position={"x": 10, "y": 4}
    )
    expect(page.locator("#order > li").first).to_have_id(f"item-{third}")
    page.reload()
    assert titles(page) == [third, second, first]


def test_an_order_is_changed_without_javascript(browser: Browser, newsroom: Desk) -> None:
    context = newsroom.context(browser, Role.EDITOR, java_script_enabled=False)
    page = context.new_page()
    page.goto("/desk/issues/next/monthly")
    page.get_by_role("button", name="Maak dit nummer nu").click()
    page.get_by_role("link", name="Zet in volgorde").click()
    first, second, third = titles(page)
    page.get_by_role("button", name="Maak opener").last.click()
    assert titles(page) == [third, first, second]
    assert page.url.endswith(f"#item-{third}")
    context.close()
