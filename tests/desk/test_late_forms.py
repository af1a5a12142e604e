"""What was typed when its writer was signed out already: nothing is done with it, and nothing is
lost."""

import html
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from newsletter.models import Draft, Role, SignIn
from tests.desk.conftest import Build, Client, Desk
from tests.desk.signing import Person, send
from tests.desk.test_items import PATH, URL, fields, shelf  # noqa: F401 (a fixture)

TYPED = 'Een <b>hele</b> "ochtend" geschreven.\r\n\r\n</textarea><script>x</script>\r\n'


@pytest.fixture
def desk(build_desk: Build, shelf: Path) -> Desk:  # noqa: F811
    return build_desk(content_dir=shelf)


def ended_elsewhere(desk: Desk, client: Client) -> None:
    """Too long ago, another role, another password: the row says that it is over."""
    with desk.database.write() as session:
        session.execute(update(SignIn).values(ended_at=func.now()))


def ended_in_another_tab(desk: Desk, client: Client) -> None:
    """By the button, so that the cookie holds nothing any more."""
    client.send("/desk/sign-out")


def ended_and_begun(desk: Desk, client: Client) -> None:
    """Signed in again in another tab: the token of the form is one of before."""
    ended_in_another_tab(desk, client)
    Person.make(desk, Role.EDITOR).sign_in(client)


def shown(page: TestResponse) -> str:
    """What a reader can copy out of the page."""
    return html.unescape(page.text)


@pytest.mark.sqlite("what is shown again does not depend on the database")
@pytest.mark.parametrize("end", [ended_elsewhere, ended_in_another_tab, ended_and_begun])
@pytest.mark.parametrize("button", ["", "/keep", "/picture"])
def test_what_was_typed_is_shown_to_who_was_signed_out(
    desk: Desk,
    shelf: Path,  # noqa: F811
    end: object,
    button: str,
) -> None:
    client = desk(Role.EDITOR)
    form = fields(client.get(URL)) | {"body": TYPED, "title": "Nooit kwijt"}
    before = (shelf / PATH).read_bytes()
    end(desk, client)  # type: ignore[operator]
    page = client.send(f"{URL}{button}", **form)
    assert page.status_code == 400
    assert TYPED in shown(page)
    assert "<script>x" not in page.text, "it is text, whatever it looks like"
    assert 'value="Nooit kwijt" readonly' in page.text
    assert f'data-path="{URL}" data-by="{client.editor.id}"' in page.text
    onward = URL if end is ended_and_begun else f"/desk/sign-in?next={URL}"
    assert f'href="{onward}"' in page.text
    assert (shelf / PATH).read_bytes() == before
    with desk.database.read() as session:
        assert not session.scalar(select(func.count()).select_from(Draft))


@pytest.mark.sqlite("what is shown again does not depend on the database")
def test_so_are_an_intro_and_the_title_of_a_new_item(desk: Desk) -> None:
    client = desk(Role.EDITOR)
    ended_elsewhere(desk, client)
    for path, name, back in (
        ("/desk/issues/1/intro/nl", "text", "/desk/issues/1/intro"),
        ("/desk/items", "title", "/desk/items"),
    ):
        page = client.send(path, **{name: "Beste lezer"})
        assert (page.status_code, 'value="Beste lezer" readonly' in page.text) == (400, True)
        assert f"next={back}" in page.text


@pytest.mark.sqlite("what is shown again does not depend on the database")
def test_a_form_without_words_leads_to_signing_in(desk: Desk) -> None:
    client = desk(Role.EDITOR)
    ended_elsewhere(desk, client)
    assert client.send("/desk/account/sign-ins/end-others").location == "/desk/sign-in"
    assert client.send(URL, body=" ").location is None, "its token went with the session"


@pytest.mark.sqlite("what is shown again does not depend on the database")
def test_a_password_is_never_shown_again(desk: Desk) -> None:
    secret = {"email": "an@voorbeeld.example", "password": "heel geheim", "code": "123456"}
    for path in ("/desk/sign-in", "/desk/code", "/desk/again", "/desk/own-password"):
        page = desk.stranger().post(path, data=secret)
        assert page.status_code == 400
        assert not [value for value in secret.values() if value in page.text]


@pytest.mark.sqlite("what is shown again does not depend on the database")
def test_what_another_site_sends_is_not_shown(desk: Desk) -> None:
    client = desk.stranger()
    page = client.post(
        URL, data={"body": "Bel dit nummer"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert (page.status_code, "Bel dit nummer" in page.text) == (400, False)


@pytest.mark.sqlite("the way back does not depend on the database")
def test_signing_in_again_leads_to_the_form(desk: Desk) -> None:
    client, person = desk.stranger(), Person.make(desk)
    page = client.post(URL, data={"body": TYPED})
    (way,) = {part.split('"')[0] for part in page.text.split('href="')[1:] if "next=" in part}
    send(client, way, email=person.editor.email, password="vier groene koeien dansen", next=URL)
    assert send(client, f"/desk/code?next={URL}", code=person.code()).location == URL
