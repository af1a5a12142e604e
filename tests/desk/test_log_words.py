"""The log on the desk speaks to people: each action that the program writes has its sentence."""

import ast
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest

import config
from newsletter import audit
from newsletter.editors import factors
from newsletter.issues import stock
from newsletter.models import Editor, Role
from newsletter.subscribers import retention
from newsletter.web.desk.issues import sending
from newsletter.web.desk.log_words import ACTIONS, ACTORS, FACTS, KINDS
from tests.desk.conftest import Desk

pytestmark = pytest.mark.sqlite("words do not depend on the database")
WRITERS = {
    "record",
    "log",
    "_log",
    "change",
    "_change",
    "_tell",
}  # write a line, or have it written
WRITES = re.compile(r"\b(audit\.|record\(|_?log\(|change\()")
ACTION = re.compile(r"[a-z]+\.(?!html)[a-z_]+")
ROOMS = {action.partition(".")[0] for action in ACTIONS}
HASH = "959b" + "0" * 60


@cache
def nodes() -> tuple[ast.AST, ...]:
    """The program of the doors that write lines, but for the words themselves."""
    folder = config.PROJECT_DIR / "newsletter"
    doors = (*folder.glob("web/desk/**/*.py"), *folder.glob("web/accounts/*.py"))
    doors += (folder / "web/proof.py", *folder.glob("cli/**/*.py"), *folder.glob("jobs/*.py"))
    doors += tuple(folder.glob("web/api/*.py"))
    found = ((path, path.read_text("utf-8")) for path in doors if path.stem != "log_words")
    wanted = (ast.parse(text) for _path, text in found if WRITES.search(text))
    return tuple(node for tree in wanted for node in ast.walk(tree))


def calls() -> Iterator[ast.Call]:
    """Every call of what writes a line."""
    for node in nodes():
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in WRITERS:
                yield node


def texts(*found: ast.AST) -> set[str]:
    """What stands in pieces of program, word for word."""
    walked = (getattr(one, "value", None) for node in found for one in ast.walk(node))
    return {text for text in walked if isinstance(text, str)}


def test_each_action_that_is_written_has_its_sentence() -> None:
    said = texts(*calls())
    all_texts = (node.value for node in nodes() if isinstance(node, ast.Constant))
    anywhere = {str(text) for text in all_texts if str(text).partition(".")[0] in ROOMS}
    written = {text for text in said | anywhere if ACTION.fullmatch(text)}
    written |= {action for action in factors.CHANGES.values() if action} | {stock.MAKE}
    assert {text for text in anywhere if text.endswith(".")} == {"issue."}, "and which can it be?"
    assert written | {f"issue.{deed}" for deed in sending.DONE} == set(ACTIONS)


def test_each_fact_and_each_subject_that_is_written_has_its_word() -> None:
    facts, subjects = {rule.what for rule in retention.RULES}, set[str]()
    for call in calls():
        facts |= {one.arg for one in call.keywords if one.arg} | keys(*call.args)
        whole = (one.values[0] for one in call.args if isinstance(one, ast.JoinedStr))
        subjects |= {text.partition(" ")[0] for one in whole for text in texts(one) if " " in text}
    for node in nodes():
        match node:
            case ast.FunctionDef(name="act"):
                facts |= keys(node)
            case (
                ast.AnnAssign(target=ast.Name(id="facts"))
                | ast.Assign(targets=[ast.Name(id="facts")])
            ):
                facts |= keys(node)
            case ast.Subscript(value=ast.Name(id="facts" | "gone"), slice=ast.Constant() as key):
                facts.add(str(key.value))
    counts = {"added", "confirmed"}  # of an import, all at once
    assert facts | counts == set(FACTS)
    assert subjects <= set(KINDS)


def keys(*found: ast.AST) -> set[str]:
    """The keys of all tables that stand there."""
    tables = (one for node in found for one in ast.walk(node) if isinstance(one, ast.Dict))
    return {str(key.value) for one in tables for key in one.keys if isinstance(key, ast.Constant)}


