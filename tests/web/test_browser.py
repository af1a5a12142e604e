"""The site in a real browser: whole on a small phone, usable by keyboard, and without JavaScript.

`test_accessibility` looks at every page with axe.
"""

import threading
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Locator, Page
from sqlalchemy import select

from newsletter.i18n import LOCALES
from newsletter.jobs import tasks
from newsletter.models import FormRequest, Subscriber, SubscriberState
from newsletter.tokens import Purpose
from tests.web.conftest import PUBLISHED, World
from tests.web.served import DESK, PHONE

STYLE = "element => getComputedStyle(element)"
# Is it what we look for; can it be seen (the browser's own calendar button has its own ring)?
FOCUS = """wanted => {
  const at = document.activeElement, style = getComputedStyle(at);
  const calendar = at.type === "date" && !at.matches(":focus");
  const ring = style.outlineStyle === "solid" && style.outlineWidth === "3px";
  return [at.matches(wanted), ring || calendar, at.outerHTML.slice(0, 100)];
}"""

pytestmark = pytest.mark.browser


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
    for _ in range(45):
        page.keyboard.press("Tab")
        reached, seen, stop = page.evaluate(FOCUS, selector)
        assert seen, stop
        if reached:
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def press(page: Page, selector: str, key: str = "Enter") -> None:
    press_to(page, selector)
    page.keyboard.press(key)


def reader_of(site: World, email: str) -> Subscriber:
    """Who a sign-up became, once the clock has looked at it."""
    tasks.settle_signups(site.database, site.settings, threading.Event())
    with site.database.read() as session:
        return session.scalars(select(Subscriber).where(Subscriber.email == email)).one()


def state_of(site: World, email: str) -> SubscriberState:
    with site.database.read() as session:
        return session.scalars(select(Subscriber).where(Subscriber.email == email)).one().state


def test_the_whole_road_by_keyboard(site: World, page: Page) -> None:
    """Sign up with a mistake, mend it, confirm, choose, leave: by keys alone, and always one sees
    where one is (WCAG 2.1.1, 2.4.7, 3.3.1)."""
    email = "toetsenbord@voorbeeld.example"
    page.goto("/en/")
    page.keyboard.press("Tab")
    assert focused(page).get_attribute("href") == "#inhoud"
    page.keyboard.press("Enter")
    press_to(page, "#email")
    page.keyboard.type("geen adres")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/signup")
    assert focused(page).get_attribute("id") == "email"
    assert focused(page).get_attribute("aria-describedby") == "email-problem"
    assert page.locator("#email").input_value() == "geen adres"
    assert page.locator(".summary a").get_attribute("href") == "#email"
    page.keyboard.press("Control+a")
    page.keyboard.type(email)
    press(page, "summary")
    press(page, "[value=milieu]", "Space")
    press(page, "details button")
    page.wait_for_url("**/en/check-your-mail")
    with site.database.read() as session:
        query = select(FormRequest).where(FormRequest.email == email)
        assert session.scalars(query).one().topics == "milieu"
    reader = reader_of(site, email)
    page.goto(f"/en/confirm/{site.token(Purpose.CONFIRM, reader)}")
    press(page, "main button")
    page.get_by_role("heading", name="Welcome").wait_for()
    assert state_of(site, email) is SubscriberState.ACTIVE
    press(page, "main a[href*=preferences]")
    page.wait_for_url("**/en/preferences/*")
    press(page, "[value=en]", "ArrowUp")  # within a group arrows choose
    press(page, "#choices button")
    page.wait_for_url("**/fr/preferences/*saved=1")
    press(page, "main a[href*='/u/']")
    page.wait_for_url("**/u/*")
    press(page, "main button")
    page.locator("[value=too_much]").wait_for()  # why, if one cares to say
    assert state_of(site, email) is SubscriberState.LEFT


def test_the_whole_road_without_javascript(site: World, plain_page: Page) -> None:
    page, email = plain_page, "zonder@voorbeeld.example"
    page.goto("/nl/signup")
    page.locator("#email").fill("geen adres")
    page.locator(".signup button").first.click()
    assert focused(page).get_attribute("id") == "email"
    page.locator(".summary a").click()
    assert page.url.endswith("#email")
    page.locator("#email").fill(email)
    page.locator(".signup button").first.click()
    page.wait_for_url("**/nl/check-your-mail")
    reader = reader_of(site, email)
    page.goto(f"/nl/confirm/{site.token(Purpose.CONFIRM, reader)}")
    page.locator("main button").click()
    assert state_of(site, email) is SubscriberState.ACTIVE
    page.locator("main a[href*=preferences]").click()
    page.locator("[value=milieu]").check()
    page.locator("#choices button").click()
    page.wait_for_url("**/nl/preferences/*saved=1")
    assert page.locator("[value=milieu]").is_checked()
    tomorrow = datetime.now(UTC).date().replace(day=1)
    page.locator("#until").fill(f"{tomorrow:%Y-%m-%d}")
    page.locator(".pause button").last.click()
    assert page.locator(".summary a").get_attribute("href") == "#until"
    page.locator("main a[href*='/u/']").click()
    page.locator("main button").click()
    assert state_of(site, email) is SubscriberState.LEFT
    page.locator("[value=too_much]").check()
    page.locator("main form button").click()
    assert page.locator(".summary.done").is_visible()


def test_printing_an_item_leaves_out_what_paper_cannot_do(page: Page) -> None:
    page.goto(f"/nl/items/{PUBLISHED[0]}")
    page.emulate_media(media="print")
    for part in (".languages", ".sections", ".invite", ".skip"):
        assert not page.locator(part).is_visible()
    assert page.locator(".body").is_visible()
