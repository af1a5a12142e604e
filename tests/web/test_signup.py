"""Signing up: one answer for everybody, nothing lost, and no machine gets through by haste."""

import hashlib
import random
import re
import statistics
import time
from typing import Any

import html5lib
import psycopg
import pytest
from markupsafe import Markup
from sqlalchemy import event, select, text

import config
from newsletter.app import create_app
from newsletter.db import connect
from newsletter.i18n import LOCALES
from newsletter.models import FormRequest, SubscriberState
from newsletter.settings.parsing import Rate
from newsletter.subscribers import consent
from newsletter.tokens import Purpose
from newsletter.web.answers import HONEYPOT
from tests.web.conftest import Build, World, headers_of


def requests(world: World) -> list[FormRequest]:
    with world.database.read() as session:
        return list(session.scalars(select(FormRequest).order_by(FormRequest.id)))


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


def test_sec_07_the_answer_is_the_same_for_everybody(world: World) -> None:
    for state in SubscriberState:
        if state is not SubscriberState.ERASED:
            world.add(state.value, state)
    world.suppress("klacht@voorbeeld.example")
    names = ["onbekend", "pending", "active", "left", "suppressed", "klacht", "active"]
    answers = set()
    for name in names:
        form = world.form(email=f"{name}@voorbeeld.example")
        answer = world.client.post("/nl/signup", data=form)
        answers.add((answer.status, headers_of(answer), answer.data))
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
    assert "<script>" not in page
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
        {"token": ""},
        {"token": "A" * 36},
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
    form = world.form(token=world.token(Purpose.PREFERENCES, reader))
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
    answer = world.client.post("/nl/signup", data=world.form(token=""))
    assert "snel" not in answer.text


def test_what_is_not_on_offer_is_left_out(world: World) -> None:
    form = world.form(topics=["sdg", "onzin", "a|b"], cadence="hourly") | {"locale": "xx"}
    assert world.client.post("/nl/signup", data=form).status_code == 303
    (asked,) = requests(world)
    assert (asked.topics, asked.cadence, asked.locale) == ("sdg", "monthly", "nl")


def test_prv_01_nothing_is_ticked_beforehand(world: World) -> None:
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


def test_the_language_of_the_mail_is_a_choice_and_the_pages_own_by_default(world: World) -> None:
    page = world.client.get("/fr/signup").text
    assert 'name="locale" value="fr" checked> <span lang="fr">Français' in page
    assert page.count('name="locale"') == len(LOCALES)
    world.client.post("/fr/signup", data=world.form("fr") | {"locale": "de"})
    (asked,) = requests(world)
    assert (asked.locale, asked.wording) == ("de", "signup-1.fr")


def test_prv_01_the_proof_says_what_the_page_showed(world: World) -> None:
    for locale in LOCALES:
        world.client.post(f"/{locale}/signup", data=world.form(locale))
    for asked, locale in zip(requests(world), LOCALES, strict=True):
        statement = world.settings.content_dir / f"pages/privacy.{locale}.md"
        form = config.PROJECT_DIR / "templates/public/_form.html"
        assert asked.facts == {
            "privacy": {
                "version": "2026-11-23",
                "sha256": hashlib.sha256(statement.read_bytes()).hexdigest(),
            },
            "template": hashlib.sha256(form.read_bytes()).hexdigest(),
            "work": "done",
        }


@pytest.mark.parametrize("path", ["/nl/signup", "/nl/my-link"])
def test_sec_14_a_form_that_is_none_of_ours_is_told_so_whatever_else_is_wrong(
    world: World, path: str
) -> None:
    """Without a session the signed token is what a form from elsewhere lacks; scanners that fill in
    everything look whether it counts."""
    form = world.form() | {HONEYPOT: "x"}
    ours, forged = (
        world.client.post(path, data=form | {"token": token}).text for token in (form["token"], "x")
    )
    assert "Laat dit veld leeg" in ours
    assert 'class="nobody"' not in ours
    assert 'class="nobody"' in forged


def test_prv_10_the_form_asks_for_an_address_and_choices_only(world: World) -> None:
    page = html5lib.parse(world.client.get("/nl/signup").text, namespaceHTMLElements=False)
    fields = {field.get("name") for field in page.findall(".//form//input")}
    hidden = {"token", "work", "wording", HONEYPOT}
    assert fields == {"email", "locale", "topics", "cadence"} | hidden


# --- typing mistakes ------------------------------------------------------------------------------


def test_a_typing_mistake_gets_a_question_with_two_buttons(world: World) -> None:
    form = world.form(email="jan@gmial.com", topics=["sdg"])
    answer = world.client.post("/nl/signup", data=form)
    assert answer.status_code == 200
    page = answer.text
    assert re.search(r'name="use" value="jan@gmail.com">Ja, gebruik dat adres</button>', page)
    assert "Nee, mijn adres klopt" in page
    assert 'aria-describedby="suggestion"' in page
    assert 'value="jan@gmial.com"' in page
    assert 'value="sdg" checked' in page
    assert page.index('aria-describedby="consent"') < page.index('name="use"'), "Enter is not yes"
    assert not requests(world)


def test_each_of_the_two_buttons_goes_on(world: World) -> None:
    form = world.form(email="jan@gmial.com", sure="jan@gmial.com")
    assert world.client.post("/nl/signup", data=form).status_code == 303
    assert world.client.post("/nl/signup", data=form | {"use": "jan@gmail.com"}).status_code == 303
    assert [asked.email for asked in requests(world)] == ["jan@gmial.com", "jan@gmail.com"]


