"""The mail as it is seen in Chromium: at three widths, light, dark, without images or styles.

With SCREENS=1 pictures land in build/screens/ for a person to look at. UPDATE_PICTURES=1 writes
docs/images too: issue.png, the picture in README, and the top of each of the others.
"""

import os
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route

from newsletter.content import pattern
from newsletter.delivery.message import GAP
from newsletter.issues.preflight.colours import ENOUGH, contrast
from newsletter.issues.rendering import render_edition
from newsletter.settings import Settings
from tests.issues.samples import issue, picture_file, pictured_piece, real_pieces
from tests.screens import PICTURES, SCREENS, renews, write_small

PICTURE = "issue.png"
LIGHTEST_PICTURE = 400_000  # octets
TALLEST = 1400  # pixels of a picture in docs/images; build/screens has the whole
OWN_PICTURES = "https://nieuws.test/pictures/"
Scheme = Literal["light", "dark"]

pytestmark = pytest.mark.browser

# Colour and ground of every element with text of its own, as the browser computed them.
COMPUTED = """() => [...document.querySelectorAll('body *')]
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .map(e => {
    let ground = e;
    const see = n => getComputedStyle(n).backgroundColor;
    const clear = n => see(n) === 'rgba(0, 0, 0, 0)';
    while (ground.parentElement && clear(ground)) ground = ground.parentElement;
    return [getComputedStyle(e).color, see(ground), e.textContent.trim().slice(0, 40)];
  })"""
# What opens in the mail program's own window: no box may be wider than it.
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNDERSIZED = """() => [...document.querySelectorAll('.way a')]
  .filter(a => a.closest('td').getBoundingClientRect().height < 44).map(a => a.textContent)"""

# Between the words of a day and its title, in px.
GUTTERS = """() => [...document.querySelectorAll('td.day')].map(cell => {
  const words = document.createRange();
  words.selectNodeContents(cell);
  const title = document.createRange();
  title.selectNodeContents(cell.nextElementSibling);
  return title.getBoundingClientRect().left - words.getBoundingClientRect().right;
})"""


@pytest.fixture
def html(settings: Settings) -> str:
    edition = render_edition(settings, issue(), real_pieces(settings), "nl", older_link=True)
    return GAP.sub("x", edition.html)


def _answer(route: Route) -> None:
    """Own pictures are drawn here and now; nothing else is reached."""
    if found := re.fullmatch(r"https://nieuws\.test/patterns/([a-z0-9-]+)\.png", route.request.url):
        route.fulfill(body=pattern.png(found[1], 1200, 480), content_type="image/png")
    elif route.request.url.startswith(OWN_PICTURES):
        name = route.request.url.removeprefix(OWN_PICTURES)
        route.fulfill(body=picture_file(name), content_type="image/png")
    else:
        route.abort()


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """One page for all mails: a browser of its own for each takes longer than looking at it."""
    page = browser.new_page()
    yield page
    page.close()


def _open(
    page: Page, html: str, width: int, scheme: Scheme = "light", *, images: bool = True
) -> Page:
    page.set_viewport_size({"width": width, "height": 1100})
    page.emulate_media(color_scheme=scheme)
    page.unroute_all()
    page.route("**/*", _answer if images else lambda route: route.abort())
    page.set_content(html, wait_until="load")
    return page


def _save(page: Page, name: str) -> None:
    if not renews() and "SCREENS" not in os.environ:
        return
    SCREENS.mkdir(parents=True, exist_ok=True)
    shot = page.screenshot(path=SCREENS / f"{name}.png", full_page=True)
    if renews():
        write_small(shot, PICTURES / f"{name}.png", TALLEST)


def _rgb(css: str) -> str:
    red, green, blue = (int(float(part)) for part in re.findall(r"[\d.]+", css)[:3])
    return f"#{red:02X}{green:02X}{blue:02X}"


def _low_contrast(page: Page) -> list[str]:
    pairs = page.evaluate(COMPUTED)
    assert len(pairs) > 50
    return [text for ink, ground, text in pairs if contrast(_rgb(ink), _rgb(ground)) < ENOUGH]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 600, 1200])
