"""The ways out, as mail programs, scanners, people and guessers use them."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from newsletter.i18n import LOCALES
from newsletter.models import (
    Consent,
    Issue,
    LeavingReason,
    Notice,
    Subscriber,
    SubscriberState,
    SurveyAnswer,
)
from newsletter.notices import writing
from newsletter.subscribers import privacy
from newsletter.tokens import Purpose, Tokens
from tests.web.conftest import Build, World, headers_of

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
BODY = b"List-Unsubscribe=One-Click"
PARTS = (
    b"--x\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--x--\r\n"
)
ACTIVE, LEFT = SubscriberState.ACTIVE, SubscriberState.LEFT
LOCAL = {"REMOTE_ADDR": "203.0.113.9"}


def state_of(world: World, subscriber: Subscriber) -> SubscriberState:
    with world.database.read() as session:
        return session.get_one(Subscriber, subscriber.id).state


def link(world: World, subscriber: Subscriber, age: timedelta | None = None) -> str:
    return f"/u/{world.token(Purpose.UNSUBSCRIBE, subscriber, age)}"


def undo_link(world: World, subscriber: Subscriber, locale: str = "nl") -> str:
    keys = Tokens(world.settings.secret_key)
    moment = datetime.now(UTC)
    token = keys.issue(Purpose.UNDO, subscriber.id, moment, subscriber.canonical or "")
    return f"/{locale}/undo/{token}"


def gone(world: World, name: str = "jan", locale: str = "nl") -> Subscriber:
    """Somebody who has just left by the button."""
    someone = world.add(name, ACTIVE, locale)
    assert world.client.post(link(world, someone)).status_code == 200
    return someone


def routes(world: World, subscriber: Subscriber) -> list[str]:
    with world.database.read() as session:
        mine = select(Consent).where(Consent.subscriber_id == subscriber.id).order_by(Consent.id)
        return [consent.route for consent in session.scalars(mine)]


@pytest.mark.parametrize(
    ("body", "kind", "route"),
    [
        (BODY, URLENCODED, "one-click"),
        (BODY, f"{URLENCODED}; charset=UTF-8", "one-click"),
        (BODY + b"&utm=1&List-Unsubscribe=again", URLENCODED, "one-click"),
        (PARTS, f"{MULTIPART}; boundary=x", "one-click"),
        (PARTS, MULTIPART, "one-click"),
        (BODY, "text/plain", "one-click"),
        (BODY, "", "one-click"),
        (b"", URLENCODED, "page"),
        (b"", "", "page"),
        (b"\xff\x00", "application/json", "page"),
    ],
)
def test_uns_03_however_the_body_is_dressed(
    world: World, body: bytes, kind: str, route: str
) -> None:
    jan = world.add("jan", ACTIVE)
    answer = world.client.post(link(world, jan), data=body, content_type=kind or None)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert state_of(world, jan) is LEFT
    assert routes(world, jan) == [route]


def test_uns_03_a_machine_gets_a_short_answer_and_a_person_a_page(world: World) -> None:
    url = link(world, world.add("jan", ACTIVE))
    answer = world.client.post(url, data=ONE_CLICK)
    assert answer.mimetype == "text/plain"
    assert answer.text.splitlines()[0] == "Je bent uitgeschreven."
    assert len(answer.text.splitlines()) == len(LOCALES)
    assert answer.headers["Cache-Control"] == "no-store"
    assert world.client.post(url).mimetype == "text/html"


@pytest.mark.parametrize("base_url", ["https://nieuws.test", "http://localhost:5000"])
def test_the_shortcut_answers_word_for_word_as_the_site_does(build: Build, base_url: str) -> None:
    world = build(base_url=base_url)
    url = link(world, world.add("jan", ACTIVE))
    short, through = (world.client.post(path, data=ONE_CLICK) for path in (url, f"{url}/"))
    assert short.data == through.data
    assert headers_of(short) == headers_of(through)


def test_when_the_database_is_away_the_machine_is_asked_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    url = link(world, world.add("jan", ACTIVE))
    monkeypatch.setattr("newsletter.web.leaving.leaving.leave_all", away)
    answer = world.client.post(url, data=ONE_CLICK)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_body_that_is_too_long_is_refused(world: World) -> None:
    jan = world.add("jan", ACTIVE)
    body = BODY + b"&x=" + b"y" * 70_000
    answer = world.client.post(link(world, jan), data=body, content_type=URLENCODED)
    assert answer.status_code == 413
    assert state_of(world, jan) is ACTIVE


def test_uns_04_no_redirect_behind_a_proxy_either(build: Build) -> None:
    world = build(trusted_proxies=1)
    url = link(world, world.add("jan", ACTIVE))
    headers = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "1.2.3.4", "Host": "www.test"}
    for path in (url, f"{url}/", f"{url}?locale=fr"):
        for https in ("http://nieuws.test", "https://elders.test"):
            answer = world.client.post(path, base_url=https, data=ONE_CLICK, headers=headers)
            assert answer.status_code == 200
            assert "Location" not in answer.headers


@pytest.mark.parametrize("left", [False, True])
def test_uns_05_a_hundred_looks_change_nothing(world: World, left: bool) -> None:
    jan = gone(world) if left else world.add("jan", ACTIVE)
    urls = [link(world, jan), f"{link(world, jan)}/why", undo_link(world, jan)]
    before = world.dump()
    for url in ("/u/x", "/u/x/why", "/nl/undo/x"):
        assert world.client.get(url).status_code == world.client.head(url).status_code == 404
    for _look in range(34):
        for method in ("GET", "HEAD", "OPTIONS"):
            for url in urls:
                answer = world.client.open(url, method=method, query_string=ONE_CLICK)
                assert answer.status_code == 200
    assert world.dump() == before


@pytest.mark.parametrize("path", ["/u/{}", "/u/{}/why", "/nl/undo/{}"])
def test_other_methods_are_refused(world: World, path: str) -> None:
    jan = world.add("jan", ACTIVE)
    url, before = path.format(world.token(Purpose.UNSUBSCRIBE, jan)), world.dump()
    for method in ("PUT", "DELETE", "PATCH"):
        answer = world.client.open(url, method=method, data=ONE_CLICK)
        assert answer.status_code == 405
        assert {"GET", "HEAD", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert world.dump() == before


def test_uns_07_both_parts_of_a_mail_lead_out_without_a_login(issued: World) -> None:
    """The visible link, and at most one further click, for a client without cookies."""
    jan = issued.add("jan", ACTIVE, "fr")
    with issued.database.read() as session:
        notice = Notice(
            id=1, kind="welcome", subscriber_id=jan.id, email=jan.email, locale="fr", facts={}
        )
        letter = writing.write(issued.settings, notice, jan, datetime.now(UTC))
        assert session.scalars(select(Issue)).first()
    found = {
        re.search(r"https://nieuws\.test(/u/[\w-]{36})", part) for part in letter_parts(letter)
    }
    ways = {match[1] for match in found if match}
    assert len(ways) == 1, "the same way out in text and HTML"
    way = ways.pop()
    page = issued.client.get(way)
    assert page.status_code == 200
    assert page.text.count("<form") == page.text.count("<button") == 1
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert action
    assert issued.client.post(action[1]).status_code == 200
    assert state_of(issued, jan) is LEFT


def letter_parts(letter: Any) -> tuple[str, str]:
    return letter.text, letter.html


def test_uns_08_no_flipped_character_leads_out(world: World) -> None:
    good = world.token(Purpose.UNSUBSCRIBE, world.add("jan", ACTIVE))
    before = [table for table in world.dump() if table[0] != "limits"]
    for place, sign in enumerate(good):
        flipped = good[:place] + ("A" if sign != "A" else "B") + good[place + 1 :]
        answer = world.client.post(
            f"/u/{flipped}", data=ONE_CLICK, environ_base={"REMOTE_ADDR": f"203.0.113.{place}"}
        )
        assert answer.status_code == 404
    assert [table for table in world.dump() if table[0] != "limits"] == before


def test_uns_09_the_link_works_for_ever(world: World, build: Build) -> None:
    jan = world.add("jan", ACTIVE)
    old = link(world, jan, timedelta(days=4000))
    rotated = build(
        secret_keys=("a fresh key that is long enough", world.settings.secret_key),
    )
    for _again in range(3):
        assert rotated.client.post(old, data=ONE_CLICK).status_code == 200
    assert state_of(world, jan) is LEFT
    with world.database.write() as session:
        privacy.erase(
            session, world.settings, session.get_one(Subscriber, jan.id), datetime.now(UTC)
        )
    assert rotated.client.post(old, data=ONE_CLICK).status_code == 200
    page = world.client.get(old)
    assert page.status_code == 200
    assert "<form" not in page.text, "who was erased is asked nothing"


def test_uns_13_a_thousand_links_of_ours_pass_and_guesses_are_slowed(world: World) -> None:
    people = [world.add(f"p{number}", ACTIVE) for number in range(4)]
    urls = [link(world, one) for one in people]

    def post(url: str) -> int:
        return world.client.post(url, data=ONE_CLICK, environ_base=LOCAL).status_code

    guesses = [post("/u/" + "x" * 36) for _guess in range(50)]
    assert set(guesses) == {404, 429}
    assert guesses == sorted(guesses), "refused once they are too many"
    assert 10 <= guesses.count(404) <= 30
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(post, urls * 250)) == {200}
    for path in ("/u/x/why", "/nl/undo/x"):
        refused = world.client.post(path, environ_base=LOCAL)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert world.client.get(path, environ_base=LOCAL).status_code == 404
    assert world.client.post("/u/x").status_code == 404, "others are not to blame"


@pytest.mark.parametrize("locale", LOCALES)
def test_prv_07_leaving_can_be_undone_by_one_button(world: World, locale: str) -> None:
    jan = gone(world, locale=locale)
    url = undo_link(world, jan, locale)
    page = world.client.get(url)
    assert page.status_code == 200
    assert page.text.count("<form") == page.text.count("<button") == 1
    assert "j…n@voorbeeld.example" in page.text
    assert f'href="/{locale}/about/privacy"' in page.text
    for _press in range(2):
        answer = world.client.post(url)
        assert answer.status_code == 200
        assert f"/{locale}/preferences/" in answer.text
        assert "<form" not in answer.text
    assert state_of(world, jan) is ACTIVE
    assert routes(world, jan) == ["page", "undo"]


def test_undoing_too_late_offers_to_sign_up_again(build: Build) -> None:
    world = build(undo_days=0)
    jan = gone(world)
    for answer in (
        world.client.get(undo_link(world, jan)),
        world.client.post(undo_link(world, jan)),
    ):
        assert answer.status_code == 200
        assert "Deze link werkt niet meer" in answer.text
        assert 'href="/nl/signup"' in answer.text
    assert state_of(world, jan) is LEFT


def answers(world: World) -> list[LeavingReason]:
    with world.database.read() as session:
        return [row.reason for row in session.scalars(select(SurveyAnswer))]


def test_the_question_comes_after_leaving_and_needs_no_answer(world: World) -> None:
    jan = world.add("jan", ACTIVE, "en")
    url = link(world, jan)
    assert 'name="reason"' not in world.client.get(url).text
    early = world.client.post(f"{url}/why", data={"reason": "too_much"})
    assert early.status_code == 422
    assert "You have not unsubscribed yet." in early.text
    page = world.client.post(url).text
    assert page.count('name="reason"') == len(LeavingReason)
    assert " checked" not in page
    action = re.search(r'action="(/u/[^"]+/why)"', page)
    assert action
    for reason in ("too_much", "other"):
        answer = world.client.post(action[1], data={"reason": reason})
        assert answer.status_code == 200
        assert "Thank you for your answer." in answer.text
        assert 'name="reason"' not in answer.text
    assert answers(world) == [LeavingReason.OTHER]


@pytest.mark.parametrize("sent", [{}, {"reason": ""}, {"reason": "x"}, {"reason": "erased\0"}])
def test_an_answer_that_is_not_on_offer_is_refused(world: World, sent: dict[str, str]) -> None:
    jan = gone(world)
    answer = world.client.post(f"{link(world, jan)}/why?locale=de", data=sent)
    assert answer.status_code == 422
    assert '<a href="#reason">Wählen Sie eine Antwort aus der Liste.</a>' in answer.text
    assert 'id="reason"' in answer.text
    assert "/why?locale=de" in answer.text
    assert answers(world) == []


@pytest.mark.parametrize("path", [link, undo_link])
def test_pages_to_leave_and_return_name_nobody(
    world: World, path: Callable[[World, Subscriber], str]
) -> None:
    answer = world.client.get(path(world, gone(world)))
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "jan@voorbeeld.example" not in answer.text
    assert 'rel="canonical"' not in answer.text
