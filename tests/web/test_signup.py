"""Signing up: one answer for everybody, nothing lost, and no machine gets through by haste."""

import re
from typing import Any

import psycopg
import pytest
from markupsafe import Markup
from sqlalchemy import event, select, text

from newsletter.app import create_app
from newsletter.db import connect
from newsletter.i18n import LOCALES
from newsletter.models import SignupRequest, SubscriberState
from newsletter.subscribers import consent
from newsletter.tokens import Purpose
from newsletter.web.answers import HONEYPOT
from tests.web.conftest import Build, World


def requests(world: World) -> list[SignupRequest]:
    with world.database.read() as session:
        return list(session.scalars(select(SignupRequest).order_by(SignupRequest.id)))


def test_the_form_is_answered_with_a_redirect_and_kept(world: World) -> None:
    form = world.form(topics=["bestuur", "milieu"], cadence="weekly")
    answer = world.client.post(
        "/nl/signup",
        data=form,
        headers={"User-Agent": "Lezer/1"},
        environ_base={"REMOTE_ADDR": "203.0.113.5"},
    )
    assert answer.status_code == 303
    assert answer.location == "/nl/check-your-mail"
    (asked,) = requests(world)
    assert (asked.email, asked.locale, asked.cadence) == (form["email"], "nl", "weekly")
    assert (asked.topics, asked.wording) == ("bestuur|milieu", "signup-1.nl")
    assert (asked.ip, asked.user_agent) == ("203.0.113.5", "Lezer/1")
    assert asked.form_url == "https://nieuws.test/nl/"


def test_the_answer_is_the_same_for_everybody(world: World) -> None:
    for state in SubscriberState:
        if state is not SubscriberState.ERASED:
            world.add(state.value, state)
    world.suppress("klacht@voorbeeld.example")
    names = ["onbekend", "pending", "active", "left", "suppressed", "klacht", "active"]
    answers = set()
    for name in names:
        form = world.form(email=f"{name}@voorbeeld.example")
        answer = world.client.post("/nl/signup", data=form)
        answers.add((answer.status, str(answer.headers), answer.data))
    assert len(answers) == 1
    assert len(requests(world)) == len(names)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_consent_sentence_stands_beside_the_button(world: World, locale: str) -> None:
    page = world.client.get(f"/{locale}/").text
    sentence = re.search(r'<p class="consent" id="consent">(.*?)</p>', page)
    assert sentence
    shown = Markup(sentence[1])  # noqa: S704
    assert shown.striptags() == consent.wording(locale).text, "to the letter: it is evidence"
    names = {
        "nl": "privacyverklaring",
        "fr": "déclaration de confidentialité",
        "en": "privacy statement",
        "de": "Datenschutzerklärung",
    }
    assert f'<a href="/{locale}/about/privacy">{names[locale]}</a>' in shown
    assert shown.count("<a ") == 1
    world.client.post(f"/{locale}/signup", data=world.form(locale))
    (asked,) = requests(world)
    assert (asked.locale, asked.wording) == (locale, f"signup-1.{locale}")


@pytest.mark.parametrize("email", ["", "geen adres", "jan@", '"><script>@x.be', "é@voorbeeld.be"])
def test_a_wrong_address_comes_back_with_the_form(world: World, email: str) -> None:
    answer = world.client.post("/fr/signup", data=world.form("fr", email=email, topics=["sdg"]))
    assert answer.status_code == 422
    page = answer.text
    assert '<a href="#email">' in page
    assert 'aria-describedby="email-problem"' in page
    assert 'id="email-problem"' in page
    assert "<title>Erreur" in page
    assert 'value="sdg" checked' in page
    assert "<script" not in page
    if email.isalnum():
        assert f'value="{email}"' in page
    assert not requests(world)


def test_the_typed_value_is_kept(world: World) -> None:
    page = world.client.post("/nl/signup", data=world.form(email="jan@voorbeeld")).text
    assert 'value="jan@voorbeeld"' in page


@pytest.mark.parametrize(
    "change",
    [
        {"age": 25 * 3600},
        {"made": ""},
        {"made": "A" * 36},
        {"wording": "signup-0.nl"},
    ],
)
def test_a_form_of_the_wrong_age_asks_to_press_once_more(
    world: World, change: dict[str, Any]
) -> None:
    form = world.form(topics=["sdg"], cadence="weekly", **change)
    answer = world.client.post("/nl/signup", data=form)
    assert answer.status_code == 422
    assert "Druk nog één keer" in answer.text
    assert f'value="{form["email"]}"' in answer.text
    assert 'value="sdg" checked' in answer.text
    assert 'value="weekly" checked' in answer.text
    assert not requests(world)


