"""Preferences: a pause, a link by mail, and two who press at once."""

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from newsletter.i18n import LOCALES
from newsletter.models import (
    Consent,
    FormRequest,
    Notice,
    NoticeKind,
    RequestKind,
    Subscriber,
    SubscriberState,
)
from newsletter.settings.parsing import Rate
from newsletter.subscribers import pausing, settling
from newsletter.tokens import Purpose
from newsletter.web.answers import HONEYPOT
from tests.issues.test_pausing import wait_for_a_lock
from tests.web.conftest import Build, World, headers_of

TODAY = datetime.now(UTC).date()
LATER = (TODAY + timedelta(days=60)).isoformat()


def reader(world: World, locale: str = "nl") -> tuple[Subscriber, str]:
    """A reader, and the path of the preferences."""
    jan = world.add("jan", SubscriberState.ACTIVE, locale)
    return jan, f"/{locale}/preferences/{world.token(Purpose.PREFERENCES, jan)}"


def found(world: World, subscriber: Subscriber) -> Subscriber:
    with world.database.read() as session:
        return session.get_one(Subscriber, subscriber.id)


def letters(world: World) -> list[NoticeKind]:
    with world.database.read() as session:
        return list(session.scalars(select(Notice.kind).order_by(Notice.id)))


# --- a pause --------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_a_reader_pauses_until_a_day(world: World, locale: str) -> None:
    jan, url = reader(world, locale)
    form = re.search(r'<input id="until"[^>]*>', world.client.get(url).text)
    assert form
    assert 'type="date"' in form[0]
    assert f'min="{TODAY + timedelta(days=1)}"' in form[0]
    answer = world.client.post(f"{url}/pause", data={"until": LATER})
    assert (answer.status_code, answer.location) == (303, f"{url}?saved=1")
    page = world.client.get(answer.location).text
    assert f'<time datetime="{LATER}">' in page
    assert 'name="resume"' in page
    until = found(world, jan).paused_until
    assert until
    assert until.astimezone(world.settings.timezone).isoformat().startswith(f"{LATER}T00:00")


@pytest.mark.parametrize("months", [1, 2, 3])
def test_a_quick_choice_is_so_many_months(world: World, months: int) -> None:
    jan, url = reader(world)
    assert f'name="months" value="{months}"' in world.client.get(url).text
    assert world.client.post(f"{url}/pause", data={"months": str(months)}).status_code == 303
    again = pausing.mails_again(world.settings, found(world, jan), datetime.now(UTC))
    assert again == pausing.in_months(datetime.now(world.settings.timezone).date(), months)


def test_a_pause_ends_by_a_button(world: World) -> None:
    jan, url = reader(world)
    world.client.post(f"{url}/pause", data={"until": LATER})
    assert world.client.post(f"{url}/pause", data={"resume": "1"}).status_code == 303
    assert found(world, jan).paused_until is None
    assert 'name="resume"' not in world.client.get(url).text
    with world.database.read() as session:
        facts = session.scalars(select(Consent.facts).order_by(Consent.id)).all()
    assert [row["paused_until"] is None for row in facts] == [False, True]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"until": ""},
        {"until": "morgen"},
        {"until": TODAY.isoformat()},
        {"until": (TODAY - timedelta(days=400)).isoformat()},
        {"until": (TODAY + timedelta(days=400)).isoformat()},
        {"months": "240"},
        {"months": "0"},
    ],
)
def test_a_day_that_cannot_be_is_explained_at_its_field(world: World, sent: dict[str, Any]) -> None:
    _jan, url = reader(world)
    before = world.dump()
    answer = world.client.post(f"{url}/pause", data=sent)
    assert answer.status_code == 422
    assert '<a href="#until">' in answer.text
    assert 'aria-describedby="until-problem"' in answer.text
    assert 'id="until-problem">' in answer.text
    assert "<title>Fout: " in answer.text
    assert world.dump() == before


def test_the_page_of_a_refusal_can_be_read_in_another_language(world: World) -> None:
    _jan, url = reader(world)
    refused = world.client.post(f"{url}/pause", data={}).text
    french = re.search(r'href="(/fr/preferences/[^"]+/pause)"', refused)
    assert french
    answer = world.client.get(french[1])
    assert (answer.status_code, answer.location) == (303, url.replace("/nl/", "/fr/"))


@pytest.mark.parametrize("part", ["", "/pause", "/link"])
def test_uns_05_looking_at_any_part_changes_nothing(world: World, part: str) -> None:
    _jan, url = reader(world)
    before = world.dump()
    for query in ({}, {"until": LATER, "months": "1", "resume": "1"}):
        for look in (world.client.get, world.client.head):
            answer = look(f"{url}{part}", query_string=query, follow_redirects=True)
            assert answer.status_code == 200
    assert world.dump() == before


@pytest.mark.parametrize("state", [SubscriberState.PENDING, SubscriberState.LEFT])
def test_sec_01_only_a_reader_is_offered_a_pause_and_a_link(
    world: World, state: SubscriberState
) -> None:
    jan = world.add("jan", state)
    url = f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}"
    assert "/pause" not in world.client.get(url, follow_redirects=True).text
    before = world.dump()
    for part in ("pause", "link"):
        answer = world.client.post(f"{url}/{part}", data={"until": LATER})
        assert answer.status_code in (303, 422)
    assert world.dump() == before


def test_sec_08_a_bad_link_pauses_nobody(world: World) -> None:
    _jan, url = reader(world)
    other = "A" if url[-1] != "A" else "B"
    before = world.dump()
    for wrong in (url[:-1] + other, url + "A", "/nl/preferences/x"):
        for part in ("pause", "link"):
            answer = world.client.post(f"{wrong}/{part}", data={"until": LATER})
            assert answer.status_code == 404
            assert answer.headers["Cache-Control"] == "no-store"
    assert world.dump() == before


