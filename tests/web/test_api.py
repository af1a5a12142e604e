"""Signing up by program: the same protection, the same answer, errors that say what is wrong."""

from typing import Any

import pytest
from sqlalchemy import event, select, text
from werkzeug.test import TestResponse

from newsletter.app import create_app
from newsletter.db import connect
from newsletter.models import FormRequest, SubscriberState
from newsletter.settings.parsing import Rate
from newsletter.subscribers import work
from newsletter.web.answers import HONEYPOT
from tests.web.conftest import Build, World
from tests.web.test_signup import LOCK, impatiently

PATH = "/api/v1/subscribe"


def body(world: World, **values: Any) -> dict[str, Any]:
    """What a program sends that took its time over the work."""
    form = world.form()
    sent = {"email": form["email"], "made": form["token"], "locale": "nl"} | values
    sent = {"wording": f"signup-1.{sent['locale']}"} | sent
    return {"work": work.solve(sent["made"], sent["email"], world.settings.work_bits)} | sent


def requests(world: World) -> list[FormRequest]:
    with world.database.read() as session:
        return list(session.scalars(select(FormRequest).order_by(FormRequest.id)))


def problem(answer: TestResponse, status: int) -> str:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    found = answer.get_json()
    assert found["status"] == status
    assert found["type"] == "about:blank"
    assert found["title"]
    return str(found["detail"])


def test_a_challenge_says_what_to_do_and_to_show(world: World) -> None:
    answer = world.client.get("/api/v1/challenge?locale=fr")
    found = answer.get_json()
    assert found["bits"] == world.settings.work_bits
    assert found["wording"]["id"] == "signup-1.fr"
    assert found["privacy"] == "https://nieuws.test/fr/about/privacy"
    assert answer.headers["Cache-Control"] == "no-store"
    done = work.solve(found["made"], "jan@voorbeeld.example", found["bits"])
    sent = {"email": "jan@voorbeeld.example", "made": found["made"], "work": done}
    assert world.client.post(PATH, json=sent).status_code == 422, "which sentence was shown?"
    sent["wording"] = found["wording"]["id"]
    assert world.client.post(PATH, json=sent).status_code == 202


def test_a_request_is_kept_as_one_of_the_form(world: World) -> None:
    sent = body(world, locale="de", topics=["sdg", "milieu"], cadence="weekly")
    answer = world.client.post(PATH, json=sent)
    assert (answer.status_code, answer.get_json()) == (202, {"status": "accepted"})
    (asked,) = requests(world)
    assert (asked.locale, asked.topics, asked.cadence) == ("de", "milieu|sdg", "weekly")
    assert asked.wording == "signup-1.de"
    assert asked.form_url == "https://nieuws.test/api/v1/subscribe"
    assert asked.facts["work"] == "done"
    assert asked.facts["template"] == "api"
    assert asked.facts["privacy"]["version"]


def test_sec_07_the_api_answers_everybody_alike(world: World) -> None:
    for state in (SubscriberState.PENDING, SubscriberState.ACTIVE, SubscriberState.LEFT):
        world.add(state.value, state)
    world.suppress("klacht@voorbeeld.example")
    answers = set()
    for name in ("onbekend", "pending", "active", "left", "klacht"):
        sent = body(world, email=f"{name}@voorbeeld.example")
        answer = world.client.post(PATH, json=sent)
        del answer.headers["X-Request-ID"]  # by chance, for each request
        answers.add((answer.status, str(answer.headers), answer.data))
    assert len(answers) == 1


def test_sec_04_without_work_the_api_takes_the_slow_lane(build: Build) -> None:
    world = build(work_bits=16)
    form = world.form(work="")
    sent = {"email": "x@voorbeeld.example", "made": form["token"], "wording": "signup-1.nl"}
    world.client.post(PATH, json=sent)
    assert requests(world)[0].facts["work"] == "slow lane"


def test_sec_16_the_api_shares_the_limits_of_the_form(build: Build) -> None:
    world = build(signup_ip_rate=Rate(1, 3600))
    assert world.client.post("/nl/signup", data=world.form()).status_code == 303
    answer = world.client.post(PATH, json=body(world))
    assert "te veel aanvragen" in problem(answer, 429)
    assert 3590 <= int(answer.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "geen adres"},
        {"email": 5, "work": ""},
        {"email": None, "work": ""},
        {"locale": "es"},
        {"topics": ["onzin"]},
        {"topics": "sdg"},
        {"topics": [["sdg"]]},
        {"cadence": "hourly"},
        {"made": "", "work": ""},
        {"made": [1], "work": ""},
        {HONEYPOT: "x"},
    ],
)
def test_what_is_wrong_is_said(world: World, wrong: dict[str, Any]) -> None:
    sent = body(world) | wrong
    assert problem(world.client.post(PATH, json=sent), 422)
    assert not requests(world)


@pytest.mark.parametrize(
    ("data", "mimetype", "status"),
    [
        ("{", "application/json", 400),
        ("email=x@y.be", "application/x-www-form-urlencoded", 415),
        ('{"email": "' + "x" * 70_000 + '"}', "application/json", 413),
        ("[]", "application/json", 422),
        ("null", "application/json", 422),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    world: World, data: str, mimetype: str, status: int
) -> None:
    assert problem(world.client.post(PATH, data=data, content_type=mimetype), status)


def test_errors_speak_the_language_that_is_asked_for(world: World) -> None:
    sent = body(world, email="geen adres")
    headers = {"Accept-Language": "de"}
    detail = problem(world.client.post(PATH, json=sent, headers=headers), 422)
    assert detail.startswith("Diese E-Mail-Adresse")


def test_a_locked_database_is_a_problem_for_a_while(world: World) -> None:
    impatient = connect(world.settings.database_url)
    event.listen(impatient.engine, "connect", impatiently)
    site = World(create_app(world.settings, impatient), world.settings, impatient)
    with world.database.write() as other:
        other.execute(text(LOCK[impatient.engine.name]))
        answer = site.client.post(PATH, json=body(site))
    assert "druk" in problem(answer, 503)
    assert answer.headers["Retry-After"] == "60"
    impatient.engine.dispose()


def test_a_body_without_a_bottom_is_a_problem(world: World) -> None:
    answer = world.client.post(PATH, data="[" * 30_000, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
