"""WCAG 2.2 AA on every page of the site: in each language, light and dark, small and large."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, TypeAlias

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from flask import Flask
from playwright.sync_api import Page, Route, ViewportSize

import config
from newsletter.app import create_app
from newsletter.db import Database
from newsletter.i18n import LOCALES
from newsletter.settings import Settings
from tests.desk.visits import LOOKS, NO_LOOKS
from tests.web.conftest import World
from tests.web.served import DESK, PHONE
from tests.web.visits import NO_PAGES, VISITS, Visit, go, visits

UNPROCESSABLE = 422
SCREENS = config.PROJECT_DIR / "build" / "screens"
RUN = "options => axe.run(options).then(found => found.violations)"
# What a page that was looked at in full may still do wrong in other colours or another size.
DIFFERING = {
    "runOnly": [
        "color-contrast",
        "link-in-text-block",
        "target-size",
        "scrollable-region-focusable",
        "aria-hidden-focus",
    ]
}
Mode: TypeAlias = tuple[ViewportSize, Literal["light", "dark"], dict[str, list[str]]]
MODES: Sequence[Mode] = ((PHONE, "light", {}), (DESK, "dark", DIFFERING))
OTHER_MODES: Sequence[Mode] = ((PHONE, "dark", DIFFERING), (DESK, "light", {}))
HALF = ViewportSize(width=DESK["width"] // 2, height=DESK["height"] // 2)
TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"
# Text that is there and cannot be read: cut off by the box it stands in.
CUT_OFF = """() => [...document.querySelectorAll("main *, header *, footer *")].filter(box => {
  const style = getComputedStyle(box);
  const cuts = [style.overflowX, style.overflowY].some(how => how === "hidden" || how === "clip");
  const unseen = style.position === "absolute" && box.clientWidth <= 1;
  return cuts && !unseen && box.innerText?.trim()
    && (box.scrollHeight > box.clientHeight + 2 || box.scrollWidth > box.clientWidth + 2);
}).map(box => box.outerHTML.slice(0, 80))"""

# A refused form says so above, with a link to each field that is wrong, which is explained too.
TIED = """() => {
  const links = [...document.querySelectorAll("[role=alert] a[href^='#']")];
  const fields = links.map(link => document.querySelector(link.hash));
  const wrong = [...document.querySelectorAll("[aria-invalid=true]")];
  const explained = field => document.getElementById(
    field.getAttribute("aria-describedby").split(" ")[0])?.innerText;
  return document.querySelector("[role=alert]") !== null && !fields.includes(null)
    && wrong.every(field => fields.includes(field) && explained(field));
}"""


def unlocked(route: Route) -> None:
    """The mail as a page without its sandbox, in which axe could not run."""
    answer = route.fetch()
    headers = {k: v for k, v in answer.headers.items() if k != "content-security-policy"}
    route.fulfill(response=answer, headers=headers)


def violations(page: Page, options: dict[str, list[str]]) -> Iterator[str]:
    for fault in page.evaluate(RUN, options):
        targets = [node["target"] for node in fault["nodes"]]
        yield f"{fault['id']} {targets}"


def looked_at(page: Page, visit: Visit, every_mode: bool) -> Iterator[str]:
    """What is wrong with one page, with the mode in which it is.

    In full on a phone by day, then what may differ on a desk by night; with `every_mode` also on a
    phone by night and on a desk by day.
    """
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    go(page, visit)
    if visit.status == UNPROCESSABLE and not page.evaluate(TIED):
        yield f"{visit.name}: the summary of errors is not tied to the fields (WCAG 3.3.1)"
    page.evaluate(AXE_SCRIPT)
    yield from in_modes(page, visit.name, [*MODES, *(OTHER_MODES if every_mode else ())])
    yield from enlarged(page, visit)


def in_modes(page: Page, name: str, modes: Sequence[Mode]) -> Iterator[str]:
    """What is wrong with the page that is open, in each size and colours; `name` is for people."""
    for size, scheme, options in modes:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        where = f"{name} {size['width']} {scheme}"
        yield from (f"{where}: {fault}" for fault in violations(page, options))
        if page.evaluate(TOO_WIDE):
            yield f"{where}: wider than the screen (WCAG 1.4.10)"
        if "SCREENS" in os.environ:
            page.screenshot(path=SCREENS / f"{name}-{size['width']}-{scheme}.png")


def enlarged(page: Page, visit: Visit) -> Iterator[str]:
    """Twice as large, by zooming the page and by zooming the text (WCAG 1.4.4)."""
    page.set_viewport_size(HALF)
    if page.evaluate(TOO_WIDE):
        yield f"{visit.name}: wider than the screen at 200 %"
    page.set_viewport_size(DESK)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    if page.evaluate(TOO_WIDE):
        yield f"{visit.name}: wider than the screen with text of 200 %"
    yield from (
        f"{visit.name}: cut off with text of 200 %: {box}" for box in page.evaluate(CUT_OFF)
    )


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("locale", LOCALES)
def test_prv_17_every_page_passes_axe_fits_and_can_be_enlarged(
    site: World, page: Page, locale: str
) -> None:
    """Every page in Dutch, in two modes, and one in six in each other language; with EVERY_PAGE
    (`make axe`) all in each, and the Dutch ones in four."""
    page.route(re.compile("/mail(/|$)|/proof/"), unlocked)
    everything = "EVERY_PAGE" in os.environ
    every_page = locale == "nl" or everything
    first, step = (0, 1) if every_page else (2 * LOCALES.index(locale) - 2, 6)
    faults = [
        fault
        for visit in islice(visits(site, locale), first, None, step)
        for fault in looked_at(page, visit, every_mode=everything and locale == "nl")
    ]
    assert not faults, "\n".join(faults)


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    return create_app(settings, database)


@pytest.mark.sqlite("routes do not depend on the database")
def test_no_page_is_forgotten(app: Flask) -> None:
    shown = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    known = set(VISITS) | set(NO_PAGES) | set(LOOKS) | set(NO_LOOKS)
    assert shown - known == set(), "tests/web/visits.py has to know what is to be seen there"
    assert known - shown == set(), "there is no such route any more"


@pytest.mark.sqlite("routes do not depend on the database")
def test_sec_14_whatever_changes_something_takes_post_only(app: Flask) -> None:
    """Reading is for GET, changing for POST, nothing for the rest; where one address does both,
    its functions differ."""
    both = set()
    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        assert methods <= {"GET", "POST"}, rule
        if methods == {"GET", "POST"}:
            both.add(rule.endpoint)
    theirs = {one for one in both if one.startswith("security.")}  # Flask-Security's own pages
    assert both - theirs <= {"public.start"}, "it fills in a form, and changes nothing"
