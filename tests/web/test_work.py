"""The proof of work in a real browser: unseen, once, and never in anybody's way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route
from sqlalchemy import delete, select

from newsletter.models import FormRequest
from newsletter.subscribers import work
from tests.web.conftest import World

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def empty(site: World) -> Iterator[None]:
    """Each test begins without requests."""
    yield
    with site.database.write() as session:
        session.execute(delete(FormRequest))


def asked(site: World) -> FormRequest:
    with site.database.read() as session:
        return session.scalars(select(FormRequest)).one()


def of_a_person(page: Page) -> None:
    """A person takes longer than the second that a machine does not."""
    page.wait_for_timeout(1100)


def test_sec_04_the_page_does_the_work_unseen(site: World, page: Page) -> None:
    page.goto("/nl/")
    of_a_person(page)
    page.fill("#email", "Jan.Werkt@voorbeeld.example")
    page.keyboard.press("Enter")
    page.wait_for_url("**/nl/check-your-mail")
    found = asked(site)
    assert (found.email, found.facts["work"]) == ("Jan.Werkt@voorbeeld.example", "done")


def test_sec_04_without_javascript_the_slow_lane_works(site: World, plain_page: Page) -> None:
    plain_page.goto("/nl/signup")
    plain_page.fill("#email", "zonder@voorbeeld.example")
    plain_page.click(".signup button")
    plain_page.wait_for_url("**/nl/check-your-mail")
    assert asked(site).facts["work"] == "slow lane"


@pytest.mark.parametrize(("file", "body"), [("work.js", ""), ("worker.js", "throw 1")])
def test_sec_04_when_the_script_is_lost_the_slow_lane_works(
    site: World, page: Page, file: str, body: str
) -> None:
    page.route(
        f"**/static/{file}*", lambda route: route.fulfill(body=body, content_type="text/javascript")
    )
    page.goto("/nl/signup")
    page.fill("#email", "kapot@voorbeeld.example")
    page.click(".signup button")
    page.wait_for_url("**/nl/check-your-mail")
    assert asked(site).facts["work"] == "slow lane"


def test_sec_04_the_numbers_of_the_browser_are_those_of_the_server(page: Page) -> None:
    page.goto("/nl/signup")
    source = page.locator("input[data-worker]").get_attribute("data-worker")
    script = """async ([source, tasks]) => {
        const worker = new Worker(source), found = [];
        for (const task of tasks) {
            found.push(await new Promise(done => {
                worker.onmessage = ({data}) => done(data);
                worker.postMessage({task, bits: 8});
            }));
        }
        return found;
    }"""
    # Around the ends of SHA-256's blocks, and letters of more than one octet.
    emails = ["x" * length for length in range(75)] + ["zoë@voorbeeld.example", "表@例え.テスト"]
    found = page.evaluate(script, [source, [f"made:{email}" for email in emails]])
    assert found == [work.solve("made", email, 8) for email in emails]


def test_two_clicks_send_one_form(site: World, page: Page) -> None:
    sent = []

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(route.request.post_data)
            page.wait_for_timeout(200)
        route.continue_()

    page.route("**/nl/signup", answer)
    page.goto("/nl/signup")
    page.fill("#email", "twee@voorbeeld.example")
    page.evaluate(
        "() => { const b = document.querySelector('.signup button'); b.click(); b.click(); }"
    )
    page.wait_for_url("**/nl/check-your-mail")
    assert len(sent) == 1
    assert "work=&" not in str(sent[0])


def test_a_slow_browser_says_that_it_works(site: World, page: Page) -> None:
    page.goto("/nl/signup")
    page.evaluate("document.querySelector('input[data-bits]').dataset.bits = '30'")
    page.fill("#email", "traag@voorbeeld.example")
    page.click(".signup button")
    status = page.get_by_role("status").filter(has_text="Even geduld: je browser bewijst")
    status.wait_for()
    page.evaluate("document.querySelector('input[data-bits]').dataset.bits = '8'")
    page.fill("#email", "vlot@voorbeeld.example")  # another address: the work begins anew
    page.locator("#email").blur()
    page.wait_for_url("**/nl/check-your-mail")
    assert asked(site).email == "vlot@voorbeeld.example"


def test_a_page_one_comes_back_to_can_be_sent_again(site: World, page: Page) -> None:
    page.goto("/nl/signup")
    for name in ("heen", "terug"):
        page.fill("#email", f"{name}@voorbeeld.example")
        page.click(".signup button")
        page.wait_for_url("**/nl/check-your-mail")
        page.go_back()
    with site.database.read() as session:
        emails = session.scalars(select(FormRequest.email).order_by(FormRequest.id)).all()
    assert emails == ["heen@voorbeeld.example", "terug@voorbeeld.example"]


def test_a_suggested_address_is_used_with_one_press(site: World, page: Page) -> None:
    page.goto("/nl/signup")
    page.fill("#email", "jan@gmial.com")
    page.click(".signup button")
    page.get_by_role("button", name="Ja, gebruik dat adres").click()
    page.wait_for_url("**/nl/check-your-mail")
    assert asked(site).email == "jan@gmail.com"