def test_htm_14_15_it_fits_and_can_be_read(
    window: Page, html: str, width: int, scheme: Scheme
) -> None:
    page = _open(window, html, width, scheme)
    _save(page, f"mail-{width}-{scheme}")
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(UNDERSIZED) == []
    assert _low_contrast(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_prv_17_htm_13_axe_finds_nothing(window: Page, html: str, scheme: Scheme) -> None:
    page = _open(window, html, 600, scheme)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_without_images_the_picture_is_told(window: Page, html: str) -> None:
    page = _open(window, html, 320, images=False)
    _save(page, "mail-320-no-images")
    assert page.evaluate(OVERFLOW) == 0
    picture = page.get_by_alt_text("Roeselare – Dogbo, Benin")
    assert picture.count() == 1
    box = picture.bounding_box()
    assert box is not None
    assert box["height"] < 120  # as high as its words, and no empty field


@pytest.fixture
def pictured(settings: Settings) -> str:
    """A mail whose lead has a picture above it and one in its text."""
    pieces = [pictured_piece(), *real_pieces(settings, count=2)]
    return GAP.sub("x", render_edition(settings, issue(), pieces, "nl").html)


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), (320, "dark"), (600, "light"), (1200, "dark")]
)
def test_htm_15_pictures_are_as_wide_as_their_column(
    window: Page, pictured: str, width: int, scheme: Scheme
) -> None:
    page = _open(window, pictured, width, scheme)
    _save(page, f"mail-{width}-pictures-{scheme}")
    assert page.evaluate(OVERFLOW) == 0
    above, within = (image.bounding_box() for image in page.query_selector_all("img"))
    assert above
    assert within
    assert above["width"] == min(width, 600)
    assert within["width"] == {320: 280, 600: 520, 1200: 520}[width]
    for box, shape in ((above, 1200 / 800), (within, 1200 / 700)):
        assert box["width"] / box["height"] == pytest.approx(shape, rel=0.02)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_without_images_pictures_are_told_too(window: Page, pictured: str) -> None:
    page = _open(window, pictured, 320, images=False)
    _save(page, "mail-320-pictures-off")
    assert page.evaluate(OVERFLOW) == 0
    for words in ("Tekening van een vallei", "Tekening van een compostbak"):
        box = page.get_by_alt_text(words).bounding_box()
        assert box
        assert box["height"] < 220  # as high as its words


def test_german_dates_keep_their_distance(window: Page, settings: Settings) -> None:
    edition = render_edition(settings, issue(), real_pieces(settings, "de"), "de")
    page = _open(window, GAP.sub("x", edition.html), 320)
    _save(page, "mail-320-german")
    assert page.evaluate(OVERFLOW) == 0
    assert min(page.evaluate(GUTTERS)) >= 12


@pytest.mark.parametrize("width", [320, 600])
def test_without_the_style_block_nothing_breaks(window: Page, html: str, width: int) -> None:
    """As Gmail shows it for other people's accounts."""
    page = _open(window, re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL), width)
    _save(page, f"mail-{width}-no-style-block")
    assert page.evaluate(OVERFLOW) == 0
    assert _low_contrast(page) == []


def test_with_all_styles_stripped_the_order_still_reads(window: Page, html: str) -> None:
    bare = re.sub(r"<style.*?</style>|\sstyle=\"[^\"]*\"", "", html, flags=re.DOTALL)
    page = _open(window, bare, 320)
    _save(page, "mail-320-no-styles")
    text = page.inner_text("body")
    stations = ["Fiabel", "Roeselare en Dogbo", "Agenda en deadlines", "Schrijf je uit"]
    assert [text.index(word) for word in stations] == sorted(text.index(word) for word in stations)


def test_forced_inversion_can_be_read(window: Page, html: str) -> None:
    """What mail programs do that make their own night of a light mail."""
    page = _open(window, html, 600)
    page.add_style_tag(
        content="html { filter: invert(1) hue-rotate(180deg); } img { filter: none }"
    )
    _save(page, "mail-600-inverted")


def test_twice_the_text_size_still_fits(window: Page, html: str) -> None:
    """WCAG 1.4.4 and 1.4.10: 400 % at 1280 px is a window of 320 px."""
    page = _open(window, re.sub(r"(font-size: )(\d+)px", _doubled, html), 640)
    _save(page, "mail-640-double-text")
    assert page.evaluate(OVERFLOW) == 0


def _doubled(match: re.Match[str]) -> str:
    return f"{match[1]}{int(match[2]) * 2}px"


def test_the_picture_of_the_readme(browser: Browser, html: str) -> None:
    """Made each time, to look at; UPDATE_PICTURES=1 puts it into the README's place."""
    page = _open(browser.new_page(device_scale_factor=2), html, 600)
    shot = page.screenshot()
    page.close()
    file = (PICTURES if renews() else SCREENS) / PICTURE
    write_small(shot, file)
    assert file.stat().st_size < LIGHTEST_PICTURE