def test_who_was_sure_of_another_address_is_asked_again(world: World) -> None:
    form = world.form(email="jan@hotmial.com", sure="jan@gmial.com")
    assert "jan@hotmail.com" in world.client.post("/nl/signup", data=form).text
    assert not requests(world)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_sec_16_who_must_wait_is_told_so_whoever_they_are(build: Build, locale: str) -> None:
    world = build(signup_ip_rate=Rate(1, 3600))
    world.add("lezer", SubscriberState.ACTIVE)
    world.client.post(f"/{locale}/signup", data=world.form(locale))
    pages = set()
    for name in ("lezer", "onbekend"):
        email = f"{name}@voorbeeld.example"
        form = world.form(locale, email=email, topics=["sdg"])
        answer = world.client.post(f"/{locale}/signup", data=form)
        assert answer.status_code == 429
        assert 3590 <= int(answer.headers["Retry-After"]) <= 3600
        assert f'value="{email}"' in answer.text
        assert 'value="sdg" checked' in answer.text
        assert f'<a href="mailto:{world.settings.org_email}">' in answer.text
        pages.add(re.sub(r'name="token" value="[^"]*"', "", answer.text.replace(email, "")))
    assert len(pages) == 1
    assert len(requests(world)) == 1


def test_sec_16_the_limit_is_the_same_for_every_page(build: Build) -> None:
    world = build(signup_ip_rate=Rate(1, 3600))
    routes = ("/nl/signup", "/fr/signup", "/nl/embed", "/nl/my-link")
    forms = [world.form(route[1:3]) for route in routes]
    answers = [
        world.client.post(route, data=form) for route, form in zip(routes, forms, strict=True)
    ]
    assert [answer.status_code for answer in answers] == [303, 429, 429, 429]


# --- a form on another site -----------------------------------------------------------------------


def test_a_form_elsewhere_leads_to_ours_filled_in_and_changes_nothing(world: World) -> None:
    before = world.dump()
    sent = {"email": "jan@voorbeeld.example", "topics": "sdg", "locale": "fr"}
    answer = world.client.post(
        "/nl/signup/start", data=sent, headers={"Origin": "https://www.gemeente.example"}
    )
    assert answer.status_code == 200
    page = answer.text
    assert 'value="jan@voorbeeld.example"' in page
    assert 'value="sdg" checked' in page
    assert 'name="locale" value="fr" checked' in page
    assert 'action="/nl/signup"' in page
    assert 'rel="canonical"' not in page
    assert "Set-Cookie" not in answer.headers
    assert world.client.get("/de/signup/start").status_code == 200
    assert world.dump() == before


# --- never again ----------------------------------------------------------------------------------


def test_sec_06_never_again_is_a_page_with_a_button_and_one_post(world: World) -> None:
    someone = world.add("slachtoffer", SubscriberState.PENDING)
    path = f"/nl/never/{world.token(Purpose.NEVER, someone)}"
    before = world.dump()
    for method in ("GET", "HEAD"):
        page = world.client.open(path, method=method)
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
    assert "s…r@voorbeeld.example" in world.client.get(path).text
    assert world.dump() == before
    done = world.client.post(path)
    after = world.dump()
    assert done.status_code == 200
    assert "We schrijven je niet meer" in done.text
    assert "slachtoffer" not in str(after)
    for again in (world.client.get(path), world.client.post(path)):
        assert again.data == done.data
    assert world.dump() == after
    assert world.client.post("/nl/never/onbekend").status_code == 404


# --- the same for everybody -----------------------------------------------------------------------

KINDS = ("nieuw", "pending", "active", "left", "klacht")


def everybody(world: World) -> None:
    """A subscriber of each kind; of `nieuw` nobody knows anything."""
    for state in (SubscriberState.PENDING, SubscriberState.ACTIVE, SubscriberState.LEFT):
        world.add(state.value, state)
    world.suppress("klacht@voorbeeld.example")


@pytest.mark.slow
def test_sec_07_the_answer_takes_as_long_for_everybody(build: Build) -> None:
    """200 requests by turns: the medians of the kinds differ no more than those of chance do.

    Chance: the same times, dealt out anew within each turn. One round in a hundred differs more.
    """
    world = build(signup_ip_rate=None, signup_rate=None)
    everybody(world)
    assert any(_alike(world) for _round in range(3))


def _alike(world: World) -> bool:
    turns = [_turn(world, turn) for turn in range(40)]
    dealt, dice = [], random.Random(7)
    for _deal in range(200):
        dealt.append(_spread([dice.sample(turn, len(turn)) for turn in turns]))
    return _spread(turns) <= sorted(dealt)[-2]


def _turn(world: World, turn: int) -> list[float]:
    """The seconds of one request for each kind, in another order each turn; bytes alike."""
    took, answers = [0.0] * len(KINDS), set()
    for place in range(len(KINDS)):
        kind = (turn + place) % len(KINDS)
        form = world.form(email=f"{KINDS[kind]}@voorbeeld.example")
        start = time.perf_counter()
        answer = world.client.post("/nl/signup", data=form)
        took[kind] = time.perf_counter() - start
        answers.add((answer.status, headers_of(answer), answer.data))
    assert len(answers) == 1
    return took


def _spread(turns: list[list[float]]) -> float:
    medians: list[float] = [statistics.median(times) for times in zip(*turns, strict=True)]
    return max(medians) - min(medians)


# On SQLite each transaction that may write locks the whole file.
LOCK = {"sqlite": "SELECT 1", "postgresql": "LOCK TABLE requests"}


def test_a_locked_database_loses_nothing(world: World) -> None:
    impatient = connect(world.settings.database_url)
    event.listen(impatient.engine, "connect", impatiently)
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


def impatiently(connection: Any, _record: Any) -> None:
    if isinstance(connection, psycopg.Connection):
        connection.execute("SET lock_timeout = '50ms'")
        connection.commit()
    else:
        connection.execute("PRAGMA busy_timeout=50")
