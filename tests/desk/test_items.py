"""Items on the desk: written, kept, compared, previewed. Files and desk are two doors to one."""

import base64
import html
import re
import subprocess
import zlib
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select
from werkzeug.test import TestResponse

from newsletter import audit
from newsletter.content.library import Library
from newsletter.issues import drafting
from newsletter.issues.drafting import Text
from newsletter.models import Draft, Entry, Issue, IssueState, ItemNumber, Role
from tests.content.conftest import GOOD, TOPICS
from tests.desk.conftest import Build, Client, Desk

PATH = "items/2026/11/compost.nl.md"
TEXT = GOOD.replace("status: ready", "status: draft")
URL = "/desk/items/compost/nl"
ONE_DATABASE = pytest.mark.sqlite("files do not depend on the database")


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    for name in ("items/2026/11", "pages", "images"):
        (folder / name).mkdir(parents=True)
    (folder / "topics.toml").write_text(TOPICS, "utf-8")
    (folder / PATH).write_text(TEXT, "utf-8")
    return folder


@pytest.fixture
def desk(build_desk: Build, shelf: Path) -> Desk:
    return build_desk(content_dir=shelf)


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


def fields(page: TestResponse) -> dict[str, Any]:
    """What a browser would send of the form of a text."""
    form = page.text.split('id="text-form"')[1].split("</form>")[0]
    found: dict[str, Any] = {}
    for tag in re.findall("<input[^>]*>", form):
        values = dict(re.findall(r'([a-z_-]+)="([^"]*)"', tag))
        ticked = values.get("type") not in {"checkbox", "radio"} or " checked" in tag
        if "name" in values and ticked and values.get("type") != "file":
            value = html.unescape(values.get("value", ""))
            found.setdefault(values["name"], []).append(value)
    for name, value in re.findall(r'<textarea id="(\w+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        found[name] = html.unescape(value).replace("\n", "\r\n")
    for name, value in re.findall(r'<select id="(\w+)".*?value="(\w+)" selected', form, re.DOTALL):
        found[name] = value
    del found["csrf_token"]
    return found


def save(client: Client, url: str = URL, **changes: Any) -> TestResponse:
    """Open a text, change some fields, save it."""
    return client.send(url, **(fields(client.get(url)) | changes))


def facts(desk: Desk, action: str) -> list[Entry]:
    with desk.database.read() as session:
        return [line for line in audit.found(session, action) if line.action == action]


@ONE_DATABASE
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT + "\n\n- a\n"])
def test_saving_without_a_change_writes_nothing(desk: Desk, shelf: Path, text: str) -> None:
    (shelf / PATH).write_bytes(text.encode())
    before = (shelf / PATH).stat()
    assert save(desk(Role.EDITOR)).status_code == 303
    after = (shelf / PATH).stat()
    assert (shelf / PATH).read_bytes() == text.encode()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not facts(desk, "item.save")


