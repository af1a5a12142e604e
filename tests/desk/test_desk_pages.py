"""WCAG 2.2 AA on every page of the desk, on a phone by day and on a desk by night; passkeys."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from newsletter.models import Role
from tests.desk.conftest import Desk
from tests.desk.morning import Device
from tests.desk.signing import PASSWORD, Person
from tests.desk.visits import LOOKS, Look
from tests.web.served import PHONE
from tests.web.test_accessibility import MODES, TIED, enlarged, in_modes
from tests.web.visits import Visit


def looked_at(page: Page, look: Look, path: str) -> Iterator[str]:
    """What is wrong with a page."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.goto(path)
    if look.act is not None:
        look.act(page)
        page.wait_for_load_state()
    if look.name.endswith("-wrong") and not page.evaluate(TIED):
        yield f"{look.name}: the summary of errors is not tied to the fields (WCAG 3.3.1)"
    page.evaluate(AXE_SCRIPT)
    yield from in_modes(page, look.name, MODES)
    yield from enlarged(page, Visit(look.name, path))


@pytest.fixture(scope="module")
def visitor(browser: Browser, served_desk: Desk) -> Iterator[Page]:
    """A page that one person after the other looks at: each browser of its own takes a second."""
    context = served_desk.context(browser, Role.WRITER)
    yield context.new_page()
    context.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("endpoint", LOOKS)
def test_prv_17_every_page_of_the_desk_passes_axe(
    visitor: Page, served_desk: Desk, endpoint: str
) -> None:
    faults: list[str] = []
    for look in LOOKS[endpoint]:
        path = look.path if isinstance(look.path, str) else look.path(served_desk)
        session = None if look.role else dict(look.session or {})
        if look.session:
            person = Person.make(served_desk, Role.PUBLISHER)
            session = {**look.session, "tf_user_id": person.editor.fs_uniquifier}
        served_desk.sign_in(visitor.context, look.role or Role.WRITER, session)
        faults += looked_at(visitor, look, path)
    assert not faults, "\n".join(faults)


@pytest.fixture
def device(browser: Browser, served_desk: Desk) -> Iterator[Device]:
    context = browser.new_context(base_url=served_desk.settings.base_url, locale="nl-BE")
    yield Device.of(context.new_page())
    context.close()


def enter(page: Page, person: Person, steps: int = 0) -> None:
    page.goto("/desk/sign-in")
    page.get_by_label("E-mailadres").fill(person.editor.email)
    page.get_by_label("Wachtwoord", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Ga verder").click()
    page.get_by_label("Code van je app").fill(person.code(steps))
    page.get_by_role("button", name="Meld me aan").click()
    page.wait_for_url("**/desk/")


def leave(page: Page) -> None:
    page.get_by_role("button", name="Meld je af").click()
    page.wait_for_url("**/desk/sign-in")


@pytest.mark.browser
def test_a_passkey_signs_in_after_a_password_and_proves_it_again(
    served_desk: Desk, device: Device
) -> None:
    page = device.page
    person = Person.make(served_desk, Role.EDITOR)
    enter(page, person)
    page.goto("/desk/passkeys")
    page.get_by_label("Naam voor een nieuwe toegangssleutel").fill("laptop")
    page.get_by_role("button", name="Voeg toe").click()
    page.wait_for_url("**/desk/account")
    assert "“laptop” is gekoppeld" in page.inner_text("main")

    leave(page)
    page.get_by_label("E-mailadres").fill(person.editor.email)
    page.get_by_label("Wachtwoord", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Ga verder").click()
    page.get_by_role("button", name="Met een toegangssleutel").click()
    page.get_by_role("button", name="Gebruik een toegangssleutel").click()
    page.wait_for_url("**/desk/")

    page.goto("/desk/again?next=/desk/account")
    page.get_by_role("button", name="Gebruik een toegangssleutel").click()
    page.wait_for_url("**/desk/account")

    page.goto("/desk/passkeys")
    page.get_by_role("button", name="Verwijder").click()
    page.wait_for_load_state()
    assert "is verwijderd" in page.inner_text("main")


@pytest.mark.browser
def test_a_passkey_that_does_not_know_who_holds_it_is_not_enough_alone(
    served_desk: Desk, device: Device
) -> None:
    page = device.page
    person = Person.make(served_desk, Role.WRITER)
    enter(page, person)
    page.goto("/desk/passkeys")
    page.get_by_label("Naam voor een nieuwe toegangssleutel").fill("gevonden sleutel")
    page.get_by_role("button", name="Voeg toe").click()
    page.wait_for_url("**/desk/account")
    leave(page)
    device.forgets_who_holds_it()
    page.get_by_role("button", name="Gebruik een toegangssleutel").click()
    page.get_by_text("Dat lukte niet").wait_for()
    page.goto("/desk/")
    assert "/desk/sign-in" in page.url


Open = Callable[..., Page]


@pytest.mark.browser
def test_an_administrator_invites_and_finds_it_in_the_log(desk_page: Open) -> None:
    page = desk_page(Role.ADMINISTRATOR)
    page.goto("/desk/")
    page.get_by_role("link", name="Mensen").first.click()
    page.get_by_label("E-mailadres").fill("nieuw@voorbeeld.example")
    page.get_by_label("Naam", exact=True).fill("Nieuw Iemand")
    page.get_by_role("button", name="Stuur de uitnodiging", exact=True).click()
    page.get_by_text("De uitnodiging is onderweg.").wait_for()
    page.get_by_role("link", name="Logboek").first.click()
    page.get_by_label("Zoek in het logboek").fill("editor.invite")
    page.get_by_role("button", name="Zoek").click()
    assert "Nieuw Iemand" in page.inner_text("table")
    page.get_by_role("button", name="Kijk de hele keten na").click()
    page.get_by_text("Het logboek klopt").wait_for()
