"""The whole road in a real browser: sign up, confirm, read the issue, leave."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page

import config
from newsletter.models import SubscriberState
from tests.cli.serving import Serving
from tests.faults.programs import Birth, Program, wait_for

Command = Callable[..., str]  # the words of a command

READER = "bezoeker@voorbeeld.example"
ITEM = """---
title: Een nieuwe bron in het dorp
date: 2026-11-20
status: ready
topics: [milieu]
summary: Een korte zin die nergens anders in deze nieuwsbrief staat.
municipality: Evergem
partner: Guaranda
country: EC
---
Het verhaal van de bron, in één alinea.
"""

pytestmark = pytest.mark.browser


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the shelf, so that the test can write on it."""
    return Path(shutil.copytree(config.PROJECT_DIR / "content", tmp_path / "content"))


@pytest.fixture
def serving(birth: Birth, tmp_path: Path, content: Path) -> Iterator[Serving]:
    serving = Serving(birth, tmp_path / "instance", CONTENT_DIR=str(content))
    try:
        yield serving.until_running()
    finally:
        serving.process.end()


@pytest.fixture
def page(browser: Browser, serving: Serving) -> Iterator[Page]:
    context = browser.new_context(base_url=serving.url, locale="nl-BE")
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def accessible(page: Page) -> None:
    """For the letters; `tests/web/test_accessibility.py` looks at all pages of the site."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.fixture
def command(birth: Birth, serving: Serving, content: Path, tmp_path: Path) -> Command:
    """What `newsletter WORDS` prints."""
    environ = {"INSTANCE_DIR": str(serving.folder), "CONTENT_DIR": str(content)}
    environ["BASE_URL"] = serving.url

    def run(*words: str) -> str:
        done = Program(birth, "newsletter.cli", list(words), environ, tmp_path / "command").wait()
        assert done.code == 0, done.err
        return done.out.strip()

    return run


def open_letter(page: Page, serving: Serving, subject: str) -> FrameLocator:
    """Wait for a mail to the reader, and open it on the inbox page."""

    def arrived() -> bool:
        page.goto(f"/inbox/?to={READER}")
        return page.get_by_role("link", name=subject).count() > 0

    wait_for(arrived, f"a mail to {READER} with the subject {subject!r}")
    accessible(page)
    page.get_by_role("link", name=subject).first.click()
    return page.frame_locator("iframe.letter")


def follow(page: Page, letter: FrameLocator, link: str) -> Page:
    """Open a link of the letter in a page of its own, as a mail program does."""
    found = letter.get_by_role("link", name=link).first
    assert found.get_attribute("target", timeout=5000) in (None, "_blank")
    opened = page.context.new_page()
    opened.goto(found.get_attribute("href") or "")
    return opened


def state(serving: Serving) -> str:
    """The reader's state, read from outside."""
    database = f"file:{serving.folder / 'newsletter.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(database, uri=True)) as reader:
        found = reader.execute("SELECT state FROM subscribers WHERE email = ?", [READER])
        return str(found.fetchone()[0])


def test_sign_up_confirm_read_and_leave(
    page: Page, serving: Serving, content: Path, command: Command
) -> None:
    page.goto("/")
    page.get_by_label("Je e-mailadres").fill(READER)
    page.get_by_role("button", name="Schrijf me in").click()
    page.wait_for_url("**/check-your-mail")

    letter = open_letter(page, serving, "Bevestig")
    confirm = follow(page, letter, "Ja, schrijf mij in")
    assert state(serving) == SubscriberState.PENDING, "looking at the page confirms nothing"
    confirm.get_by_role("main").get_by_role("button").click()
    confirm.wait_for_load_state()
    assert state(serving) == SubscriberState.ACTIVE

    (content / "items/2026/11/nieuwe-bron.nl.md").write_text(ITEM, "utf-8")
    number = command("issues", "compile", "--items", "nieuwe-bron")
    command("issues", "send", number)
    letter = open_letter(page, serving, "Een nieuwe bron in het dorp")
    assert letter.get_by_role("heading", name="Een nieuwe bron in het dorp").count() == 1
    accessible(page)
    on_the_web = follow(page, letter, "browser")
    assert on_the_web.url.startswith(f"{serving.url}/nl/issues/{number}")
    item = follow(page, letter, "Een nieuwe bron in het dorp")
    assert item.url == f"{serving.url}/nl/items/nieuwe-bron"

    leaving = follow(page, letter, "Schrijf je uit")
    assert state(serving) == SubscriberState.ACTIVE, "looking at the page changes nothing"
    leaving.get_by_role("main").get_by_role("button").click()
    leaving.wait_for_load_state()
    assert state(serving) == SubscriberState.LEFT
