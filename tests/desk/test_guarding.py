"""Guesses are slowed down, and only for who guesses: nobody can lock anybody else out."""

import re
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_security import LoginForm
from sqlalchemy import func, select

from newsletter.models import Notice, Role
from newsletter.settings.parsing import Rate
from tests.desk.conftest import Build, Desk
from tests.desk.signing import PASSWORD, Person, is_in, send

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


def browser(desk: Desk, ip: str) -> FlaskClient:
    """A new browser at an address."""
    client = desk.stranger()
    client.environ_base["REMOTE_ADDR"] = ip
    return client


def guess(client: FlaskClient, email: str, times: int = 200) -> int:
    """How many wrong passwords are taken before the site says: enough."""
    for done in range(times):
        page = send(client, "/desk/sign-in", email=email, password="helemaal fout dit")
        if page.status_code == 429:
            assert int(page.headers["Retry-After"]) > 0
            return done
    return times


def test_a_stranger_locks_out_strangers_and_never_the_person(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(4, 3600), desk_network_guesses=Rate(1000, 3600))
    an, own = Person.make(desk), browser(desk, HERE)
    an.sign_in(own, -1)
    own.post("/desk/sign-out", data={"csrf_token": _token(own)})
    taken = [guess(browser(desk, f"198.51.100.{n}"), an.editor.email) for n in range(9)]
    assert taken[0] == 2, "half of the rate may come at once"
    assert taken[-1] == 0, "many networks together have an end too"
    assert an.try_password(browser(desk, HERE)).status_code == 429, "a browser that is not known"
    an.sign_in(own)
    assert is_in(own), "her own browser"


def test_another_spelling_of_an_address_counts_for_the_same_editor(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(4, 3600), desk_network_guesses=Rate(1000, 3600))
    name, domain = Person.make(desk).editor.email.split("@")
    spellings = [domain, domain.upper(), domain.replace(".", "。"), "\uff56" + domain[1:]]
    taken = [guess(browser(desk, HERE), f"{name}@{one}", 1) for one in spellings]
    assert taken == [1, 1, 0, 0], "half of the rate may come at once"


def test_her_own_browser_has_a_limit_too(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(6, 3600))
    an, own = Person.make(desk), browser(desk, HERE)
    an.sign_in(own)
    own.post("/desk/sign-out", data={"csrf_token": _token(own)})
    assert guess(own, an.editor.email) < 6


def test_a_network_has_a_limit_for_all_editors_together(build_desk: Build) -> None:
    desk = build_desk(desk_network_guesses=Rate(6, 3600))
    desk.editor(Role.WRITER)
    for n in range(3):
        assert guess(browser(desk, HERE), f"iemand{n}@voorbeeld.example", 1) == 1
    assert guess(browser(desk, HERE), "nog-iemand@voorbeeld.example", 1) == 0
    assert guess(browser(desk, ELSEWHERE), "nog-iemand@voorbeeld.example", 1) == 1


def test_codes_have_the_same_limit(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(8, 3600))
    an, client = Person.make(desk), browser(desk, HERE)
    an.try_password(client)
    answers = [send(client, "/desk/code", code="000000").status_code for _ in range(4)]
    assert answers == [200] * 4, "the password was right, and uses nothing up"
    assert send(client, "/desk/code", code="000000").status_code == 429
    assert send(client, "/desk/recovery", code="x").status_code == 429


def test_who_signs_in_rightly_uses_nothing_up(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(2, 3600), desk_network_guesses=Rate(2, 3600))
    an = Person.make(desk)
    for steps in (-1, 0, 1):
        client = browser(desk, HERE)
        an.sign_in(client, steps)
        assert is_in(client)
        assert send(client, "/desk/again", password=PASSWORD).status_code == 302
    weak = {"password": PASSWORD, "new_password": "kort", "new_password_confirm": "kort"}
    assert [send(client, "/desk/own-password", **weak).status_code for _ in range(3)] == [200] * 3
    assert guess(browser(desk, HERE), an.editor.email) == 1, "wrong ones still do"
    assert an.try_password(browser(desk, HERE)).status_code == 429


def test_what_is_being_compared_counts(build_desk: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = build_desk(desk_guesses=Rate(2, 3600))
    an, compared, meanwhile = Person.make(desk), list[LoginForm](), list[int]()

    def compare(form: LoginForm, **more: Any) -> bool:
        compared.append(form)
        if len(compared) == 1:  # in a thread: a request of its own
            other = threading.Thread(target=lambda: meanwhile.append(attempt()))
            other.start()
            other.join()
        return plain(form, **more)

    def attempt() -> int:
        return an.try_password(browser(desk, HERE)).status_code

    plain = LoginForm.validate
    monkeypatch.setattr(LoginForm, "validate", compare)
    assert attempt() == 302
    assert meanwhile == [429]


def test_who_is_refused_uses_nothing_up_of_others(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(2, 3600), desk_network_guesses=Rate(6, 3600))
    an = Person.make(desk)
    for _ in range(9):
        guess(browser(desk, HERE), an.editor.email)
    assert guess(browser(desk, HERE), "iemand@voorbeeld.example", 1) == 1


def test_the_cookie_of_another_editor_makes_no_browser_known(build_desk: Build) -> None:
    desk = build_desk(desk_guesses=Rate(4, 3600))
    an, other = Person.make(desk), Person.make(desk, Role.WRITER)
    thief = browser(desk, ELSEWHERE)
    other.sign_in(thief)
    found = thief.get_cookie(f"__Host-desk-device-{other.editor.id}")
    assert found
    thief.set_cookie(f"__Host-desk-device-{an.editor.id}", found.value)
    thief.post("/desk/sign-out", data={"csrf_token": _token(thief)})
    guess(browser(desk, ELSEWHERE), an.editor.email)
    assert guess(thief, an.editor.email) == 0


def test_letters_for_a_new_password_have_a_limit(desk: Desk) -> None:
    desk.editor(Role.EDITOR)
    for _time in range(5):
        answer = send(desk.stranger(), "/desk/forgotten", email="els@voorbeeld.example")
        assert answer.status_code == 303
    with desk.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Notice)) == 3


def _token(client: FlaskClient) -> str:
    page = client.get("/desk/sign-in", follow_redirects=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found
    return found[1]
