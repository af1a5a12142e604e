"""The document, its page, and docs/API.md: true, whole, and of our own making."""

import http.server
import json
import re
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis

import config
from newsletter.jobs import telling
from newsletter.models import EventKind, Scope
from newsletter.programs import endpoints, events
from newsletter.subscribers import work
from newsletter.tokens import tokens_of
from newsletter.web.api.routes import OPERATIONS
from tests.api.conftest import token
from tests.web.conftest import Build, World

pytestmark = pytest.mark.sqlite("what is told does not depend on the database")
PAPER = (config.PROJECT_DIR / "docs" / "API.md").read_text("utf-8")
CURL = re.compile(r"^ +curl (.*)\"\$API(/[^\"?]*)(\?[^\"]*)?\"", re.M)


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.client.get("/api/v1/openapi.json").get_json()
    return found


def test_it_is_sound_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


def test_it_holds_every_operation_and_no_other(world: World, document: dict[str, Any]) -> None:
    told = {(path, method) for path, found in document["paths"].items() for method in found}
    assert told == {(one.path, one.method.lower()) for one in OPERATIONS}
    routes = {rule.endpoint for rule in world.app.url_map.iter_rules()}
    ours = {name for name in routes if name.startswith("api.")}
    pages = {"api.start", "api.openapi", "api.docs"}
    assert ours == {f"api.{one.name}" for one in OPERATIONS} | pages


def test_each_operation_but_the_form_needs_a_scope_and_each_scope_is_needed() -> None:
    assert {one.name for one in OPERATIONS if not one.scope} == {"challenge", "subscribe"}
    assert {one.scope for one in OPERATIONS if one.scope} == set(Scope)
    writing = {one.scope for one in OPERATIONS if one.scope and one.writes}
    assert all(scope and scope.endswith(":write") for scope in writing)


def test_it_says_what_is_on_offer(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["NewSubscriber"]["properties"]
    assert "sdg" in fields["topics"]["items"]["enum"]
    assert "monthly" in json.dumps(fields["cadence"])
    assert "x-one-of" not in json.dumps(document)


def test_the_page_holds_it_all_and_loads_nothing_from_elsewhere(world: World) -> None:
    page = world.client.get("/api/v1/docs").text
    for one in OPERATIONS:
        assert f'id="{one.name}"' in page
    main = page.partition("<main")[2].partition("</main>")[0]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', main)
    assert "<script" not in page


def test_the_paper_shows_each_operation_and_each_example_works(issued: World, build: Build) -> None:
    program, shown = token(build(work_bits=0)), set[tuple[str, str]]()
    for options, path, query in CURL.findall(PAPER):
        sent = re.search(r"--json '([^']*)'", options)
        method = "POST" if sent or "-X POST" in options else "GET"
        shown.add((method, re.sub(r"/\d+", "/{}", path).replace("elke-geboorte-telt", "{}")))
        body: dict[str, Any] | None = json.loads(sent[1]) if sent else None
        if path == "/subscribe" and body:
            made = program.world.form(email=body["email"])["token"]
            body |= {"made": made, "work": work.solve(made, body["email"], 0)}
        asked = path + (query or "")
        answer = program.post(asked, body) if method == "POST" else program.get(asked)
        assert answer.status_code < 300 or answer.status_code == 404, (path, answer.text)
        assert "URL was not found" not in answer.text
    assert shown == {(one.method, re.sub(r"{\w+}", "{}", one.path)) for one in OPERATIONS}


def test_the_receiver_of_the_paper_understands_us(
    build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    site = build(endpoints_inside=True)
    code = re.search(r"```python\n(.*?)```", PAPER, re.S)
    assert code
    made: list[http.server.HTTPServer] = []
    listening, names = threading.Event(), dict[str, Any](PORT=0, SECRET="")

    class Server(http.server.HTTPServer):
        def serve_forever(self, poll_interval: float = 0.01) -> None:
            made.append(self)
            listening.set()
            super().serve_forever(poll_interval)

    source = code[1].replace("from http.server import BaseHTTPRequestHandler, HTTPServer\n", "")
    names |= {"HTTPServer": Server, "BaseHTTPRequestHandler": http.server.BaseHTTPRequestHandler}
    thread = threading.Thread(target=exec, args=(compile(source, "API.md", "exec"), names))
    thread.start()
    assert listening.wait(10)
    with site.database.write() as session:
        url = f"http://127.0.0.1:{made[0].server_port}/"
        endpoint = endpoints.make(session, url, EventKind, datetime.now(UTC), inside=True)
        events.tell(session, EventKind.ISSUE_SENT, [12], datetime.now(UTC))
    names["SECRET"] = endpoints.secret(tokens_of(site.settings), endpoint)
    assert telling.tell(site.database, site.settings) == 1
    made[0].shutdown()
    thread.join()
    made[0].server_close()
    assert "issue.sent {'issue': 12}" in capsys.readouterr().out