# What a line can hold, and what the page makes of it in Dutch.
LINES: dict[tuple[str, str], tuple[dict[str, Any], str, str]] = {
    ("issue.approve", "issue 4"): ({"hash": HASH}, "vingerafdruk: ", f'title="{HASH}">959b0000…<'),
    ("subscriber.erase", "subscriber 7"): ({"told": True}, "abonnee 7", "kreeg een bericht: ja"),
    ("editor.invite", "editor 99"): ({"role": "writer"}, "medewerker 99", "rol: schrijver"),
    ("issue.intro", "issue 5"): ({"language": "fr"}, "nummer 5", "taal: Français"),
    ("delivery.decide", "delivery 3"): (
        {"issue": 1234, "choice": "again"},
        "nummer: 1234<",
        "beslist: opnieuw versturen",
    ),
    ("issue.schedule", "issue 6"): ({"at": "2026-11-24T08:00:00+00:00"}, "om 09:00", "vertrekt op"),
    ("editor.sign_in", "editor 98"): ({"by": "webauthn"}, "met: toegangssleutel", "medewerker 98"),
    ("issue.compile", "issue 6"): ({"cadence": "weekly"}, "elke week", "nummer 6"),
    ("issue.order", "issue 6"): ({"order": ["een", "twee"]}, "volgorde: een, twee", "nummer 6"),
    ("issue.send", "issue 6"): ({"deliveries": 12345}, "mails: 12.345", "begonnen"),
    ("retention.run", "personal data"): (
        {"sent notices": 2},
        "verstuurde berichten: 2",
        "gegevens",
    ),
    # Of another release, or tampered with.
    ("room.new", "thing x"): ({"odd": None, "at": "x", "editors": 1}, "odd: None", "thing x"),
}
NOT_SAID = re.compile("|".join(map(re.escape, [*ACTIONS, HASH, "True", "issue 4", "proof letter"])))


def fill(desk: Desk, now: datetime, who: Editor) -> None:
    with desk.database.write() as session:
        for (action, what), (facts, _first, _then) in LINES.items():
            audit.record(session, desk.settings, audit.editor(who.id), action, what, now, facts)
        for actor in ACTORS:
            audit.record(session, desk.settings, actor, "issue.stop", "issue 4", now)
        facts = {"editors": [who.id]}
        audit.record(session, desk.settings, audit.CLOCK, "issue.proof", "issue 4", now, facts)


def shown(page: str) -> str:
    """The table as people read it: the log's own words stand small in <code>, hashes in a title."""
    table = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.sub(r"<code.*?</code>|<[^>]*>", " ", table)


def test_the_page_says_it_in_words(desk: Desk, now: datetime) -> None:
    client = desk(Role.PUBLISHER)
    fill(desk, now, client.editor)
    page = client.get("/desk/log").text
    for (action, _what), (_facts, *said) in LINES.items():
        assert f'<code class="small">{action}</code>' in page
        assert not [text for text in said if text not in page], action
    assert f"aan: {client.editor.name}" in page
    for locale in ("nl", "fr", "en", "de"):
        read = shown(client.get(f"/desk/log?locale={locale}").text)
        wrong = set(NOT_SAID.findall(read)) - ({"issue 4"} if locale == "en" else set())
        assert not wrong, locale


def test_the_log_is_searched_in_both_words(desk: Desk, now: datetime) -> None:
    client = desk(Role.PUBLISHER)
    fill(desk, now, client.editor)
    found = {
        "issue.approve": ["issue.approve"],
        "goedgekeurd": ["issue.approve"],
        "Nummer is INGEPLAND": ["issue.schedule"],
        "nummer 5": ["issue.intro"],
        "issue 5": ["issue.intro"],
        "abonnee": ["subscriber.erase"],
    }
    for words, actions in found.items():
        page = client.get("/desk/log", query_string={"q": words}).text
        assert re.findall(r'<code class="small">([^<]+)', page) == actions, words
    page = client.get("/desk/log", query_string={"q": "freigegeben", "locale": "de"}).text
    assert "Eine Ausgabe wurde freigegeben." in page
