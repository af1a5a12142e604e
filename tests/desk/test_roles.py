"""Every route of the desk, with every role, and with nobody."""

from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from newsletter.editors.people import may
from newsletter.models import Base, Role
from newsletter.web.accounts import gate
from tests.desk.conftest import Desk

# Who is not signed in may see these: they are how one signs in.
OPEN = {
    *("security.login", "security.wan_signin", "security.wan_signin_response"),
    *("security.two_factor_rescue", "security.logout"),
    *("accounts.forgotten", "accounts.forgot", "accounts.password", "accounts.choose"),
    *("accounts.association", "accounts.association_back"),
}


def rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if gate.on_desk(rule.rule)]


def path_of(app: Flask, rule: Rule) -> str:
    """The address of a route, with something in each gap."""
    gaps = {name: _some(rule, name) for name in rule.arguments}
    with app.test_request_context():
        return str(app.url_map.bind("localhost").build(rule.endpoint, gaps, _method(rule)))


def _some(rule: Rule, name: str) -> object:
    converter = type(rule._converters[name]).__name__
    if converter == "AnyConverter":
        return next(iter(rule._converters[name].items))  # type: ignore[attr-defined]
    return 1 if converter in {"IntegerConverter", "IssueNumber"} else "x"


def _method(rule: Rule) -> str:
    return "GET" if "GET" in (rule.methods or ()) else "POST"


@pytest.mark.sqlite("who may see a page does not depend on the database")
def test_every_page_of_the_desk_says_who_may_see_it(desk: Desk) -> None:
    for rule in rules(desk.app):
        view = desk.app.view_functions[rule.endpoint]
        if rule.endpoint.startswith("desk."):
            assert hasattr(view, "needs"), f"{rule.endpoint} has to say needs(Role.…)"
        else:
            assert rule.endpoint.split(".")[0] in {"security", "accounts"}, rule.endpoint


@pytest.mark.sqlite("who may see a page does not depend on the database")
def test_nobody_gets_in_without_signing_in(desk: Desk) -> None:
    for rule in rules(desk.app):
        if rule.endpoint in OPEN:
            continue
        answer = _ask(desk, rule, None)
        assert answer in (302, 303), f"{rule.endpoint} answers {answer} to who is not signed in"


@pytest.mark.sqlite("who may see a page does not depend on the database")
@pytest.mark.parametrize("role", list(Role))
def test_every_route_with_every_role(desk: Desk, role: Role) -> None:
    for rule in rules(desk.app):
        view = desk.app.view_functions[rule.endpoint]
        if needed := getattr(view, "needs", None):
            refused = _ask(desk, rule, role) == 403
            assert refused is not may(role, needed), f"{rule.endpoint} with {role}"


@pytest.mark.sqlite("who may see a page does not depend on the database")
def test_looking_changes_nothing_and_signs_nobody_out(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    client.get("/desk/")  # it is noted once in a while that a sign-in is used
    before = _everything(desk)
    for rule in rules(desk.app):
        path = path_of(desk.app, rule)
        if "GET" in (rule.methods or ()):
            client.get(path)
            client.head(path)
            assert _everything(desk) == before, path
            assert client.get("/desk/account").status_code == 200, path


def _everything(desk: Desk) -> list[tuple[str, Sequence[Any]]]:
    with desk.database.read() as session:
        tables = Base.metadata.sorted_tables
        return [(table.name, session.execute(table.select()).all()) for table in tables]


@pytest.mark.sqlite("forms do not depend on the database")
def test_sec_14_no_form_of_the_desk_counts_without_its_token(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    for rule in rules(desk.app):
        if "POST" in (rule.methods or ()):
            answer = client.post(path_of(desk.app, rule), data={"csrf_token": "x"})
            assert answer.status_code == 400, rule.endpoint
    assert client.get("/desk/account").status_code == 200, "nothing was done"


def _ask(desk: Desk, rule: Rule, role: Role | None) -> int:
    """The status of a page; a form comes with its token."""
    # Nobody: a browser with a session, in which no one is signed in.
    client = desk(role) if role else desk(Role.WRITER, _user_id="nobody", desk="")
    path = path_of(desk.app, rule)
    return (client.get(path) if _method(rule) == "GET" else client.send(path)).status_code


HUGE = "9" * 40


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/desk/log?before={HUGE}"),
        ("POST", f"/desk/people/{HUGE}/role"),
        ("POST", f"/desk/account/sign-ins/{HUGE}/end"),
        ("GET", f"/desk/issues/1/refused?after={HUGE}"),
        ("POST", f"/desk/issues/1/doubt/{HUGE}/leave"),
    ],
)
def test_a_number_that_no_row_can_have_finds_nothing(desk: Desk, method: str, path: str) -> None:
    client = desk(Role.ADMINISTRATOR)
    answer = client.get(path) if method == "GET" else client.send(path)
    assert answer.status_code in (200, 302, 303, 404)
