"""`newsletter demo`: it goes the whole road, and it would notice a broken promise."""

import dataclasses
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

import config
from newsletter.catcher import FOLDER, Store
from newsletter.cli.demo import proof
from newsletter.cli.demo.browser import DemoFailed, Page
from newsletter.cli.demo.proof import Letter
from newsletter.cli.demo.readers import Reader, as_csv, expected, make_readers
from tests.faults.programs import Birth, Fresh, Program, wait_for


def start(birth: Birth, folder: Path, *arguments: str, **environ: str) -> Program:
    mine = {"INSTANCE_DIR": str(folder)} | environ
    output = folder.parent / f"{folder.name}-demo"
    return Program(birth, "newsletter.cli", ["demo", *arguments], mine, output)


def servers_of(folder: Path) -> list[int]:
    """Processes whose INSTANCE_DIR lies in `folder`."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            environ = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"INSTANCE_DIR={folder / 'demo'}".encode() in environ:
            found.append(int(process.name))
    return found


def test_goes_the_whole_road(tmp_path: Path) -> None:
    done = start(Fresh(), tmp_path, "--subscribers", "40").wait(100)
    out, err = done.out, done.err
    assert done.code == 0, out + err
    assert err == ""
    for promise in ("GET", "POST", "Issue 1", "RFC 8058", "Issue 2", "new item", "Message-ID"):
        assert re.search(f"^PASS .*{promise}", out, re.MULTILINE), promise
    assert re.search(r"Issue 1, Nederlands +15 +15 +15\n", out)
    assert re.search(r"Mailing issue 1: 41 of 41", out)
    letter = re.search(r"One rendered mail: (\S+)", out)
    assert letter is not None
    assert "<html" in Path(letter[1]).read_text("utf-8")
    assert Store(tmp_path / "demo" / FOLDER).count("nieuwkomer@voorbeeld.example") >= 3
    assert servers_of(tmp_path) == []
    assert "Traceback" not in (tmp_path / "demo" / "server.log").read_text("utf-8")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_stopping_it_stops_the_server_too(birth: Birth, tmp_path: Path, name: str) -> None:
    demo = start(birth, tmp_path, "--subscribers", "10")
    wait_for(lambda: servers_of(tmp_path), "the start of its server")
    demo.signal(getattr(signal, name))
    done = demo.wait()
    assert done.code == 1
    assert "Traceback" not in done.out + done.err
    assert servers_of(tmp_path) == []


def test_does_not_run_in_production(birth: Birth, tmp_path: Path) -> None:
    owner = {name: "x" for name in vars(config) if name.startswith("ORG_")}
    owner |= {"ORG_EMAIL": "a@b.example", "ORG_WEBSITE": "https://b.example"}
    relay = {
        "MAIL_SERVER": "localhost",
        "MAIL_DEFAULT_SENDER": "B <a@b.example>",
        "LIST_ID": "l.b.x",
    }
    done = start(
        birth,
        tmp_path,
        NEWSLETTER_ENV="production",
        SECRET_KEY="k" * 40,
        BASE_URL="https://b.example",
        **owner,
        **relay,
    ).wait()
    assert done.code == 1
    assert "does not run in production" in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "demo").exists()


def test_says_why_when_the_content_is_wrong(birth: Birth, tmp_path: Path) -> None:
    content = tmp_path / "content"
    (content / "items").mkdir(parents=True)
    (content / "topics.toml").write_text('[a]\nnl = "A"\nfr = "A"\nen = "A"\nde = "A"\n')
    words = ["--subscribers", "10"]
    done = start(birth, tmp_path / "instance", *words, CONTENT_DIR=str(content)).wait()
    assert done.code == 1
    assert done.err.startswith("There is nothing new to send")
    assert servers_of(tmp_path / "instance") == []


# --- it would notice ------------------------------------------------------------------------------

READERS = [Reader("an@x.example", "nl", ()), Reader("bo@x.example", "fr", ("sdg",))]
ITEMS = {"water": frozenset({"milieu"}), "jeugd": frozenset({"sdg", "samenleving"})}


def letter(to: str, *slugs: str, message_id: str = "", text: str = "") -> Letter:
    return Letter(
        key="k",
        to=to,
        issue=1,
        locale="nl",
        message_id=message_id or f"<{to}>",
        slugs=frozenset(slugs),
        text=text,
    )


def test_each_reader_should_get_what_was_chosen() -> None:
    assert expected(READERS, ITEMS) == {
        "an@x.example": {"water", "jeugd"},
        "bo@x.example": {"jeugd"},
    }
    assert expected(READERS, {"water": ITEMS["water"]}) == {"an@x.example": {"water"}}


GOOD = [letter("an@x.example", "water", "jeugd"), letter("bo@x.example", "jeugd")]


@pytest.mark.parametrize(
    ("letters", "reason"),
    [
        (GOOD[:1], "Issue 1 did not reach bo@x.example."),
        (
            [*GOOD, letter("cy@x.example"), letter("di@x.example")],
            "Issue 1 came to cy@x.example and 1 more by mistake.",
        ),
        ([*GOOD, GOOD[0]], "Issue 1 came more than once to an@x.example."),
        ([GOOD[0], letter("bo@x.example", "water")], "wrong about these items: jeugd, water."),
    ],
    ids=["skipped", "stranger", "twice", "wrong items"],
)
def test_notices_a_wrong_delivery(letters: list[Letter], reason: str) -> None:
    proof.check_issue(1, expected(READERS, ITEMS), GOOD)
    with pytest.raises(DemoFailed, match=re.escape(reason)):
        proof.check_issue(1, expected(READERS, ITEMS), letters)


@pytest.mark.parametrize("message_id", ["<an@x.example>", ""])
def test_notices_message_ids_that_are_not_distinct(message_id: str) -> None:
    proof.check_message_ids(GOOD)
    other = dataclasses.replace(GOOD[1], message_id=message_id)
    with pytest.raises(DemoFailed, match="Message-ID"):
        proof.check_message_ids([GOOD[0], other])


def test_notices_old_titles_and_the_lack_of_any() -> None:
    told = [letter("an@x.example", text="Nieuws: Elke geboorte telt – lees meer")]
    proof.check_titles(told, ["Elke geboorte\ntelt"], present=True)
    proof.check_titles(told, ["Compost"], present=False)
    with pytest.raises(DemoFailed, match="repeats “Elke geboorte telt”"):
        proof.check_titles(told, ["Elke geboorte telt"], present=False)
    with pytest.raises(DemoFailed, match="names none of its items"):
        proof.check_titles(told, ["Compost"], present=True)


def test_notices_a_ledger_that_says_otherwise(session: Session) -> None:
    with pytest.raises(DemoFailed, match="2 letters are right, the ledger says 0 and"):
        proof.count(session, 1, [READERS[0]] * 2, expected(READERS, ITEMS), GOOD)


def test_made_up_readers_are_of_all_kinds() -> None:
    readers = make_readers(300, ["a", "b", "c"])
    assert len({reader.email for reader in readers}) == 300
    assert {(reader.locale, bool(reader.topics)) for reader in readers} == {
        (locale, chose) for locale in ("nl", "fr", "en") for chose in (True, False)
    }
    assert {reader.topics for reader in readers} == {
        (),
        ("a",),
        ("b",),
        ("c",),
        ("a", "b"),
        ("b", "c"),
    }
    lines = list(as_csv(readers[:2], datetime(2026, 11, 1, tzinfo=UTC)))
    assert lines[0] == "email,locale,topics,confirmed_at"
    assert lines[1] == "reader-00000@voorbeeld.example,nl,,2026-11-01T00:00:00+00:00"


def test_reads_a_form_as_a_browser_sends_it() -> None:
    page = Page(
        "http://x.example/nl/signup",
        200,
        '<form action="/search"><input name="q"></form><form method="post" action="signup">'
        '<input name="email"><input type="hidden" name="made" value="1&amp;2">'
        '<input type="checkbox" name="topics" value="a">'
        '<input type="radio" name="c" value="m" checked></form>',
    )
    form = page.form("/nl/signup")
    assert form.url == "http://x.example/nl/signup"
    assert form.fields == {"email": "", "made": "1&2", "c": "m"}
    with pytest.raises(DemoFailed, match="no form for /confirm"):
        page.form("/confirm")
