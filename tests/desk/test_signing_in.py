"""Password and code, recovery codes, a forgotten password, an invitation; what ends a sign-in."""

import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from passlib.totp import TOTP
from sqlalchemy import select

from newsletter import audit
from newsletter.editors import people
from newsletter.models import Editor, Notice, NoticeKind, Role, SignIn
from newsletter.notices import desk as letters
from newsletter.notices import writing
from tests.desk.conftest import Build, Desk
from tests.desk.signing import PASSWORD, Person, is_in, send, token

OTHER = "acht paarse geiten zingen"


def row(desk: Desk, editor: Editor) -> Editor:
    with desk.database.read() as session:
        return session.get_one(Editor, editor.id)


def letter(desk: Desk, kind: NoticeKind) -> str:
    """The link of the last letter of this kind, as it would be mailed now."""
    with desk.database.read() as session:
        newest = select(Notice).where(Notice.kind == kind).order_by(Notice.id.desc())
        notice = session.scalars(newest).first()
        assert notice
        editor = letters.editor_of(session, notice)
    written = writing.write(desk.settings, notice, None, datetime.now(UTC), editor)
    found = re.search(r"https://nieuws\.test(/desk/password/\S+)", written.text)
    assert found
    return found[1]


def test_password_and_code_sign_in(desk: Desk) -> None:
    an, client = Person.make(desk), desk.stranger()
    asked = client.get("/desk/account")
    assert asked.location == "/desk/sign-in?next=/desk/account"
    assert not is_in(client)
    assert an.sign_in(client).location == "/desk/"
    assert is_in(client)
    with desk.database.read() as session:
        assert [line.action for line in audit.found(session)] == ["editor.sign_in"]


def test_a_code_counts_once(desk: Desk) -> None:
    an = Person.make(desk)
    code = an.code()
    for client, let_in in ((desk.stranger(), True), (desk.stranger(), False)):
        an.try_password(client)
        send(client, "/desk/code", code=code)
        assert is_in(client) is let_in


def test_the_password_alone_opens_nothing(desk: Desk) -> None:
    an, client = Person.make(desk), desk.stranger()
    an.try_password(client)
    assert not is_in(client)
    assert client.get("/desk/account").status_code == 303
    send(client, "/desk/code", code="000000")
    assert not is_in(client)


def test_unknown_and_known_addresses_get_one_answer(desk: Desk) -> None:
    Person.make(desk)
    answers = []
    for email in ("els@voorbeeld.example", "niemand@voorbeeld.example", "geen adres"):
        page = send(desk.stranger(), "/desk/sign-in", email=email, password="helemaal fout dit")
        body = re.sub(r'name="csrf_token" value="[^"]+"', "", page.text).replace(email, "…")
        answers.append((page.status_code, body))
    assert answers[0] == answers[1]
    assert answers[0][0] == answers[2][0]


def test_who_was_let_go_gets_in_no_more(desk: Desk) -> None:
    desk.editor(Role.ADMINISTRATOR)
    an, client = Person.make(desk), desk.stranger()
    an.sign_in(client)
    with desk.database.write() as session:
        people.deactivate(session, session.get_one(Editor, an.editor.id), datetime.now(UTC))
    assert not is_in(client)
    again = desk.stranger()
    assert an.try_password(again).status_code == 200  # the form, with the same words as ever
    assert not is_in(again)


def test_a_recovery_code_works_once_and_is_no_use_to_a_thief(desk: Desk) -> None:
    an, client = Person.make(desk), desk.stranger()
    an.sign_in(client)
    page = send(client, "/desk/recovery-codes", generate_new_codes="1")
    codes = re.findall(r"<li><code>([0-9a-f-]+)</code>", page.text)
    assert len(codes) == 10
    assert codes[0] not in client.get("/desk/recovery-codes?show_codes=1").text
    kept = row(desk, an.editor).mf_recovery_codes
    assert kept
    assert not set(codes) & set(kept)
    for let_in in (True, False):
        other = desk.stranger()
        an.try_password(other)
        send(other, "/desk/recovery", code=f" {codes[0].upper()} ")
        assert is_in(other) is let_in
    assert len(row(desk, an.editor).mf_recovery_codes or ()) == 9


def test_a_forgotten_password(desk: Desk) -> None:
    an, old = Person.make(desk), desk.stranger()
    an.sign_in(old)
    client = desk.stranger()
    answers = {
        email: send(client, "/desk/forgotten", email=email)
        for email in ("niemand@voorbeeld.example", an.editor.email)
    }
    assert len({(page.status_code, page.location) for page in answers.values()}) == 1
    link = letter(desk, NoticeKind.NEW_PASSWORD)
    weak = client.post(link, data={"csrf_token": token(client.get(link)), "password": "kort"})
    assert weak.status_code == 422
    done = client.post(
        link, data={"csrf_token": token(client.get(link)), "password": OTHER, "again": OTHER}
    )
    assert done.location.startswith("/desk/sign-in")
    assert client.get(link).status_code == 404, "it works once"
    assert not is_in(old), "other browsers are signed out"
    assert an.try_password(client).status_code == 200
    assert an.try_password(client, OTHER).location.startswith("/desk/code")