# --- two at once ----------------------------------------------------------------------------------


def test_what_somebody_else_changes_at_the_same_moment_stays(world: World) -> None:
    """What was not sent stays as it is when the row is ours, not as it was before we waited."""
    jan, url = reader(world)

    def press() -> None:
        world.client.post(url, data={"locale": "fr"})

    thread = threading.Thread(target=press)
    with world.database.write() as session:
        held = session.get_one(Subscriber, jan.id, with_for_update=True)
        thread.start()
        wait_for_a_lock(world.database)
        held.cadence = "weekly"
    thread.join()
    after = found(world, jan)
    assert (after.locale, after.cadence) == ("fr", "weekly")
    with world.database.read() as session:
        proof = session.scalars(select(Consent)).one()
    assert (proof.locale, proof.cadence) == ("fr", "weekly"), "the proof says what is so"


# --- a link by mail -------------------------------------------------------------------------------


def test_the_page_mails_a_fresh_link_to_the_address_we_have(world: World) -> None:
    _jan, url = reader(world)
    assert f'action="{url}/link"' in world.client.get(url).text
    answer = world.client.post(f"{url}/link")
    assert (answer.status_code, answer.location) == (303, f"{url}?mailed=1")
    assert "j…n@voorbeeld.example" in world.client.get(answer.location).text
    assert letters(world) == [NoticeKind.PREFERENCES]


def test_sec_16_a_fourth_link_on_one_day_is_refused_in_a_sentence(world: World) -> None:
    _jan, url = reader(world)
    answers = [world.client.post(f"{url}/link") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 422]
    assert "al genoeg mails" in answers[-1].text
    assert '<a href="#link">' in answers[-1].text
    assert 'id="link"' in answers[-1].text
    assert len(letters(world)) == 3


# --- "mail me my link" ----------------------------------------------------------------------------


def asked(world: World) -> list[tuple[RequestKind, str, str]]:
    with world.database.read() as session:
        rows = session.scalars(select(FormRequest).order_by(FormRequest.id))
        return [(row.kind, row.email, row.form_url) for row in rows]


def my_link(world: World, email: str, **values: Any) -> Any:
    return world.client.post("/nl/my-link", data=world.form(email=email, **values))


def test_sec_07_my_link_answers_the_same_for_everybody(build: Build) -> None:
    world = build(work_bits=0)
    for name, state in (
        ("lezer", SubscriberState.ACTIVE),
        ("wacht", SubscriberState.PENDING),
        ("weg", SubscriberState.LEFT),
    ):
        world.add(name, state)
    world.suppress("klacht@voorbeeld.example")
    names = ("lezer", "wacht", "weg", "klacht", "niemand")
    seen = set()
    for name in names:
        answer = my_link(world, f"{name}@voorbeeld.example")
        seen.add((answer.status_code, answer.location, answer.data, headers_of(answer)))
    assert len(seen) == 1
    assert seen.pop()[:2] == (303, "/nl/my-link?sent=1")
    assert asked(world) == [
        (RequestKind.LINK, f"{name}@voorbeeld.example", "https://nieuws.test/nl/my-link")
        for name in names
    ]
    assert "Kijk in je mailbox" in world.client.get("/nl/my-link?sent=1").text


def test_my_link_ends_in_a_letter_to_readers_only(build: Build) -> None:
    world = build(work_bits=0)
    world.add("lezer", SubscriberState.ACTIVE)
    world.add("weg", SubscriberState.LEFT)
    for name in ("lezer", "weg", "niemand"):
        my_link(world, f"{name}@voorbeeld.example")
    with world.database.write() as session:
        settling.settle_requests(session, world.settings, datetime.now(UTC))
    with world.database.read() as session:
        (letter,) = session.scalars(select(Notice))
    assert (letter.kind, letter.email) == (NoticeKind.PREFERENCES, "lezer@voorbeeld.example")


def test_sec_04_my_link_has_the_protection_of_the_form(world: World) -> None:
    page = world.client.get("/nl/my-link").text
    for part in (f'name="{HONEYPOT}"', 'name="token"', 'name="work"', "work.js"):
        assert part in page
    before = world.dump()
    trapped = my_link(world, "jan@voorbeeld.example", **{HONEYPOT: "x"})
    outdated = my_link(world, "jan@voorbeeld.example", token="x")
    wrong = my_link(world, "geen adres")
    assert [answer.status_code for answer in (trapped, outdated, wrong)] == [422, 422, 422]
    assert 'aria-describedby="email-problem"' in wrong.text
    assert 'value="geen adres"' in wrong.text
    rows = {table: content for table, content in world.dump() if table != "tallies"}
    assert rows == {table: content for table, content in before if table != "tallies"}


def test_sec_16_my_link_says_when_there_is_room_again(build: Build) -> None:
    world = build(work_bits=0, signup_ip_rate=Rate(1, 3600))
    answers = [my_link(world, "jan@voorbeeld.example") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert int(answers[1].headers["Retry-After"]) > 0
    assert 'value="jan@voorbeeld.example"' in answers[1].text


def test_my_link_is_found_from_every_page_and_from_a_broken_link(world: World) -> None:
    assert 'href="/fr/my-link"' in world.client.get("/fr/").text
    broken = world.client.get("/de/preferences/x").text
    assert broken.count('href="/de/my-link"') == 2


def test_sec_17_no_page_of_these_sets_a_cookie(world: World) -> None:
    _jan, url = reader(world)
    for path in (url, "/nl/my-link", "/nl/my-link?sent=1"):
        assert "Set-Cookie" not in world.client.get(path).headers