def test_a_saved_change_is_in_the_file_and_in_the_log(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    page = save(
        client, summary="Afval:\r\nnu compost.", country="BJ", sources="Krant | https://k.be/"
    )
    assert page.status_code == 303
    text = (shelf / PATH).read_text("utf-8")
    assert "summary: 'Afval: nu compost.'\ncountry: BJ\nsources:\n  - title: Krant" in text
    (line,) = facts(desk, "item.save")
    assert (line.actor, line.subject) == (f"editor {client.editor.id}", "item compost")
    assert line.facts["language"] == "nl"
    assert Library(shelf).check() == []


@ONE_DATABASE
def test_what_nobody_changed_keeps_its_order_and_spelling(desk: Desk, shelf: Path) -> None:
    text = TEXT.replace("topics: [milieu]", "topics: [milieu, bestuur] # by hand")
    (shelf / PATH).write_text(text, "utf-8")
    client = desk(Role.EDITOR)
    assert save(client, summary="Kort.").status_code == 303
    wanted = text.replace("Afval wordt compost.", "Kort.")
    assert (shelf / PATH).read_text("utf-8") == wanted
    save(client, topics=["bestuur"])
    assert "topics: [bestuur] # by hand" in (shelf / PATH).read_text("utf-8")
    save(client, topics=["bestuur", "milieu"])
    assert "topics: [bestuur, milieu] # by hand" in (shelf / PATH).read_text("utf-8")


def test_a_new_item_from_its_title_to_its_file(desk: Desk, shelf: Path) -> None:
    writer = desk(Role.WRITER)
    begun = writer.send("/desk/items", title="Straten in Dogbo: één jaar")
    url = begun.headers["Location"]
    assert url == "/desk/items/straten-in-dogbo-een-jaar/nl"
    assert not list(shelf.rglob("straten*")), "it is not a file before it is whole"
    refused = save(writer, url, body="Er was eens.")
    assert refused.status_code == 422
    assert "“topics” ontbreekt; vul het in" in refused.text
    assert "Er was eens." in writer.get(url).text, "what was typed is kept"
    saved = save(writer, url, summary="Kort.", topics=["milieu"], body="Er was eens.")
    assert saved.status_code == 303
    (file,) = shelf.rglob("straten*")
    assert "status: draft" in file.read_text("utf-8")
    assert [line.subject for line in facts(desk, "item.make")] == ["item straten-in-dogbo-een-jaar"]
    assert "één jaar" in writer.get("/desk/items").text
    assert Library(shelf).check() == []
    with desk.database.read() as session:
        assert not session.scalars(select(Draft)).all()


@ONE_DATABASE
def test_two_who_begin_the_same_title_get_each_their_own(desk: Desk) -> None:
    begun = [
        desk(role).send("/desk/items", title="Eén titel").headers["Location"]
        for role in (Role.WRITER, Role.EDITOR)
    ]
    assert begun == ["/desk/items/een-titel/nl", "/desk/items/een-titel-2/nl"]


@ONE_DATABASE
def test_writers_write_their_own_drafts_alone(desk: Desk, shelf: Path) -> None:
    writer, editor = desk(Role.WRITER), desk(Role.EDITOR)
    assert writer.get(URL).status_code == 403
    assert writer.send(URL, was=packed(TEXT), text="x").status_code == 403
    assert "compost" not in writer.get("/desk/items").text
    url = writer.send("/desk/items", title="Mijn").headers["Location"]
    typed = {"summary": "Kort.", "topics": ["milieu"], "body": "Tekst."}
    assert save(writer, url, **typed, status="ready").status_code == 422
    assert save(writer, url, **typed).status_code == 303
    assert editor.get(url).status_code == 200
    assert save(editor, url, status="ready").status_code == 303
    assert writer.get(url).status_code == 403, "what is ready is the editors'"
    (shelf / PATH).unlink()
    assert editor.get("/desk/items/compost/nl").status_code == 404


def test_two_editors_lose_nothing(desk: Desk, shelf: Path) -> None:
    one, other = desk(Role.EDITOR), desk(Role.PUBLISHER)
    first, second = fields(one.get(URL)), fields(other.get(URL))
    assert one.send(URL, **(first | {"body": "Van de ene.\r\n"})).status_code == 303
    conflict = other.send(URL, **(second | {"body": "Van de ander.\r\n"}))
    assert conflict.status_code == 409
    for text in (
        "Een eerste alinea.",
        "Van de ene.",
        "Van de ander.",
        "&lt;&lt;&lt;&lt;&lt;&lt;&lt;",
    ):
        assert text in conflict.text
    assert "Van de ene." in (shelf / PATH).read_text("utf-8"), "nothing was overwritten"
    with desk.database.read() as session:
        kept = drafting.kept(session, Text(other.editor.id, "compost", "nl"))
    assert kept
    assert "Van de ander." in kept.text
    assert "Van de ander." in other.get(URL).text
    was = re.findall('name="was" value="([^"]*)"', conflict.text)[0]
    merged = html.unescape(
        re.findall("<textarea.*?>\n(.*?)</textarea>", conflict.text, re.DOTALL)[0]
    )
    assert other.send(URL, was=was, text=merged).status_code == 422, "the marks are still there"
    half = re.sub("[<>]{7}.*\n", "", merged)
    assert other.send(URL, was=was, text=half).status_code == 422, "it would make a heading"
    solved = re.sub("[<>=]{7}.*\n", "", merged)
    assert other.send(URL, was=was, text=solved).status_code == 303
    text = (shelf / PATH).read_text("utf-8")
    assert "Van de ene.\nVan de ander.\n" in text


@ONE_DATABASE
def test_a_file_edited_outside_meanwhile_is_merged(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    opened = fields(client.get(URL))
    (shelf / PATH).write_text(TEXT.replace("alinea.", "alinea.\n\nVan buiten."), "utf-8")
    assert "Van buiten." in client.get(URL).text, "it is there at once"
    conflict = client.send(URL, **(opened | {"title": "Nieuwe titel"}))
    assert conflict.status_code == 409
    merged = re.findall("<textarea.*?>\n(.*?)</textarea>", conflict.text, re.DOTALL)[0]
    assert "Nieuwe titel" in merged
    assert "Van buiten." in merged
    assert "&lt;&lt;" not in merged


@ONE_DATABASE
def test_a_file_deleted_meanwhile_is_a_conflict(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    client.send(f"{URL}/keep", **(fields(client.get(URL)) | {"title": "Getypt"}))
    opened = fields(client.get(URL))
    (shelf / PATH).unlink()
    assert client.send(URL, **opened).status_code == 409
    assert not (shelf / PATH).exists()


def test_what_was_typed_is_kept_and_offered(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    form = fields(client.get(URL)) | {"body": "Getypt.", "title": "T\0itel"}
    answer = client.post(
        f"{URL}/keep",
        data={"csrf_token": client.token} | form,
        headers={"Accept": "application/json"},
    )
    assert answer.json
    assert "bijgehouden om" in answer.json["kept"]
    page = client.get(URL)
    assert "Je ziet je onbewaarde tekst van" in page.text
    assert fields(page)["body"] == "Getypt."
    assert "compost.nl" not in desk(Role.PUBLISHER).get("/desk/items").text
    assert (shelf / PATH).read_text("utf-8") == TEXT
    assert client.send(f"{URL}/drop").status_code == 303
    assert "Een eerste alinea." in fields(client.get(URL))["body"]


@ONE_DATABASE
def test_who_else_is_at_work_is_said(desk: Desk) -> None:
    one, other = desk(Role.EDITOR), desk(Role.PUBLISHER)
    one.send(f"{URL}/keep", **(fields(one.get(URL)) | {"title": "Nieuw"}))
    assert "Els Redacteur schrijft nu ook aan deze tekst" in other.get(URL).text


@ONE_DATABASE
def test_translations_stand_beside_and_grow_stale(desk: Desk, shelf: Path) -> None:
    client, french = desk(Role.EDITOR), "/desk/items/compost/fr"
    page = client.get(french)
    assert "Een eerste alinea." in page.text, "the Dutch text stands beside it"
    assert fields(page)["follows"] == ["1"]
    typed = {"title": "Le compost", "summary": "Des déchets.", "body": "Premier alinéa."}
    assert save(client, french, **typed).status_code == 303
    text = (shelf / "items/2026/11/compost.fr.md").read_text("utf-8")
    assert re.search("date: 2026-11-20\nstatus: draft\ntopics: .milieu.\n", text)
    assert re.search("\noriginal: '?[0-9a-f]{12}'?\n", text)
    assert "stale" not in client.get("/desk/items?gap=fr").text
    save(client, body="Een nieuwe alinea.", country="BJ", date="2026-11-21")
    assert Library(shelf).check() == [], "its facts went along"
    assert "country: BJ" in (shelf / "items/2026/11/compost.fr.md").read_text("utf-8")
    assert "lang stale" in client.get("/desk/items?gap=fr").text
    save(client, french, body="Nouvel alinéa.")
    assert "lang stale" in client.get("/desk/items?gap=fr").text, "nobody said that it follows"
    save(client, french, follows="1")
    assert "lang stale" not in client.get("/desk/items").text
    assert "<table" not in client.get("/desk/items?gap=fr").text


@ONE_DATABASE
def test_the_list_finds(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    other = TEXT.replace("Compost", "Bruggen").replace("milieu", "bestuur")
    (shelf / "items/2026/11/bruggen.nl.md").write_text(other.replace("draft", "ready"), "utf-8")
    (shelf / "items/2026/11/kapot.nl.md").write_text("---\ntitle: x\n---\n", "utf-8")
    everything = client.get("/desk/items").text
    assert "Bruggen in" in everything
    assert "kapot.nl.md" in everything
    assert client.get("/desk/items/kapot/nl").status_code == 200
    for query in ("q=brug", "stage=ready", "topic=bestuur", "q=Tambacounda+bruggen"):
        page = client.get(f"/desk/items?{query}").text
        assert "Bruggen in" in page, query
        assert "Compost in" not in page, query
    assert "Bruggen in" not in client.get("/desk/items?own=1").text
    assert client.get("/desk/items?page=99&stage=x&gap=x").status_code == 200


def test_only_what_was_never_sent_is_deleted(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    was = packed(TEXT)
    assert client.send(f"{URL}/delete", was=packed("older")).status_code == 303
    assert (shelf / PATH).exists()
    with desk.database.write() as session:
        issue = Issue(
            number=1, state=IssueState.SENT, by_clock=False, compiled_at=datetime.now(UTC)
        )
        session.add(issue)
        session.flush()
        session.add(ItemNumber(number=1, slug="compost", repeat=False, issue_number=1))
    client.send(f"{URL}/delete", was=was)
    assert (shelf / PATH).exists()
    assert "verschenen" in client.get(URL).text
    with desk.database.write() as session:
        session.delete(session.get_one(ItemNumber, 1))
    client.send(f"{URL}/delete", was=was)
    assert not (shelf / PATH).exists()
    assert len(facts(desk, "item.delete")) == 1


@ONE_DATABASE
def test_the_preview_shows_what_is_typed(desk: Desk) -> None:
    client = desk(Role.EDITOR)
    client.send(f"{URL}/keep", **(fields(client.get(URL)) | {"title": "Een nieuwe titel"}))
    mail = client.get(f"{URL}/frame?kind=mail&scheme=dark")
    assert "Een nieuwe titel" in mail.text
    assert "prefers-color-scheme" not in mail.text
    policy = mail.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert (
        "img-src 'none'" in client.get(f"{URL}/frame?images=off").headers["Content-Security-Policy"]
    )
    page = client.get(f"{URL}/frame?kind=page&scheme=dark")
    assert 'content="dark"' in page.text
    assert "prefers-color-scheme" not in page.text.split("<style>")[1]
    text = client.get(f"{URL}/frame?kind=text")
    assert text.mimetype == "text/plain"
    assert "Een nieuwe titel" in text.text
    assert "iframe" in client.get(f"{URL}/preview?kind=page&width=1024").text


@ONE_DATABASE
def test_remarks_stand_beside_what_they_concern(desk: Desk) -> None:
    client = desk(Role.EDITOR)
    body = "Een alinea.\r\n\r\nKlik [hier](https://vvsg.be/) voor meer.\r\n\r\n<b>vet</b>"
    page = save(client, body=body, country="XX")
    assert page.status_code == 422
    assert re.search(r'href="#country" data-line="0">Land</a>', page.text)
    assert re.search(r'href="#body" data-line="[35]">Tekst, regel [35]</a>', page.text)
    assert 'id="country-problem"' in page.text
    assert fields(page)["body"] == body


@ONE_DATABASE
def test_what_is_wrong_in_all_parts_of_the_mail_is_told_once(desk: Desk) -> None:
    client = desk(Role.EDITOR)
    client.send(f"{URL}/keep", **(fields(client.get(URL)) | {"body": "Nog XXX meter."}))
    page = client.get(URL).text
    assert page.count('<li class="stop">') == 1
    assert 'data-line="1">Tekst, regel 1</a>' in page


def photo(kind: str = "JPEG", size: tuple[int, int] = (400, 300)) -> bytes:
    file = BytesIO()
    Image.effect_noise(size, 60).save(file, kind)
    return file.getvalue()


def upload(client: Client, data: bytes, name: str, **more: str) -> TestResponse:
    form = fields(client.get(URL)) | {"picture": (BytesIO(data), name), "picture_alt": "Een brug"}
    return client.send(f"{URL}/picture", **(form | more))


@ONE_DATABASE
def test_a_picture_is_made_anew_and_put_above_the_story(desk: Desk, shelf: Path) -> None:
    client = desk(Role.EDITOR)
    data = photo() + b"<script>alert(1)</script>"
    assert upload(client, data, "../../Mijn Foto.HTML", picture_credit="Ann").status_code == 303
    (file,) = (shelf / "images").iterdir()
    assert file.name == "mijn-foto.jpg"
    assert b"script" not in file.read_bytes()
    shown = fields(client.get(URL))
    assert (shown["image"], shown["image_alt"], shown["image_credit"]) == (
        ["mijn-foto.jpg"],
        ["Een brug"],
        ["Ann"],
    )
    assert upload(client, data, "mijn foto.jpg").status_code == 303
    upload(client, photo(size=(300, 400)), "mijn foto.jpg", picture_place="text")
    assert sorted(one.name for one in (shelf / "images").iterdir()) == [
        "mijn-foto-2.jpg",
        "mijn-foto.jpg",
    ]
    assert "![Een brug](mijn-foto-2.jpg)" in fields(client.get(URL))["body"]
    for kind in ("mail", "page"):
        assert '="data:image/jpeg;base64,' in client.get(f"{URL}/frame?kind={kind}").text
    assert save(client, body="Zonder.", status="draft").status_code == 303
    assert Library(shelf).check() == []


@ONE_DATABASE
@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a<script>",
        b"",
        b"%PDF-1.7",
        photo()[:900],
    ],
)
def test_what_is_no_picture_is_refused(desk: Desk, shelf: Path, data: bytes) -> None:
    client = desk(Role.EDITOR)
    page = upload(client, data, "foto.jpg")
    assert page.status_code == 422
    assert not list((shelf / "images").iterdir())


@ONE_DATABASE
def test_a_picture_without_words_is_refused(desk: Desk, shelf: Path) -> None:
    page = upload(desk(Role.EDITOR), photo(), "a.jpg", picture_alt=" ")
    assert page.status_code == 422
    assert "Zeg wat er op de foto te zien is" in page.text
    assert not list((shelf / "images").iterdir())


@ONE_DATABASE
@pytest.mark.parametrize(
    "was", ["!", "eA==", base64.b64encode(zlib.compress(bytes(10**7))).decode()]
)
def test_a_form_that_was_tampered_with_is_refused(desk: Desk, was: str) -> None:
    assert desk(Role.EDITOR).send(URL, was=was, title="x").status_code == 400


@ONE_DATABASE
@pytest.mark.parametrize("slug", ["..", "%2e%2e%2fitems", "compost%00", "compost.nl", ".git"])
def test_no_address_leads_elsewhere(desk: Desk, slug: str) -> None:
    assert desk(Role.EDITOR).get(f"/desk/items/{slug}/nl").status_code == 404


def git(*arguments: str, folder: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode()


@ONE_DATABASE
def test_a_save_is_a_commit_with_a_name_and_without_an_address(desk: Desk, shelf: Path) -> None:
    git("init", "--quiet", folder=shelf)
    client = desk(Role.EDITOR)
    save(client, title="Nieuwe titel")
    log = git("log", "--format=%an <%ae> %s", folder=shelf)
    expected = f"Els Redacteur <editor-{client.editor.id}@nieuws.test> Save compost.nl\n"
    assert log == expected
    assert git("status", "--porcelain", folder=shelf).split() == ["??", "topics.toml"]
    (shelf / ".git/index.lock").touch()
    save(client, title="Nog een titel")
    told = client.get(URL).text
    assert told.count("De tekst is bewaard.") == 1
    assert '(Git), want: <q lang="en">fatal: ' in told
    assert str(shelf) not in told, "nobody has to know where the server keeps it"
    assert "Nog een titel" in (shelf / PATH).read_text("utf-8")


@ONE_DATABASE
def test_a_clone_has_the_picture_that_was_uploaded(desk: Desk, shelf: Path, tmp_path: Path) -> None:
    git("init", "--quiet", folder=shelf)
    client, data = desk(Role.EDITOR), photo()
    (shelf / ".git/index.lock").touch()
    assert upload(client, data, "brug.jpg").status_code == 303
    assert "De foto staat in je tekst. Het staat alleen nog niet" in client.get(URL).text
    (shelf / ".git/index.lock").unlink()
    assert upload(client, data, "brug.jpg").status_code == 303
    expected = f"Els Redacteur <editor-{client.editor.id}@nieuws.test> Add brug.jpg\n"
    assert git("log", "--format=%an <%ae> %s", folder=shelf) == expected
    save(client)
    git("clone", "--quiet", str(shelf), str(tmp_path / "clone"), folder=tmp_path)
    copy = tmp_path / "clone"
    assert (copy / "images/brug.jpg").read_bytes() == (shelf / "images/brug.jpg").read_bytes()
    assert "image: brug.jpg" in (copy / PATH).read_text("utf-8")


@ONE_DATABASE
def test_only_who_was_signed_in_may_send_a_picture_to_the_server(desk: Desk) -> None:
    client = desk(Role.WRITER)
    cookie = client.get_cookie(desk.app.config["SESSION_COOKIE_NAME"], "localhost")
    assert cookie
    allowed = desk.app.config["LARGER_BODY"]
    head = f"POST {URL}/picture HTTP/1.1\r\nHost: x\r\nCookie: a=b; {cookie.key}={cookie.value}"
    assert allowed(head.encode()) > 20_000_000
    for other in (head + "x", head.replace("/desk/", "/nl/"), head.split("\r\nCookie")[0]):
        assert not allowed(other.encode())