def test_a_token_of_another_purpose_opens_no_form(world: World) -> None:
    reader = world.add("lezer", SubscriberState.ACTIVE)
    form = world.form(made=world.token(Purpose.PREFERENCES, reader))
    assert world.client.post("/nl/signup", data=form).status_code == 422


def test_what_fills_in_everything_is_not_kept_and_not_lied_to(world: World) -> None:
    form = world.form(topics=["sdg"]) | {HONEYPOT: "Bot"}
    answer = world.client.post("/nl/signup", data=form)
    assert answer.status_code == 422
    assert "veld dat leeg moet blijven" in answer.text
    assert f'value="{form["email"]}"' in answer.text
    assert 'value="sdg" checked' in answer.text
    field = re.search(
        rf'<div class="field">\s*<label for="{HONEYPOT}">.*?</div>', answer.text, re.S
    )
    assert field, "a person can see it now"
    assert "Bot" not in answer.text
    assert not requests(world)


def test_no_browser_knows_the_field_that_stays_empty(world: World) -> None:
    page = world.client.get("/nl/").text
    hidden = re.search(r'<div class="nobody" aria-hidden="true">.*?</div>', page, re.S)
    assert hidden
    assert f'name="{HONEYPOT}" tabindex="-1" autocomplete="off"' in hidden[0]
    assert "Laat dit veld leeg" in hidden[0]
    known = "name|nick|mail|tel|phone|address|street|city|zip|country|company|org|url|user|title"
    assert not re.search(known, HONEYPOT)


def test_nobody_is_told_of_haste_that_is_not_measured(world: World) -> None:
    answer = world.client.post("/nl/signup", data=world.form(made=""))
    assert "snel" not in answer.text


def test_what_is_not_on_offer_is_left_out(world: World) -> None:
    form = world.form(topics=["sdg", "onzin", "a|b"], cadence="hourly") | {"locale": "xx"}
    assert world.client.post("/nl/signup", data=form).status_code == 303
    (asked,) = requests(world)
    assert (asked.topics, asked.cadence, asked.locale) == ("sdg", "monthly", "nl")


def test_nothing_is_ticked_beforehand(world: World) -> None:
    page = world.client.get("/nl/").text
    assert not re.search(r'type="checkbox"[^>]*checked', page)


def test_one_cadence_is_no_question(build: Build) -> None:
    world = build(cadences={"monthly": "0 9 * * tue#1"})
    assert 'name="cadence"' not in world.client.get("/nl/").text


def test_a_form_that_is_too_large_is_refused(world: World) -> None:
    answer = world.client.post("/nl/signup", data=world.form(email="x" * 70_000))
    assert answer.status_code == 413
    assert "Dat is te veel" in answer.text
    assert not requests(world)


def test_the_sender_behind_a_proxy(build: Build) -> None:
    headers = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
    for proxies, ip in ((0, "127.0.0.1"), (1, "203.0.113.7"), (2, "198.51.100.9")):
        world = build(trusted_proxies=proxies)
        world.client.post("/nl/signup", data=world.form(), headers=headers)
        assert requests(world)[-1].ip == ip


# On SQLite each transaction that may write locks the whole file.
LOCK = {"sqlite": "SELECT 1", "postgresql": "LOCK TABLE signup_requests"}


def test_a_locked_database_loses_nothing(world: World) -> None:
    impatient = connect(world.settings.database_url)
    event.listen(impatient.engine, "connect", _impatiently)
    site = World(create_app(world.settings, impatient), world.settings, impatient)
    with world.database.write() as other:
        other.execute(text(LOCK[impatient.engine.name]))
        answer = site.client.post("/nl/signup", data=site.form())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert "Even geduld" in answer.text
    assert site.client.post("/nl/signup", data=site.form()).status_code == 303
    assert len(requests(world)) == 1
    impatient.engine.dispose()


def _impatiently(connection: Any, _record: Any) -> None:
    if isinstance(connection, psycopg.Connection):
        connection.execute("SET lock_timeout = '50ms'")
        connection.commit()
    else:
        connection.execute("PRAGMA busy_timeout=50")