def test_the_outbox_finds_out_who_forgot(desk: Desk) -> None:
    send(desk.stranger(), "/desk/forgotten", email="niemand@voorbeeld.example")
    with desk.database.read() as session:
        notice = session.scalars(select(Notice)).one()
        assert letters.editor_of(session, notice) is None


def test_an_old_link_opens_nothing(desk: Desk) -> None:
    Person.make(desk)
    send(desk.stranger(), "/desk/forgotten", email="els@voorbeeld.example")
    link = letter(desk, NoticeKind.NEW_PASSWORD)
    later = datetime.now(UTC) + timedelta(hours=desk.settings.new_password_hours + 0.1)
    with time_machine.travel(later):
        assert desk.stranger().get(link).status_code == 404


def test_an_invitation_leads_to_the_desk(desk: Desk) -> None:
    admin = desk(Role.ADMINISTRATOR)
    sent = {"email": "Nieuw@Voorbeeld.example", "name": "Nieuw Iemand", "role": "writer"}
    assert admin.send("/desk/people", **sent, locale="fr").status_code == 303
    assert admin.send("/desk/people", **sent, locale="fr").status_code == 422, "only once"
    link, client = letter(desk, NoticeKind.INVITATION), desk.stranger()
    assert "locale=fr" in link
    chosen = {"password": PASSWORD, "again": PASSWORD}
    client.post(link, data={"csrf_token": token(client.get(link)), **chosen})
    entered = send(client, "/desk/sign-in", email="nieuw@voorbeeld.example", password=PASSWORD)
    assert entered.location == "/desk/app", "a second factor comes before anything else"
    assert not is_in(client)
    page = send(client, "/desk/app", setup="authenticator")
    assert "<svg" in page.text
    key = re.search(r'class="secret">([^<]+)<', page.text)
    assert key
    code = TOTP(key[1].replace("-", "")).generate().token
    client.post("/desk/code", data={"csrf_token": token(page), "code": code})
    assert is_in(client)
    assert key[1].replace("-", "") not in str(desk.database.engine)  # nor anywhere in a row:
    with desk.database.read() as session:
        kept = session.scalars(select(Editor.tf_totp_secret)).all()
    assert not [one for one in kept if one and key[1].replace("-", "") in one]


def test_without_a_second_factor_when_the_settings_allow_it(build_desk: Build) -> None:
    desk = build_desk(desk_second_factor="optional")
    an, client = Person.make(desk), desk.stranger()
    with desk.database.write() as session:
        session.get_one(Editor, an.editor.id).tf_primary_method = None
        session.get_one(Editor, an.editor.id).tf_totp_secret = None
    assert an.try_password(client).location == "/desk/"
    assert is_in(client)


def test_another_password_signs_other_browsers_out(desk: Desk) -> None:
    an, one, two = Person.make(desk), desk.stranger(), desk.stranger()
    an.sign_in(one, -1)
    an.sign_in(two)
    form = {"password": PASSWORD, "new_password": OTHER, "new_password_confirm": OTHER}
    assert send(two, "/desk/own-password", **form).location == "/desk/account"
    assert is_in(two)
    assert not is_in(one)
    with desk.database.read() as session:
        kinds = session.scalars(select(Notice.kind)).all()
    assert kinds == [NoticeKind.ACCESS_CHANGED], "in case it was somebody else"


def test_another_role_signs_everybody_of_that_person_out(desk: Desk) -> None:
    admin, editor = desk(Role.ADMINISTRATOR), desk(Role.EDITOR)
    number = editor.editor.id
    assert admin.send(f"/desk/people/{number}/role", role="writer").status_code == 303
    assert not is_in(editor)
    assert row(desk, editor.editor).role is Role.WRITER


@pytest.mark.parametrize("path", ["role", "deactivate"])
def test_the_last_administrator_stays(desk: Desk, path: str) -> None:
    admin = desk(Role.ADMINISTRATOR)
    admin.send(f"/desk/people/{admin.editor.id}/{path}", role="writer")
    kept = row(desk, admin.editor)
    assert (kept.role, kept.active) == (Role.ADMINISTRATOR, True)
    assert "altijd één beheerder" in admin.get("/desk/people").text


def test_one_browser_or_all_others_are_signed_out(desk: Desk) -> None:
    here, there, elsewhere = (desk(Role.WRITER) for _ in range(3))
    with desk.database.read() as session:
        numbers = session.scalars(select(SignIn.id).order_by(SignIn.id)).all()
    here.send(f"/desk/account/sign-ins/{numbers[1]}/end")
    assert [is_in(one) for one in (here, there, elsewhere)] == [True, False, True]
    here.send("/desk/account/sign-ins/end-others")
    assert [is_in(one) for one in (here, there, elsewhere)] == [True, False, False]


