"""`newsletter issues preflight N --links`, with sites that answer well, badly, never, in rings."""

import json
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from newsletter.issues.preflight import external
from tests.cli.test_commands import data, office, relay, run
from tests.issues.test_external_links import dialler, site

__all__ = ["office", "relay", "site"]  # fixtures
pytestmark = pytest.mark.sqlite("what other sites answer does not depend on the database")
LINKS = ("fine", "moved", "get-only", "shy", "gone", "error", "loop", "inside", "silent")
SAID = {
    "gone": "answers 404; mend the link or take it out.",
    "error": "answers 500; mend the link or take it out.",
    "shy": "answers 403, perhaps to programs only; open it yourself before you send.",
    "loop": "leads on from page to page without end; link to where it should end.",
    "inside": "is not a public address, which readers cannot open; take the link out.",
    "silent": "no answer in time; open it yourself before you send.",
}


@pytest.fixture
def linked(
    office: Path, site: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> ThreadingHTTPServer:
    """An issue with those links; other sites are the one of the test."""
    text = office / "content/items/2026/11/een.nl.md"
    words = [f"Meer over [{path} van elders](http://elders.example/{path})." for path in LINKS]
    text.write_text(text.read_text() + "\n" + "\n".join(words) + "\n")
    monkeypatch.setenv("ORG_WEBSITE", "http://elders.example/fine")  # in the footer
    monkeypatch.setattr(external, "dial_public", dialler(site))
    monkeypatch.setattr(external, "PATIENCE", 1.5)  # seconds for the one that never answers
    assert run("issues", "compile", "--items", "een").exit_code == 0
    return site


def test_an_editor_reads_which_links_to_look_at_and_the_issue_is_not_stopped(
    linked: ThreadingHTTPServer,
) -> None:
    result = run("issues", "preflight", "1", "--links")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == f"{len(SAID)} findings; none of them stops the issue."
    assert f"Asking other sites: {len(LINKS)} of {len(LINKS)}" in lines
    told = [line for line in lines if line.startswith("warn")]
    assert told == [
        f"warn  nl: LINK, link http://elders.example/{path}: {SAID[path]}"
        for path in LINKS
        if path in SAID
    ]


def test_programs_read_the_same_as_json_without_progress(linked: ThreadingHTTPServer) -> None:
    found = data("issues", "preflight", "1", "--links")
    assert {one["where"].rpartition("/")[2]: one["message"] for one in found} == SAID
    assert {(one["grade"], one["rule"], one["locale"]) for one in found} == {("warn", "LINK", "nl")}


def test_without_the_option_nobody_is_asked(linked: ThreadingHTTPServer) -> None:
    assert run("issues", "preflight", "1").stdout == "No findings.\n"
    assert linked.RequestHandlerClass.asked == []  # type: ignore[attr-defined]


def test_a_stop_is_one_also_where_links_are_asked_for(
    linked: ThreadingHTTPServer, office: Path
) -> None:
    text = office / "content/items/2026/11/twee.nl.md"
    text.write_text(text.read_text().replace("Een bron voor twee", "NU OF NOOIT VOOR ALLEN"))
    assert run("issues", "compile", "--items", "twee").stdout == "2\n"
    result = run("issues", "preflight", "2")
    assert result.exit_code == 1
    shouts = "It shouts; write words in lower case and end with one sign at most."
    assert result.stdout.splitlines() == [
        f"stop  nl, fr, en, de: SUBJECT-CALM, subject: {shouts}",
        "1 finding; the issue cannot be sent.",
    ]
    result = run("issues", "preflight", "2", "--links", "--json")
    assert result.exit_code == 1
    assert "stop" in {one["grade"] for one in json.loads(result.stdout)}
