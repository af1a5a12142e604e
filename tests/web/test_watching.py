"""What machines ask the site, and what each answer carries for who looks into a log."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from newsletter import metrics, tracing
from newsletter.app import create_app
from newsletter.db import Database
from newsletter.settings import Settings

TOKEN = "a word of machines that is long enough"
GIVEN = "00112233445566778899aabbccddeeff"
pytestmark = pytest.mark.sqlite("the checks themselves run on both in tests/seeing")


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    return create_app(replace(settings, metrics_token=TOKEN), database)


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """What the database was asked."""
    seen = list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def test_alive_asks_nothing_of_the_database(app: Flask, statements: list[str]) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert statements == []


def test_ready_says_each_check_in_one_word_and_nothing_more(app: Flask, settings: Settings) -> None:
    """No clock has run beside this test."""
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert json.loads(answer.text) == {
        "ready": False,
        "checks": {"database": "ok", "migrations": "ok", "clock": "never", "disk": "ok"},
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "Set-Cookie" not in answer.headers


def test_a_flood_of_questions_is_one_for_the_database(app: Flask, statements: list[str]) -> None:
    client = app.test_client()
    for _ in range(30):
        client.get("/readyz")
    assert len([one for one in statements if one.startswith("SELECT version_num")]) <= 2


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_figures_are_for_who_knows_the_word(app: Flask, given: str) -> None:
    answer = app.test_client().get("/metrics", headers={"Authorization": given})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not answer.data


def test_without_a_word_there_are_no_figures(settings: Settings, database: Database) -> None:
    """Not from this machine either: a proxy asks from there, whoever stands behind it."""
    client = create_app(settings, database).test_client()
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_figures_can_be_read_and_count_requests(app: Flask) -> None:
    client = app.test_client()
    before = _requests(client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
    client.get("/nl/")
    after = _requests(client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
    assert after["site", "2xx"] - before["site", "2xx"] == 1
    assert after["watch", "2xx"] - before["watch", "2xx"] == 1


def _requests(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["part"], sample.labels["answer"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "newsletter_request_seconds_count"
    }


def test_each_answer_has_a_reference_of_its_own(app: Flask) -> None:
    client = app.test_client()
    found = {
        client.get(path).headers["X-Request-ID"] for path in ("/nl/", "/nl/", "/x", "/healthz")
    }
    assert len(found) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in found)


@pytest.mark.parametrize(
    ("proxies", "given", "taken"),
    [
        (1, GIVEN, True),
        (1, "00112233-4455-6677-8899-AABBCCDDEEFF", True),
        (0, GIVEN, False),
        (1, "a" * 30, False),  # as long as a short token of ours
        (1, "ann@voorbeeld.example", False),
        (1, "0" * 400, False),
        (1, f"{GIVEN}\u2028", False),
    ],
)
def test_a_proxy_that_is_trusted_may_name_the_request(
    settings: Settings, database: Database, proxies: int, given: str, taken: bool
) -> None:
    app = create_app(replace(settings, trusted_proxies=proxies), database)
    headers = {"X-Request-ID": given.encode().decode("latin-1")}
    found = app.test_client().get("/healthz", headers=headers).headers["X-Request-ID"]
    assert (found == GIVEN) is taken
    assert re.fullmatch("[0-9a-f]{16}|[0-9a-f]{32}", found)


def test_an_error_of_ours_names_the_request_and_so_does_the_log(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = list[object]()

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            bound.append(tracing.fields_bound().get("request"))

    def broken(*_given: object, **_named: object) -> None:
        raise RuntimeError

    monkeypatch.setitem(app.view_functions, "public.about", broken)
    app.logger.addHandler(noting := Noting())
    try:
        answer = app.test_client().get("/nl/about/privacy")
    finally:
        app.logger.removeHandler(noting)
    name = answer.headers["X-Request-ID"]
    assert answer.status_code == 500
    assert f"Noem dan {name}." in answer.text
    assert bound == [name]
    assert "Noem dan" not in app.test_client().get("/nl/bestaat-niet").text


def test_the_database_away_is_told_with_the_figures_that_need_none(
    app: Flask,
) -> None:
    def away(*_given: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("no route to 10.0.0.7"))

    event.listen(app.extensions["newsletter"].database.engine, "checkout", away)
    client = app.test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert json.loads(answer.text)["checks"]["database"] == "away"
    assert "10.0.0.7" not in answer.text
    text = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    assert 'newsletter_ready{check="database"} 0.0' in text
    assert "newsletter_database_up" not in text
    assert "newsletter_request_seconds_count" in text
    assert client.get("/healthz").status_code == 200


def test_parts_of_the_site_are_told_apart(app: Flask) -> None:
    """Every first part of an address that is not a page's is one of PARTS."""
    firsts = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}
    assert {"desk", "api", "u", "webhooks", "static", "metrics"} <= firsts
    assert {"site", "one-click", "watch"} <= set(metrics.PARTS)
