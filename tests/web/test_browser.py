"""The site in a real browser: readable for everyone, whole on a small phone, usable by keyboard."""

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize
from sqlalchemy import select
from werkzeug.serving import make_server

import config
from newsletter.app import create_app
from newsletter.db import connect
from newsletter.i18n import LOCALES
from newsletter.models import SignupRequest, SubscriberState
from newsletter.settings import load
from newsletter.tokens import Purpose
from tests.web.conftest import PUBLISHED, World

SCREENS = config.PROJECT_DIR / "build" / "screens"
PHONE, DESK = ViewportSize(width=320, height=568), ViewportSize(width=1280, height=900)
STYLE = "element => getComputedStyle(element)"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(published_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The site on a free port of this machine."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(published_file, folder / "newsletter.db")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = load(environ={}, env_file=folder / "no.env", INSTANCE_DIR=str(folder))
    settings = replace(settings, base_url=f"http://127.0.0.1:{port}")
    database = connect(settings.database_url)
    app = create_app(settings, database)
    server = make_server("127.0.0.1", port, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield World(app, settings, database)
    server.shutdown()
    thread.join()
    server.server_close()
    database.engine.dispose()


@pytest.fixture
def page(browser: Browser, site: World) -> Iterator[Page]:
    """A page that fails the test when it asks for anything elsewhere or breaks its own policy."""
    context = browser.new_context(
        base_url=site.settings.base_url, viewport=PHONE, reduced_motion="reduce"
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: _stays(request.url, site, faults))
    yield page
    context.close()
    expected = ("status of 404", "status of 422", "status of 405")
    assert not [fault for fault in faults if not any(code in fault for code in expected)]


def _unlocked(route: Route) -> None:
    """The mail as a page without its sandbox, in which axe could not run."""
    answer = route.fetch()
    headers = {k: v for k, v in answer.headers.items() if k != "content-security-policy"}
    route.fulfill(response=answer, headers=headers)


def _stays(url: str, site: World, faults: list[str]) -> None:
    if not url.startswith(site.settings.base_url):
        faults.append(f"asked for {url}")


def paths(site: World, locale: str) -> dict[str, str]:
    """Every public page by name."""
    pending = site.add(f"wacht-{locale}", SubscriberState.PENDING, locale)
    active = site.add(f"lezer-{locale}", SubscriberState.ACTIVE, locale)
    gone = site.add(f"weg-{locale}", SubscriberState.LEFT, locale)
    confirm, leave = Purpose.CONFIRM, Purpose.UNSUBSCRIBE
    return {
        "home": f"/{locale}/",
        "signup": f"/{locale}/signup",
        "check-your-mail": f"/{locale}/check-your-mail",
        "confirm": f"/{locale}/confirm/{site.token(confirm, pending)}",
        "already": f"/{locale}/confirm/{site.token(confirm, active)}",
        "unknown": f"/{locale}/confirm/onbekend",
        "unsubscribe": f"/u/{site.token(leave, active)}?locale={locale}",
        "unsubscribed": f"/u/{site.token(leave, gone)}?locale={locale}",
        "preferences": f"/{locale}/preferences/{site.token(Purpose.PREFERENCES, active)}?saved=1",
        "issues": f"/{locale}/issues/",
        "issue": f"/{locale}/issues/1",
        "mail": f"/{locale}/issues/1/mail",
        "item": f"/{locale}/items/{PUBLISHED[0]}",
        "event": f"/{locale}/items/{PUBLISHED[2]}",
        "about": f"/{locale}/about/in-het-kort",
        "privacy": f"/{locale}/about/privacy",
        "accessibility": f"/{locale}/about/toegankelijkheid",
        "not-found": f"/{locale}/bestaat-niet",
    }


@pytest.mark.slow
@pytest.mark.parametrize("locale", LOCALES)
def test_every_page_passes_axe_and_fits(site: World, page: Page, locale: str) -> None:
    axe, faults = Axe(), []
    page.route("**/mail", _unlocked)
    for name, path in paths(site, locale).items():
        page.goto(path)
        for size in (PHONE, DESK):
            page.set_viewport_size(size)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                where = f"{name} {locale} {size['width']} {scheme}"
                for fault in axe.run(page).response["violations"]:
                    targets = [node["target"] for node in fault["nodes"]]
                    faults.append(f"{where}: {fault['id']} {targets}")
                if page.evaluate("document.documentElement.scrollWidth") > size["width"]:
                    faults.append(f"{where}: wider than the screen")
                if locale == "nl":
                    page.screenshot(path=SCREENS / f"{name}-{size['width']}-{scheme}.png")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_form_stands_on_the_first_screen_of_a_small_phone(page: Page, locale: str) -> None:
    page.goto(f"/{locale}/")
    for part in ("h1", "#email", ".signup button"):
        box = page.locator(part).first.bounding_box()
        assert box
        assert box["y"] + box["height"] <= PHONE["height"]


def test_targets_are_large_enough(page: Page) -> None:
    page.goto("/nl/")
    page.locator("summary").click()
    targets = "nav a, .name a, .issue-title a, .more a, .signup button, #email, summary, .choice"
    for target in page.locator(targets).all():
        box = target.bounding_box()
        assert box
        assert box["height"] >= 44, target.inner_text()


def test_a_table_is_whole_on_a_small_phone(page: Page) -> None:
    page.goto("/de/about/privacy")
    region = page.locator(".scroll").first
    assert region.evaluate("region => region.scrollWidth <= region.clientWidth")
    label = "cell => getComputedStyle(cell, '::before').content"
    assert "Rechtsgrundlage" in page.locator("td").nth(1).evaluate(label)
    tree = region.aria_snapshot()
    assert 'columnheader "Daten"' in tree
    assert "- cell" in tree
    page.set_viewport_size(DESK)
    assert page.locator("td").nth(1).evaluate(label) == "none"


def test_a_note_keeps_its_distance(page: Page) -> None:
    page.goto(f"/de/items/{PUBLISHED[2]}")
    page.set_viewport_size(DESK)
    line = page.locator(".item-head .labels").bounding_box()
    note = page.locator(".item-head .summary").bounding_box()
    assert line
    assert note
    assert note["y"] - line["y"] - line["height"] >= 16


def test_long_words_are_divided_in_their_own_language(page: Page) -> None:
    page.goto(f"/de/items/{PUBLISHED[2]}")
    for part in ("h1", ".standfirst", ".body p"):
        assert page.locator(part).first.evaluate(f"{STYLE}.hyphens") == "auto"
    assert page.locator(".body").get_attribute("lang") == "nl"


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def press_to(page: Page, selector: str) -> None:
    """Tab on until this has the focus; each stop on the way can be seen."""
    for _ in range(30):
        page.keyboard.press("Tab")
        assert focused(page).evaluate(f"{STYLE}.outlineStyle") == "solid"
        assert focused(page).evaluate(f"{STYLE}.outlineWidth") == "3px"
        if focused(page).evaluate("(element, wanted) => element.matches(wanted)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_signing_up_by_keyboard(site: World, page: Page) -> None:
    page.goto("/en/")
    page.keyboard.press("Tab")
    assert focused(page).get_attribute("href") == "#inhoud"
    page.keyboard.press("Enter")
    press_to(page, "#email")
    page.keyboard.type("geen adres")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/signup")
    assert focused(page).get_attribute("id") == "email"
    assert page.locator("#email").input_value() == "geen adres"
    page.locator("#email").fill("toetsenbord@voorbeeld.example")
    press_to(page, "summary")
    page.keyboard.press("Enter")
    press_to(page, "[value=milieu]")
    page.keyboard.press("Space")
    press_to(page, "details button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/check-your-mail")
    with site.database.read() as session:
        asked = session.scalars(select(SignupRequest)).one()
    assert (asked.email, asked.topics) == ("toetsenbord@voorbeeld.example", "milieu")


def test_printing_an_item_leaves_out_what_paper_cannot_do(page: Page) -> None:
    page.goto(f"/nl/items/{PUBLISHED[0]}")
    page.emulate_media(media="print")
    for part in (".languages", ".sections", ".invite", ".skip"):
        assert not page.locator(part).is_visible()
    assert page.locator(".body").is_visible()
