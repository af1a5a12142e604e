"""Behind the links of our mails: a machine's look changes nothing, a person's press does."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path as PathOnDisk
from typing import Any

import pytest
from sqlalchemy import select

from newsletter.i18n import LOCALES
from newsletter.jobs import tasks
from newsletter.models import (
    Consent,
    ConsentEvent,
    Notice,
    NoticeKind,
    Subscriber,
    SubscriberState,
    Suppression,
)
from newsletter.subscribers.preferences import topics_of
from newsletter.tokens import Purpose
from newsletter.web.answers import TOPICS_SHOWN
from tests.web.conftest import Build, World

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
Path = Callable[[str], str]
PATHS: list[tuple[Purpose, Path]] = [
    (Purpose.CONFIRM, "/nl/confirm/{}".format),
    (Purpose.UNSUBSCRIBE, "/u/{}".format),
    (Purpose.PREFERENCES, "/nl/preferences/{}".format),
]


def state_of(world: World, subscriber: Subscriber) -> SubscriberState:
    with world.database.read() as session:
        return session.get_one(Subscriber, subscriber.id).state


def kept(world: World) -> list[Any]:
    """Everything in the database but how often somebody tried a bad link."""
    return [table for table in world.dump() if table[0] != "limits"]


def routes(world: World, subscriber: Subscriber) -> list[str]:
    with world.database.read() as session:
        mine = select(Consent).where(Consent.subscriber_id == subscriber.id).order_by(Consent.id)
        return [consent.route for consent in session.scalars(mine)]


@pytest.mark.parametrize(("purpose", "path"), PATHS)
@pytest.mark.parametrize("state", [SubscriberState.PENDING, SubscriberState.ACTIVE])
def test_uns_05_sec_02_looking_changes_nothing(
    world: World, purpose: Purpose, path: Path, state: SubscriberState
) -> None:
    url = path(world.token(purpose, world.add("jan", state)))
    before = world.dump()
    for _ in range(3):
        assert world.client.get(url).status_code == 200
        assert world.client.head(url).status_code == 200
        assert world.client.options(url).status_code == 200
        assert world.client.get(url, query_string=ONE_CLICK).status_code == 200
    assert world.client.put(url, data=ONE_CLICK).status_code == 405
    assert world.client.delete(url).status_code == 405
    assert world.dump() == before


@pytest.mark.parametrize(("purpose", "path"), PATHS)
def test_sec_10_pages_with_a_token_are_nobodys_business(
    world: World, purpose: Purpose, path: Path
) -> None:
    url = path(world.token(purpose, world.add("jan", SubscriberState.PENDING)))
    answer = world.client.get(url)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert 'rel="canonical"' not in answer.text
    assert "jan@voorbeeld.example" not in answer.text


@pytest.mark.parametrize(("purpose", "path"), PATHS)
def test_sec_08_every_bad_link_gets_one_answer(world: World, purpose: Purpose, path: Path) -> None:
    jan, els = world.add("jan", SubscriberState.PENDING), world.add("els", SubscriberState.PENDING)
    good = world.token(purpose, jan)
    other = Purpose.CONFIRM if purpose is not Purpose.CONFIRM else Purpose.UNSUBSCRIBE
    ghost = Subscriber(id=999, canonical="x@voorbeeld.example")
    bad = [
        good[:-1],
        good + "A",
        "x",
        "%00",
        "é" * 36,
        good[:20] + ("A" if good[20] != "A" else "B") + good[21:],
        world.token(other, jan),
        world.token(purpose, ghost),
    ]
    if purpose is Purpose.CONFIRM:
        bad += [world.token(purpose, jan, timedelta(days=8))]
    before, seen = kept(world), set()
    for token in bad:
        for answer in (world.client.get(path(token)), world.client.post(path(token))):
            body = re.sub(r'(?:/confirm/|/preferences/|/u/)[^"?]*', "", answer.text)
            seen.add((answer.status_code, body))
            assert answer.headers["Cache-Control"] == "no-store"
    assert len(seen) == 1
    assert seen.pop()[0] == 404
    assert kept(world) == before
    assert state_of(world, els) is SubscriberState.PENDING


def test_a_person_confirms(world: World) -> None:
    jan = world.add("jan", SubscriberState.PENDING)
    url = f"/fr/confirm/{world.token(Purpose.CONFIRM, jan)}"
    page = world.client.get(url).text
    assert "j…n@voorbeeld.example" in page
    assert page.count("<form") == 1
    answer = world.client.post(url)
    assert answer.status_code == 200
    assert "Bienvenue" in answer.text
    assert state_of(world, jan) is SubscriberState.ACTIVE
    preferences = re.search(r'href="(/fr/preferences/[^"]+)"', answer.text)
    assert preferences
    assert world.client.get(preferences[1]).status_code == 200


def test_sec_02_a_used_confirmation_says_so(world: World) -> None:
    url = f"/nl/confirm/{world.token(Purpose.CONFIRM, world.add('jan', SubscriberState.PENDING))}"
    world.client.post(url)
    before = world.dump()
    for answer in (world.client.post(url), world.client.get(url)):
        assert answer.status_code == 200
        assert "Je bent al ingeschreven" in answer.text
    assert world.dump() == before


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_uns_03_one_click_of_a_mail_program(world: World, kind: str) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    url = f"/u/{world.token(Purpose.UNSUBSCRIBE, jan)}"
    answer = world.client.post(url, data=ONE_CLICK, content_type=kind)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert state_of(world, jan) is SubscriberState.LEFT
    assert routes(world, jan) == ["one-click"]


def test_uns_09_the_button_unsubscribes_for_good(world: World) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE, "de")
    url = f"/u/{world.token(Purpose.UNSUBSCRIBE, jan, timedelta(days=2000))}"
    page = world.client.get(url).text
    assert '<html lang="de">' in page
    assert page.count("<form") == page.count("<button") == 1
    for _ in range(3):
        answer = world.client.post(url)
        assert answer.status_code == 200
        assert "Sie sind abgemeldet" in answer.text
        assert 'href="/de/signup"' in answer.text
    assert routes(world, jan) == ["page"]
    assert state_of(world, jan) is SubscriberState.LEFT
    assert "Sie sind abgemeldet" in world.client.get(url).text


def test_the_page_to_leave_in_another_language(world: World) -> None:
    url = f"/u/{world.token(Purpose.UNSUBSCRIBE, world.add('jan', SubscriberState.ACTIVE))}"
    page = world.client.get(url).text
    for locale in LOCALES:
        assert f'href="{url}?locale={locale}" lang="{locale}"' in page
    assert '<html lang="fr">' in world.client.get(f"{url}?locale=fr").text
    assert '<html lang="nl">' in world.client.get(f"{url}?locale=xx").text


def test_uns_04_a_one_click_post_is_never_redirected(world: World) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    token = world.token(Purpose.UNSUBSCRIBE, jan)
    headers = [{}, {"Host": "www.elders.example"}, {"X-Forwarded-Proto": "http"}]
    for extra in headers:
        for url in (f"/u/{token}", f"/u/{token}/", f"/u/{token}?locale=fr"):
            assert world.client.post(url, data=ONE_CLICK, headers=extra).status_code == 200
    assert world.client.post(f"//u/{token}", data=ONE_CLICK).status_code == 404


def test_a_reader_changes_choices(world: World) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    url = f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}"
    wanted = {"locale": "en", "topics": ["milieu", "sdg"], "cadence": "weekly"}
    answer = world.client.post(url, data=wanted)
    assert answer.status_code == 303
    assert answer.location.startswith("/en/preferences/")
    page = world.client.get(answer.location).text
    assert "Your choices have been saved." in page
    for choice in ("en", "milieu", "sdg", "weekly"):
        assert f'value="{choice}" checked' in page
    assert page.count(" checked") == 4
    with world.database.read() as session:
        found = session.get_one(Subscriber, jan.id)
        assert topics_of(session, found) == ("milieu", "sdg")
        events = [row.event for row in session.scalars(select(Consent))]
    assert (found.locale, found.cadence) == ("en", "weekly")
    assert events == [ConsentEvent.CHANGED]


def choices(world: World, subscriber: Subscriber) -> tuple[str, str, tuple[str, ...]]:
    with world.database.read() as session:
        found = session.get_one(Subscriber, subscriber.id)
        return found.locale, found.cadence, topics_of(session, found)


def chooser(world: World) -> tuple[Subscriber, str]:
    """A reader with choices of their own, and the address to change them."""
    jan = world.add("jan", SubscriberState.ACTIVE)
    url = f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}"
    wanted = {"locale": "fr", "topics": ["milieu", "sdg"], "cadence": "weekly"}
    assert world.client.post(url, data=wanted).status_code == 303
    return jan, url


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({}, ("fr", "weekly", ("milieu", "sdg"))),
        ({"locale": "de"}, ("de", "weekly", ("milieu", "sdg"))),
        ({"cadence": "monthly"}, ("fr", "monthly", ("milieu", "sdg"))),
        ({"topics": ["sdg"]}, ("fr", "weekly", ("sdg",))),
        ({TOPICS_SHOWN: "1"}, ("fr", "weekly", ())),
    ],
)
def test_what_is_not_sent_stays(
    world: World, sent: dict[str, Any], kept: tuple[str, str, tuple[str, ...]]
) -> None:
    jan, url = chooser(world)
    assert world.client.post(url, data=sent).status_code == 303
    assert choices(world, jan) == kept


@pytest.mark.parametrize(
    "sent",
    [
        {"locale": "xx"},
        {"locale": ""},
        {"cadence": "hourly"},
        {"cadence": ""},
        {"topics": ["sdg", "onzin"]},
        {"topics": [""]},
        {"topics": ["a|b"], "locale": "de"},
    ],
)
def test_a_choice_that_is_not_on_offer_changes_nothing(world: World, sent: dict[str, Any]) -> None:
    _jan, url = chooser(world)
    before = world.dump()
    answer = world.client.post(url, data=sent)
    assert answer.status_code == 422
    assert "Er is niets veranderd" in answer.text
    assert "uit de lijst" in answer.text
    for choice in ("fr", "milieu", "sdg", "weekly"):
        assert f'value="{choice}" checked' in answer.text
    assert world.dump() == before


def test_the_form_says_that_it_showed_the_topics(
    world: World, build: Build, tmp_path: PathOnDisk
) -> None:
    _jan, url = chooser(world)
    assert f'type="hidden" name="{TOPICS_SHOWN}"' in world.client.get(url).text
    (tmp_path / "topics.toml").write_text("[kapot", "utf-8")
    broken = build(content_dir=tmp_path).client.get(url).text
    assert TOPICS_SHOWN not in broken, "saving would clear topics nobody could see"


def test_the_way_out_stands_on_the_preferences(world: World) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    page = world.client.get(f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}").text
    way = re.search(r'href="(/u/[^"?]+)"', page)
    assert way
    assert world.client.post(way[1]).status_code == 200
    assert state_of(world, jan) is SubscriberState.LEFT


def test_who_left_cannot_come_back_by_choosing(world: World) -> None:
    jan = world.add("jan", SubscriberState.LEFT)
    url = f"/nl/preferences/{world.token(Purpose.PREFERENCES, jan)}"
    before = world.dump()
    for answer in (world.client.get(url), world.client.post(url, data={"locale": "fr"})):
        assert answer.status_code == 303
        assert "Je bent uitgeschreven" in world.client.get(answer.location).text
    assert world.dump() == before


def test_uns_12_one_click_ends_the_newsletter_and_not_what_somebody_asks_for(
    world: World,
) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    token = world.token(Purpose.UNSUBSCRIBE, jan)
    assert world.client.post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    assert world.client.post("/nl/signup", data=world.form(email=jan.email)).status_code == 303
    tasks.settle_signups(world.database, world.settings, threading.Event())
    with world.database.read() as session:
        kinds = [notice.kind for notice in session.scalars(select(Notice).order_by(Notice.id))]
        assert not session.scalars(select(Suppression)).all()
    assert kinds == [NoticeKind.GOODBYE, NoticeKind.CONFIRM]
