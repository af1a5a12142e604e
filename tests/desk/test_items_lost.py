"""What somebody typed is never lost: not when its file goes away, breaks or moves meanwhile,
nor when they write in two tabs."""

import html
import re
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from newsletter.issues import drafting
from newsletter.issues.drafting import Text
from newsletter.models import Role
from tests.desk.conftest import Client, Desk
from tests.desk.test_items import (
    ONE_DATABASE,
    PATH,
    TEXT,
    URL,
    desk,  # noqa: F401 (a fixture)
    fields,
    save,
    shelf,  # noqa: F401 (a fixture)
)

TYPED = {"body": "Een hele ochtend geschreven."}


def kept(desk: Desk, client: Client, slug: str = "compost") -> str:  # noqa: F811
    with desk.database.read() as session:
        draft = drafting.kept(session, Text(client.editor.id, slug, "nl"))
    return draft.text if draft else ""


def script(client: Client, form: dict[str, object]) -> TestResponse:
    """What the page sends by itself."""
    data = {"csrf_token": client.token, **form}
    return client.post(f"{URL}/keep", data=data, headers={"Accept": "application/json"})


@ONE_DATABASE
@pytest.mark.parametrize("renamed", [True, False])
def test_a_file_that_went_away_comes_back_with_what_was_typed(
    desk: Desk,  # noqa: F811
    shelf: Path,  # noqa: F811
    renamed: bool,
) -> None:
    client = desk(Role.EDITOR)
    form = fields(client.get(URL)) | TYPED
    if renamed:
        (shelf / PATH).rename(shelf / PATH.replace("compost", "mest"))
    else:
        (shelf / PATH).unlink()
    assert script(client, form).status_code == 200
    page = client.send(URL, **form)
    assert page.status_code == 409
    assert "verwijderd of een andere naam gegeven" in page.text
    assert TYPED["body"] in kept(desk, client)
    merged = html.unescape(re.findall("<textarea.*?>\n(.*?)</textarea>", page.text, re.DOTALL)[0])
    assert merged == TEXT.replace("Een eerste alinea.\n", TYPED["body"]), "whole, without marks"
    assert TYPED["body"] in client.get(URL).text
    assert client.send(URL, **(form | {"was": "", "text": merged})).status_code == 303
    (file,) = shelf.rglob("compost.nl.md")
    assert file.read_text("utf-8") == merged
    assert not kept(desk, client)


@ONE_DATABASE
def test_a_file_that_became_unreadable_keeps_what_was_typed(
    desk: Desk,  # noqa: F811
    shelf: Path,  # noqa: F811
) -> None:
    client = desk(Role.EDITOR)
    form = fields(client.get(URL)) | TYPED
    broken = TEXT.encode() + b"\xe9"
    (shelf / PATH).write_bytes(broken)
    assert client.get(URL).status_code == 422
    assert script(client, form).status_code == 200
    page = client.send(URL, **form)
    assert page.status_code == 422
    assert "geen leesbare tekst (UTF-8) meer" in page.text
    assert fields(page)["body"] == fields(client.get(URL))["body"] == TYPED["body"]
    assert (shelf / PATH).read_bytes() == broken
    (shelf / PATH).write_text(TEXT.replace("Afval", "Groen afval"), "utf-8")
    assert client.send(URL, **fields(page)).status_code == 409, "mended, and now both are shown"


@ONE_DATABASE
def test_a_draft_goes_along_when_its_file_moves(desk: Desk, shelf: Path) -> None:  # noqa: F811
    client = desk(Role.EDITOR)
    client.send(f"{URL}/keep", **(fields(client.get(URL)) | TYPED))
    (shelf / "items/2026/12").mkdir()
    (shelf / PATH).rename(shelf / PATH.replace("/11/", "/12/"))
    (link,) = set(re.findall('href="([^"]*/compost/nl)">compost', client.get("/desk/items").text))
    assert fields(client.get(link))["body"] == TYPED["body"]
    assert save(client).status_code == 303
    assert TYPED["body"] in (shelf / PATH.replace("/11/", "/12/")).read_text("utf-8")


@ONE_DATABASE
def test_who_may_not_write_it_any_more_still_sees_what_they_typed(
    desk: Desk,  # noqa: F811
    shelf: Path,  # noqa: F811
) -> None:
    writer = desk(Role.WRITER)
    url = writer.send("/desk/items", title="Mijn").headers["Location"]
    save(writer, url, summary="Kort.", topics=["milieu"], body="Tekst.")
    form = fields(writer.get(url)) | TYPED
    save(desk(Role.EDITOR), url, status="ready")
    for path in (url, f"{url}/keep", f"{url}/picture"):
        page = writer.send(path, **form)
        assert page.status_code == 403
        assert TYPED["body"] in page.text
    (file,) = shelf.rglob("mijn.nl.md")
    assert TYPED["body"] not in file.read_text("utf-8")


def test_two_tabs_of_one_editor_overwrite_nothing(desk: Desk, shelf: Path) -> None:  # noqa: F811
    client = desk(Role.EDITOR)
    one, two = (fields(client.get(URL)) | {"body": f"Tabblad {name}."} for name in ("1", "2"))
    assert script(client, one).status_code == 200
    assert script(client, one | {"body": "Tabblad 1, meer."}).status_code == 200, "its own goes on"
    assert script(client, two).status_code == 409
    page = client.send(f"{URL}/keep", **two)
    assert page.status_code == 409
    assert "In een ander tabblad" in page.text
    assert fields(page)["body"] == "Tabblad 2."
    assert "Tabblad 1, meer." in kept(desk, client)
    client.send(f"{URL}/drop", tab=two["tab"], seen=two["seen"])
    assert client.send(URL, **two).status_code == 303, "saving is no matter of drafts"
    assert "Tabblad 1, meer." in kept(desk, client)
    third = fields(client.get(URL)) | {"body": "Verder."}
    assert "De bewaarde tekst is intussen gewijzigd" in client.get(URL).text
    assert script(client, third).status_code == 200, "it began from what tab 1 wrote"
    assert script(client, one | {"body": "Nog."}).status_code == 409
    assert client.send(URL, **third).status_code == 409, "and meets what tab 2 saved"
    assert "Tabblad 2." in (shelf / PATH).read_text("utf-8")
