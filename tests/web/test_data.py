"""One's own data, behind a link mailed that day: a copy, a receipt, another address, erasure."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from newsletter import suppression
from newsletter.i18n import LOCALES
from newsletter.models import (
    AddressChange,
    Consent,
    ConsentEvent,
    Notice,
    NoticeKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers import receipts
from newsletter.tokens import Purpose, Tokens
from tests.web.conftest import World, headers_of

NEW = "nieuw@voorbeeld.example"


def bound(
    world: World, purpose: Purpose, id: int, address: str, age: timedelta = timedelta(0)
) -> str:
    """A token for an address, as the letter to it holds it."""
    keys = Tokens(world.settings.secret_key)
    return keys.issue(purpose, id, datetime.now(UTC) - age, address)


def reader(
    world: World, locale: str = "nl", age: timedelta = timedelta(0)
) -> tuple[Subscriber, str]:
    """A reader, and the path of the data."""
    jan = world.add("jan", SubscriberState.ACTIVE, locale)
    token = bound(world, Purpose.DATA, jan.id, jan.canonical or "", age)
    return jan, f"/{locale}/data/{token}"


def found(world: World, subscriber: Subscriber) -> Subscriber:
    with world.database.read() as session:
        return session.get_one(Subscriber, subscriber.id)


def letters(world: World) -> list[tuple[NoticeKind, str | None]]:
    with world.database.read() as session:
        rows = session.scalars(select(Notice).order_by(Notice.id))
        return [(row.kind, row.email) for row in rows]


def moving(world: World, subscriber: Subscriber, email: str = NEW) -> str:
    """The path behind the letter to a new address."""
    return f"/nl/new-address/{bound(world, Purpose.NEW_ADDRESS, subscriber.id, email)}"


# --- the link -------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_sec_10_the_page_is_nobodys_business(world: World, locale: str) -> None:
    _jan, url = reader(world, locale)
    answer = world.client.get(url)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers
    assert "jan@voorbeeld.example" not in answer.text
    assert "j…n@voorbeeld.example" in answer.text


PARTS = ("", "/export", "/receipt", "/erase", "/address")


@pytest.mark.parametrize("part", PARTS)
def test_uns_05_looking_changes_nothing(world: World, part: str) -> None:
    _jan, url = reader(world)
    before = world.dump()
    for look in (world.client.get, world.client.head):
        answer = look(url + part, query_string={"sure": "1", "email": NEW}, follow_redirects=True)
        assert answer.status_code == 200
    assert world.dump() == before


def test_sec_08_the_link_of_yesterday_offers_a_new_one(world: World) -> None:
    _jan, url = reader(world, age=timedelta(hours=25))
    before = world.dump()
    for part in ("", "/export", "/receipt"):
        answer = world.client.get(url + part)
        assert answer.status_code == 404
        assert "Deze link is te oud" in answer.text
        assert "jan@voorbeeld.example" not in answer.text
    for part, sent in (("/erase", {"sure": "1"}), ("/address", {"email": NEW})):
        assert world.client.post(url + part, data=sent).status_code == 404
    assert world.dump() == before
    action = answer.text.split('action="')[1].split('"')[0]
    assert world.client.post(action).status_code == 303
    assert letters(world) == [(NoticeKind.PREFERENCES, "jan@voorbeeld.example")]


def test_sec_08_no_old_mail_opens_the_data(world: World) -> None:
    """The links of newsletters and letters, a cut one, one for another address: one answer."""
    jan, url = reader(world)
    others = [
        world.token(purpose, jan)
        for purpose in (Purpose.PREFERENCES, Purpose.UNSUBSCRIBE, Purpose.CONFIRM, Purpose.DATA)
    ]
    wrong = [f"/nl/data/{token}" for token in others]
    wrong += [url[:-1], url + "A", f"/nl/data/{bound(world, Purpose.DATA, jan.id, NEW)}"]
    before, seen = world.dump(), set()
    for path in wrong:
        for answer in (
            *(world.client.get(path + part) for part in ("", "/export", "/receipt")),
            world.client.post(f"{path}/erase", data={"sure": "1"}),
            world.client.post(f"{path}/address", data={"email": NEW}),
        ):
            seen.add((answer.status_code, "Deze link werkt niet" in answer.text))
    assert seen == {(404, True)}
    assert world.dump() == before


# --- a copy, a receipt ----------------------------------------------------------------------------


def test_prv_13_a_reader_downloads_everything_as_json(world: World) -> None:
    jan, url = reader(world)
    preferences = f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}"
    later = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
    world.client.post(f"{preferences}/pause", data={"until": later})
    assert f'href="{url}/export"' in world.client.get(url).text
    answer = world.client.get(f"{url}/export")
    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="fiabel-nieuws.json"'
    held = json.loads(answer.text)
    assert held["email"] == "jan@voorbeeld.example"
    assert held["paused_until"] is not None
    assert held["consents"][-1]["event"] == "changed"
    assert "\n  " in answer.text, "people read it"


def test_prv_02_a_reader_downloads_a_receipt_that_anybody_can_check(world: World) -> None:
    jan, url = reader(world)
    preferences = f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}"
    world.client.post(preferences, data={"locale": "fr"})
    answer = world.client.get(f"{url}/receipt")
    assert "attachment" in answer.headers["Content-Disposition"]
    receipt = json.loads(answer.text)
    (key,) = receipts.public_keys(world.settings).values()
    assert receipts.verify(receipt, key)
    receipt["payload"]["subscriber"] += 1
    assert not receipts.verify(receipt, key)


# --- erasure --------------------------------------------------------------------------------------


def test_prv_12_a_reader_erases_everything_and_is_told(world: World) -> None:
    jan, url = reader(world)
    page = world.client.get(url).text
    assert "Eén ding blijft" in page
    assert 'name="sure" value="1" required' in page
    assert " checked" not in page
    answer = world.client.post(f"{url}/erase", data={"sure": "1"})
    assert (answer.status_code, answer.location) == (303, "/nl/erased")
    told = world.client.get(answer.location)
    assert "Je gegevens zijn gewist" in told.text
    assert "noindex" not in told.headers.get("X-Robots-Tag", "")
    assert 'rel="canonical"' not in told.text
    assert "jan@voorbeeld.example" not in str(world.dump())
    with world.database.read() as session:
        keys = Tokens(world.settings.secret_key)
        entry = suppression.is_suppressed(session, keys, "jan@voorbeeld.example")
        assert entry
        assert entry.reason is SuppressionReason.ERASED
    assert found(world, jan).state is SubscriberState.ERASED
    for path in (url, f"{url}/export"):
        assert world.client.get(path).status_code == 404


def test_prv_12_nothing_is_erased_before_somebody_is_sure(world: World) -> None:
    _jan, url = reader(world)
    before = world.dump()
    answer = world.client.post(f"{url}/erase")
    assert answer.status_code == 422
    assert '<a href="#sure">' in answer.text
    assert 'aria-describedby="sure-problem"' in answer.text
    assert world.dump() == before


def test_prv_12_who_left_erases_too(world: World) -> None:
    jan = world.add("jan", SubscriberState.LEFT)
    url = f"/nl/data/{bound(world, Purpose.DATA, jan.id, jan.canonical or '')}"
    assert 'name="email"' not in world.client.get(url).text, "there is no mail to send elsewhere"
    assert world.client.post(f"{url}/address", data={"email": NEW}).status_code == 422
    assert world.client.get(f"{url}/export").status_code == 200
    assert world.client.post(f"{url}/erase", data={"sure": "1"}).status_code == 303
    assert "jan@voorbeeld.example" not in str(world.dump())


# --- another address ------------------------------------------------------------------------------


def test_sec_21_a_reader_changes_the_address(world: World) -> None:
    jan, url = reader(world)
    answer = world.client.post(f"{url}/address", data={"email": NEW})
    assert (answer.status_code, answer.location) == (303, f"{url}?asked=1")
    page = world.client.get(answer.location).text
    assert "We sturen een mail naar het nieuwe adres" in page
    assert NEW not in page
    assert found(world, jan).email == "jan@voorbeeld.example"
    path, before = moving(world, jan), world.dump()
    shown = world.client.get(path)
    assert (shown.status_code, shown.text.count("<form")) == (200, 1)
    assert "n…w@voorbeeld.example" in shown.text
    assert "jan@" not in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert world.dump() == before
    for _ in range(2):
        done = world.client.post(path)
        assert done.status_code == 200
        assert "Je adres is gewijzigd" in done.text
    assert "Je adres is gewijzigd" in world.client.get(path).text
    assert found(world, jan).email == NEW
    assert letters(world) == [
        (NoticeKind.NEW_ADDRESS, NEW),
        (NoticeKind.ADDRESS_CHANGED, "jan@voorbeeld.example"),
    ]
    assert world.client.get(url).status_code == 404, "the old mailbox opens no data"
    with world.database.read() as session:
        proof = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
        assert proof
        assert (proof.event, proof.facts["address"]) == (ConsentEvent.CHANGED, "changed")


def test_sec_07_asking_for_an_address_answers_the_same_whoever_has_it(world: World) -> None:
    jan, url = reader(world)
    for name, state in (
        ("lezer", SubscriberState.ACTIVE),
        ("wacht", SubscriberState.PENDING),
        ("weg", SubscriberState.LEFT),
    ):
        world.add(name, state)
    world.suppress("klacht@voorbeeld.example")
    seen, rows = set(), []
    for name in ("lezer", "wacht", "weg", "klacht", "niemand"):
        with world.database.write() as session:  # the limit of a day is not what this is about
            for table in ("limits", "notices"):
                session.connection().exec_driver_sql(f"DELETE FROM {table}")
        answer = world.client.post(f"{url}/address", data={"email": f"{name}@voorbeeld.example"})
        seen.add((answer.status_code, answer.data, headers_of(answer)))
        with world.database.read() as session:
            wish = session.get_one(AddressChange, jan.id)
            rows.append((wish.email, len(letters(world))))
    assert len(seen) == 1
    assert seen.pop()[0] == 303
    assert [count for _email, count in rows] == [1] * 5


@pytest.mark.parametrize("email", ["", "geen adres", "JAN@voorbeeld.example"])
def test_a_wrong_address_is_explained_at_its_field(world: World, email: str) -> None:
    _jan, url = reader(world)
    before = world.dump()
    answer = world.client.post(f"{url}/address", data={"email": email})
    assert answer.status_code == 422
    assert '<a href="#email">' in answer.text
    assert 'aria-describedby="email-problem email-hint"' in answer.text
    assert f'value="{email}"' in answer.text
    assert world.dump() == before


def test_sec_07_an_address_that_cannot_be_had_looks_like_a_broken_link(world: World) -> None:
    """Taken, complained, never asked for, too old: one page, and nothing changes."""
    jan, url = reader(world)
    world.add("lezer", SubscriberState.ACTIVE)
    taken = "lezer@voorbeeld.example"
    world.client.post(f"{url}/address", data={"email": taken})
    old = bound(world, Purpose.NEW_ADDRESS, jan.id, taken, timedelta(days=8))
    paths = [moving(world, jan, taken), moving(world, jan), f"/nl/new-address/{old}"]
    paths += ["/nl/new-address/x", moving(world, jan, taken)[:-1]]
    before, seen = world.dump(), set()
    for path in paths:
        for answer in (world.client.get(path), world.client.post(path)):
            seen.add((answer.status_code, "Deze link werkt niet" in answer.text))
    assert seen == {(404, True)}
    assert world.dump() == before


# --- in a browser ---------------------------------------------------------------------------------


@pytest.mark.browser
def test_prv_17_own_data_by_keyboard_and_without_javascript(site: World, plain_page: Page) -> None:
    page, jan = plain_page, site.add("eigen-gegevens", SubscriberState.ACTIVE)
    page.goto(f"/en/data/{bound(site, Purpose.DATA, jan.id, jan.canonical or '')}")
    page.locator("#email").focus()
    page.keyboard.type("geen adres")
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "email"
    assert page.locator(":focus").get_attribute("aria-describedby") == "email-problem email-hint"
    page.keyboard.press("Control+a")
    page.keyboard.type("eigen-nieuw@voorbeeld.example")
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    with page.expect_download() as download:
        page.locator("a[href$=export]").click()
    assert download.value.suggested_filename == "fiabel-nieuws.json"
    erasing = page.get_by_role("button", name="Erase my data")
    erasing.press("Enter")
    page.locator(".summary a").click()
    assert page.url.endswith("#sure")
    page.locator("#sure").press("Space")
    erasing.press("Enter")
    page.wait_for_url("**/en/erased")
    assert found(site, jan).state is SubscriberState.ERASED
