"""Intros of editors: which files count, and what is wrong with the others, by file and line."""

from pathlib import Path

import pytest

from newsletter.content.intros import ALL, LONGEST, greet
from newsletter.content.library import Library
from newsletter.errors import FixContent
from tests.content.conftest import GOOD, Write

CADENCES = ("monthly", "weekly")


@pytest.fixture
def library(shelf: Path, write: Write) -> Library:
    write("items/2026/11/compost.nl.md", GOOD)
    return Library(shelf, cadences=CADENCES)


def test_each_cadence_and_language_has_its_own(library: Library, write: Write) -> None:
    write("intros/monthly.nl.md", "Beste lezer,\n\neen *warme* groet uit [Gent](https://gent.be/).")
    write("intros/monthly.fr.md", "Bonjour")
    write("intros/weekly.nl.md", "Dag")
    write(f"intros/{ALL}.nl.md", "Aan allen")
    assert library.check() == []
    found = library.intros("monthly")
    assert list(found) == ["nl", "fr"]
    assert found["nl"].body.html == (
        '<p>Beste lezer,</p>\n<p>een <em>warme</em> groet uit <a href="https://gent.be/">Gent</a>.</p>'
    )
    assert found["nl"].body.text.endswith("groet uit Gent (https://gent.be/).")
    assert [one.markdown for one in library.intros("weekly").values()] == ["Dag"]
    assert [one.markdown for one in library.intros(None).values()] == ["Aan allen"]
    assert library.intros("yearly") == {}


FAULTS: list[tuple[str, str | bytes, int, str]] = [
    ("intros/monthly.nl.md", "Dag.\n\n## Kop\n\nMeer.", 3, "no headings"),
    ("intros/monthly.nl.md", "Dag.\n\nKop\n---\n", 3, "no headings"),
    ("intros/monthly.nl.md", "Dag.\n\n![Een brug](brug.png)", 3, "picture"),
    ("intros/monthly.nl.md", "Dag.\nEn [hier](https://gent.be/).", 2, "says nothing"),
    ("intros/monthly.nl.md", "Dag.\n\nDag<br>", 3, "write it in Markdown"),
    ("intros/monthly.nl.md", "Dag [x](javascript:alert)", 1, "has to start with https://"),
    ("intros/monthly.nl.md", " \n\n", 1, "is empty"),
    ("intros/monthly.nl.md", "kort\n" + "x" * LONGEST, 2, f"keep it within {LONGEST}"),
    ("intros/monthly.nl.md", "Dag\u202e.", 1, "U+202E"),
    ("intros/monthly.nl.md", b"Dag caf\xe9", 1, "not UTF-8"),
    ("intros/monthly.xx.md", "Dag", 1, "Name it CADENCE.LOCALE.md"),
    ("intros/monthly.md", "Dag", 1, "Name it CADENCE.LOCALE.md"),
    ("intros/monthly.nl.txt", "Dag", 1, "Name it CADENCE.LOCALE.md"),
    ("intros/2026/monthly.nl.md", "Dag", 1, "move the file there"),
]


@pytest.mark.parametrize(("name", "content", "line", "message"), FAULTS)
def test_a_fault_is_named_with_file_and_line_and_keeps_an_issue_from_being_compiled(
    library: Library, write: Write, name: str, content: str | bytes, line: int, message: str
) -> None:
    write(name, content)
    [finding] = library.check()
    assert (str(finding.path), finding.line) == (f"content/{name}", line)
    assert message in str(finding.message)
    with pytest.raises(FixContent, match=f":{line}: "):
        library.items()
    assert "nl" not in library.intros("monthly"), "what is wrong is not printed"


def test_an_intro_of_no_cadence_is_a_hint_and_stops_nothing(
    library: Library, shelf: Path, write: Write
) -> None:
    """A cadence that is taken out of the settings leaves its files behind."""
    write("intros/montly.nl.md", "Dag")
    assert library.check() == []
    (hint,) = library.hints()
    assert str(hint) == (
        "content/intros/montly.nl.md:1: No issue takes this, for 'montly' is no cadence; begin the "
        "name with one of monthly, weekly, all-readers."
    )
    assert Library(shelf).hints() == [], "where cadences are unknown any name will do"


def test_a_footnote_of_an_intro_has_an_id_that_no_item_can_have() -> None:
    greeting, notes = greet("Dag.[^1]\n\n[^1]: Een noot.", "nl")
    assert notes == ()
    assert 'id="intro--fn-1"' in greeting.body.html


def test_markup_in_an_intro_is_sanitised() -> None:
    greeting, notes = greet('Dag <script>alert(1)</script> <img src=x onerror="a()">', "nl")
    assert notes
    assert "<script" not in greeting.body.html
    assert "<img" not in greeting.body.html
