"""A whole morning of an editor, in a real browser: from the invitation to a reader who asks.

UPDATE_PICTURES=1 takes the pictures of docs/DESK.md and docs/REDACTIE.md on the way.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from config import PROJECT_DIR
from newsletter.content.library import Library
from newsletter.models import Role
from tests.desk.morning import (
    LOOKED_FOR,
    READERS,
    Device,
    Morning,
    code,
    newsroom,
    open_browser,
    picture,
)
from tests.desk.signing import PASSWORD

PHOTO = PROJECT_DIR / "content" / "images" / "2026" / "bron-tot-kraan.png"
TITLE = "Sokone drinkt uit de heuvels"
SOON = 20_000  # ms: the clock looks every few seconds, and so does the page
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def morning(published_file: Path, tmp_path: Path) -> Iterator[Morning]:
    with newsroom(tmp_path, published_file) as found:
        yield found


@pytest.fixture
def page(browser: Browser, morning: Morning) -> Iterator[Page]:
    page = open_browser(browser, morning)
    faults: list[str] = []
    page.set_default_timeout(SOON)
    page.on("console", lambda message: faults.append(message.text))
    yield page
    page.context.close()
    assert not [fault for fault in faults if "status of 422" not in fault]


def test_a_whole_morning(browser: Browser, morning: Morning, page: Page) -> None:
    accept_the_invitation(morning, page)
    sign_in_with_an_app(page)
    sign_in_with_a_passkey(page)
    write_an_item(page)
    add_a_picture(page)
    be_stopped_and_mend_it(morning, page)
    translate_it(morning, page)
    compile_it(page)
    proof_it(morning, page)
    approve_and_schedule_it(page)
    approve_it_with_four_eyes(browser, morning)
    watch_it_go(morning, page)
    see_the_numbers(page)
    look_up_a_reader(page)


def accept_the_invitation(morning: Morning, page: Page) -> None:
    page.goto(morning.mail_to(morning.invite("An Peeters", Role.PUBLISHER)))
    button = page.frame_locator("iframe").locator(".button a")
    page.goto(button.get_attribute("href") or "")
    page.get_by_label("Nieuw wachtwoord").fill(PASSWORD)
    page.get_by_label("Nog eens hetzelfde").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Je wachtwoord is bewaard.")).to_be_visible()


def sign_in_with_an_app(page: Page) -> None:
    page.get_by_label("E-mailadres").fill("an@vvsg.example")
    page.get_by_label("Wachtwoord", exact=True).fill(PASSWORD)
    picture(page, "sign-in")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Toon de code om te scannen").press("Enter")
    page.get_by_label("Code van je app").fill(code(page.locator("code.secret").inner_text()))
    picture(page, "app")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dag An Peeters")).to_be_visible()
    page.get_by_role("link", name="Maak ze nu").click()
    page.get_by_role("button", name="Maak tien codes").click()
    expect(page.locator(".codes li")).to_have_count(10)
    page.get_by_role("link", name="Ik heb ze opgeschreven").click()
    expect(page.get_by_text("nog 10 over")).to_be_visible()


def sign_in_with_a_passkey(page: Page) -> None:
    Device.of(page)
    page.get_by_role("link", name="0 toegangssleutels").click()
    page.get_by_label("Naam voor een nieuwe toegangssleutel").fill("laptop op het werk")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“laptop op het werk” is gekoppeld")).to_be_visible()
    page.get_by_role("button", name="Meld je af").click()
    page.get_by_role("button", name="Gebruik een toegangssleutel").press("Enter")
    expect(page.get_by_role("heading", name="Dag An Peeters")).to_be_visible()
    picture(page, "start")


def write_an_item(page: Page) -> None:
    page.get_by_role("link", name="Artikels").first.click()
    picture(page, "items")
    page.get_by_role("link", name="Nieuw artikel").click()
    page.get_by_label("Titel").fill(TITLE)
    page.keyboard.press("Enter")
    page.get_by_label("Samenvatting").fill(
        "De bronnen boven Sokone staan nu achter een haag, en het water komt tot in het dorp."
    )
    page.wait_for_load_state()  # the script knows the keys
    body = page.locator("#body")
    body.fill("Zes vrijwilligers plantten in oktober de laatste ")
    page.keyboard.press("Control+b")
    page.keyboard.type("veertig bomen")
    expect(body).to_have_value(re.compile(r"\*\*veertig bomen\*\*$"))
    page.keyboard.press("Control+End")
    page.keyboard.type(
        " rond de bron.\n\nDe leiding naar het dorp is XXX meter lang."
        " [De gemeente Zemst](https://www.zemst.be/) hielp mee."
    )
    expect(page.locator("#keeping")).to_contain_text("bijgehouden om")
    page.reload()
    expect(page.get_by_text("Je ziet je onbewaarde tekst van")).to_be_visible()
    page.get_by_role("button", name="Bewaar", exact=True).click()
    refused = page.get_by_role("alert")
    expect(refused).to_contain_text("Nog niet bewaard")
    refused.get_by_role("link", name="Thema’s").click()
    page.get_by_label("Water, klimaat en afval").check()


def add_a_picture(page: Page) -> None:
    page.get_by_text("Laad een foto op").press("Enter")
    page.get_by_label("Foto op je toestel").set_input_files(PHOTO)
    page.locator("#picture_alt").fill("Een heuvel met bomen rond een bron, en een leiding omlaag.")
    page.get_by_label("Wie de foto maakte").last.fill("Tekening: Fiabel")
    upload = page.locator("details", has_text="Laad een foto op")
    picture(page, "picture", upload)
    page.get_by_role("button", name="Laad de foto op").press("Enter")
    expect(page.get_by_text("De foto staat in je tekst.")).to_be_visible()
    expect(page.locator("#image")).to_have_value("bron-tot-kraan.png")


def be_stopped_and_mend_it(morning: Morning, page: Page) -> None:
    stop = page.locator(".remarks .stop")
    expect(stop).to_contain_text("Moet anders")
    expect(stop).to_contain_text("XXX")
    frame = page.frame_locator("#preview")
    expect(frame.get_by_role("heading", name=TITLE)).to_be_visible()
    picture(page, "remark", tallest=1400)
    stop.get_by_role("link", name="Tekst, regel 3").press("Enter")
    body = page.locator("#body")
    expect(body).to_be_focused()
    body.fill(body.input_value().replace("XXX", "800"))
    expect(stop).to_have_count(0)
    page.get_by_label("Stand", exact=True).select_option("ready")
    page.get_by_role("button", name="Bewaar", exact=True).click()
    expect(page.get_by_text("De tekst is bewaard.")).to_be_visible()
    look_at_it(page)
    assert Library(morning.desk.settings.content_dir).check() == []


def look_at_it(page: Page) -> None:
    """As a mail by day, and as a page of the site by night."""
    frame = page.frame_locator("#preview")
    expect(frame.get_by_role("heading", name=TITLE)).to_be_visible()
    page.get_by_label("Als", exact=True).select_option("page")
    page.get_by_label("Kleuren").select_option("dark")
    expect(frame.locator(".masthead")).to_be_visible()
    night = "body => getComputedStyle(body).backgroundColor"
    assert frame.locator("body").evaluate(night) == "rgb(18, 32, 31)"


def translate_it(morning: Morning, page: Page) -> None:
    page.get_by_role("link", name=re.compile("Français")).click()
    expect(page.locator(".source")).to_contain_text(TITLE)
    page.locator("#title").fill("Sokone boit l’eau des collines")
    page.locator("#summary").fill("Une haie protège les sources, et l’eau arrive au village.")
    page.locator("#body").fill("En octobre, six bénévoles ont planté **quarante arbres**.")
    page.locator("#image_alt").fill("Une colline, des arbres autour d’une source, une conduite.")
    page.get_by_label("Stand", exact=True).select_option("ready")
    page.get_by_role("button", name="Bewaar", exact=True).click()
    expect(page.get_by_text("De tekst is bewaard.")).to_be_visible()
    picture(page, "translation", tallest=1100)
    assert Library(morning.desk.settings.content_dir).check() == []


def compile_it(page: Page) -> None:
    page.get_by_role("link", name="Nummers").click()
    page.get_by_role("link", name="Het volgende nummer, elke maand").click()
    expect(page.locator(".contents")).to_contain_text(TITLE)
    picture(page, "next")
    page.get_by_role("button", name="Maak dit nummer nu").press("Enter")
    page.get_by_role("link", name="Zet in volgorde").click()
    rows = page.locator("#order > li")
    mine = rows.filter(has_text=TITLE)
    mine.get_by_role("button", name="Naar onder").press("Enter")
    expect(rows.first).not_to_contain_text(TITLE)
    expect(mine).to_be_focused()
    mine.get_by_role("button", name="Maak opener").press("Enter")
    expect(rows.first).to_contain_text(TITLE)
    page.get_by_role("link", name="Nummer 3", exact=True).click()
    page.get_by_role("link", name="Kijk het na").click()
    expect(page.get_by_text("houdt tegen", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Nummer 3", exact=True).click()


def proof_it(morning: Morning, page: Page) -> None:
    expect(page.get_by_label("An Peeters")).to_be_checked()
    page.get_by_role("button", name="Stuur de proef").press("Enter")
    expect(page.get_by_text("De proef is onderweg.")).to_be_visible()
    here = page.url
    page.goto(morning.mail_to("an@vvsg.example", TITLE))
    expect(page.frame_locator("iframe").get_by_role("heading", name=TITLE)).to_be_visible()
    picture(page, "proof")
    page.goto(here)


def approve_and_schedule_it(page: Page) -> None:
    page.get_by_role("button", name="Keur dit nummer goed").press("Enter")
    expect(page.get_by_text("Nog te gaan: 1.")).to_be_visible()
    page.get_by_role("link", name="Plan in …").click()
    page.get_by_label("Dag en uur").fill("2026-11-25T09:30")
    page.get_by_role("button", name="Ga verder").press("Enter")
    expect(page.get_by_text("woensdag 25 november 2026 om 09:30")).to_be_visible()
    picture(page, "schedule")
    page.get_by_role("button", name="Ja, plan het in").press("Enter")
    expect(page.locator("#state")).to_have_text("ingepland")
    # A yes is of the moment too.
    expect(page.get_by_text("vervallen: het nummer is daarna veranderd")).to_be_visible()
    page.get_by_role("button", name="Keur dit nummer goed").press("Enter")
    expect(page.get_by_text("Nog te gaan: 1.")).to_be_visible()


def approve_it_with_four_eyes(browser: Browser, morning: Morning) -> None:
    context = morning.desk.context(browser, Role.PUBLISHER)
    page = context.new_page()
    page.goto("/desk/issues/3")
    page.get_by_role("button", name="Keur dit nummer goed").press("Enter")
    expect(page.get_by_text("Nog te gaan: 0.")).to_be_visible()
    picture(page, "approved", tallest=1500)
    context.close()


def watch_it_go(morning: Morning, page: Page) -> None:
    morning.at(9, 30)
    expect(page.locator("#state")).to_have_text("wordt verstuurd", timeout=SOON)
    morning.at(10, 0)
    accepted = page.locator("[data-part=accepted]")
    expect(accepted).not_to_have_text("0", timeout=SOON)
    expect(page.locator("[data-part=waiting]")).not_to_have_text("0")
    picture(page, "going")
    morning.at(10, 31)
    expect(page.locator("#state")).to_have_text("verstuurd", timeout=SOON)
    expect(accepted).to_have_text(str(READERS))


def see_the_numbers(page: Page) -> None:
    page.get_by_role("link", name="Cijfers", exact=True).click()
    active = page.locator(".facts div").filter(has_text="ingeschreven").first
    expect(active).to_contain_text(str(READERS))
    picture(page, "numbers")


def look_up_a_reader(page: Page) -> None:
    page.get_by_role("link", name="Abonnees").click()
    page.get_by_label("Zoek op e-mailadres").fill(LOOKED_FOR)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=LOOKED_FOR)).to_be_visible()
    row = page.get_by_role("row").filter(has_text="aangenomen")
    expect(row).to_contain_text("3")
    picture(page, "reader")