def test_nobody_ends_the_sign_in_of_somebody_else(desk: Desk) -> None:
    theirs, mine = desk(Role.EDITOR), desk(Role.ADMINISTRATOR)
    with desk.database.read() as session:
        number = session.scalars(select(SignIn.id).order_by(SignIn.id)).first()
    mine.send(f"/desk/account/sign-ins/{number}/end")
    assert is_in(theirs)


@pytest.mark.parametrize(
    ("minutes", "steps", "stays"), [(50, 3, True), (61, 1, False), (50, 15, False)]
)
def test_left_alone_or_too_long_ends_a_sign_in(
    desk: Desk, minutes: int, steps: int, stays: bool
) -> None:
    client, start = desk(Role.WRITER), datetime.now(UTC)
    seen = True
    for step in range(steps):
        with time_machine.travel(start + timedelta(minutes=minutes * (step + 1))):
            seen = is_in(client)
    assert seen is stays


def test_people_and_own_means_ask_again_after_a_while(desk: Desk) -> None:
    for path in ("/desk/people", "/desk/app", "/desk/passkeys", "/desk/recovery-codes"):
        client = desk(Role.ADMINISTRATOR, fs_paa=1.0)
        asked = client.get(path)
        assert asked.location.startswith("/desk/again"), path
        assert path in asked.location


def test_the_copied_cookie_of_who_signed_out_opens_nothing(desk: Desk) -> None:
    client = desk(Role.WRITER)
    copied = {cookie.key: cookie.value for cookie in (client._cookies or {}).values()}
    client.send("/desk/sign-out")
    thief = desk.stranger()
    for name, value in copied.items():
        thief.set_cookie(name, value)
    assert not is_in(thief)


@pytest.mark.sqlite("keys do not depend on the database")
def test_sec_18_another_secret_key_locks_nobody_out(desk: Desk, build_desk: Build) -> None:
    an, client = Person.make(desk), desk.stranger()
    an.sign_in(client, -1)
    codes = send(client, "/desk/recovery-codes", generate_new_codes="1").text
    code = re.findall(r"<li><code>([0-9a-f-]+)</code>", codes)[0]
    rotated = build_desk(
        secret_keys=("another key that is long enough", desk.settings.secret_key),
    )
    again, third = rotated.stranger(), rotated.stranger()
    for cookie in (client._cookies or {}).values():
        again.set_cookie(cookie.key, cookie.value)
    assert is_in(again), "who was signed in stays so"
    an.sign_in(third)
    assert is_in(third), "the app's codes count"
    fourth = rotated.stranger()
    an.try_password(fourth)
    send(fourth, "/desk/recovery", code=code)
    assert is_in(fourth), "recovery codes too"


@pytest.mark.sqlite("cookies do not depend on the database")
def test_sec_17_cookies_of_the_desk(desk: Desk, build_desk: Build) -> None:
    an, client = Person.make(desk), desk.stranger()
    an.try_password(client)
    answer = send(client, "/desk/code", code=an.code())
    cookies = answer.headers.getlist("Set-Cookie")
    assert {cookie.split("=")[0] for cookie in cookies} == {
        "__Host-desk",
        f"__Host-desk-device-{an.editor.id}",
    }
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    local = build_desk(base_url="http://localhost:5000").stranger()
    cookie = local.get("/desk/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("desk=")
    assert "Secure" not in cookie


@pytest.mark.sqlite("cookies do not depend on the database")
def test_public_pages_have_no_session(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    for path in ("/nl/", "/nl/issues/", "/nl/search", "/robots.txt"):
        answer = client.get(path)
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")


@pytest.mark.sqlite("headers do not depend on the database")
def test_pages_of_the_desk_are_kept_by_nobody(desk: Desk) -> None:
    for client, path in ((desk(Role.WRITER), "/desk/"), (desk.stranger(), "/desk/sign-in")):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert "noindex" in headers["X-Robots-Tag"]
        assert "script-src 'self'" in headers["Content-Security-Policy"]


def test_sec_11_no_secret_stands_in_a_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    an, client = Person.make(desk), desk.stranger()
    code = an.code()
    an.try_password(client, "helemaal fout dit")
    an.try_password(client)
    send(client, "/desk/code", code=code)
    send(desk.stranger(), "/desk/forgotten", email=an.editor.email)
    for secret in (PASSWORD, "helemaal fout dit", code, an.editor.email):
        assert secret not in caplog.text


def test_a_form_from_elsewhere_is_refused(desk: Desk) -> None:
    client = desk(Role.WRITER)
    path = "/desk/account/sign-ins/end-others"
    data = {"csrf_token": client.token}
    for site, status in (("cross-site", 400), ("same-origin", 303)):
        assert client.post(path, data=data, headers={"Sec-Fetch-Site": site}).status_code == status


def test_next_leads_nowhere_else(desk: Desk) -> None:
    an, client = Person.make(desk), desk.stranger()
    form = {"email": an.editor.email, "password": PASSWORD, "next": "https://elders.example/"}
    assert send(client, "/desk/sign-in", **form).location is None
    an.try_password(client)
    done = send(client, "/desk/code?next=//elders.example/", code=an.code())
    assert "elders" not in done.location
    assert is_in(client)
