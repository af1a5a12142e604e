"""Front matter in a form: what was not changed stays as it was, to the byte."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.content import frontmatter, matter, source
from newsletter.content.matter import NotAForm, Value

PROJECT = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("Europe/Brussels")
FILE = """---
# By hand.
title:  "Compost: een begin"   # to be settled
date: 2026-11-20

status: draft
topics: [milieu, bestuur]
summary: >
  Afval wordt
  compost.
wish: nobody knows this key
event:
  start: 2026-12-01 19:30
  # with coffee
  place: Gent
sources:
  - title: Een krant
    url: https://krant.test/
# The end.
---
Een alinea.

Nog een.
"""


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_form_that_changes_nothing_gives_the_same_file(line: str, mark: str) -> None:
    text = mark + FILE.replace("\n", line)
    assert matter.written(text, matter.values(text), matter.body(text)) == text


@pytest.mark.parametrize("file", sorted((PROJECT / "content/items").rglob("*.md")), ids=str)
def test_our_own_files_survive_the_form(file: Path) -> None:
    text = file.read_text("utf-8")
    found = matter.values(text)
    assert matter.written(text, found, matter.body(text)) == text
    anew = matter.new(found, matter.body(text))
    assert matter.values(anew) == found
    read = [
        frontmatter.read_item(source.read(one.encode()).header or "", ZONE) for one in (text, anew)
    ]
    assert read[0].value == read[1].value


def test_only_the_line_of_what_changed_is_written() -> None:
    text = matter.written(FILE, {"title": "Compost, een begin", "status": "ready"})
    assert text == FILE.replace('"Compost: een begin"', "Compost, een begin").replace(
        "draft", "ready"
    )
    assert "wish: nobody" in text


def test_values_of_many_lines_are_written_whole() -> None:
    event = {"start": "2026-12-01 19:30", "place": "Brugge"}
    text = matter.written(FILE, {"summary": "Kort.", "event": event})
    assert "\nsummary: Kort.\nwish: nobody" in text
    assert "\nevent:\n  start: 2026-12-01 19:30\n  place: Brugge\nsources:" in text


def test_keys_come_and_go() -> None:
    text = matter.written(FILE, {"sources": [], "country": "BJ", "image": "a.jpg", "link": ""})
    assert "sources" not in text
    assert "Een krant" not in text
    assert "# The end.\n---\n" in text
    assert "compost.\nimage: a.jpg\ncountry: BJ\nwish:" in text


@pytest.mark.parametrize(
    "text",
    [
        *("no front matter", "---\ntitle: x\n", "---\ntitle: 's\n---\n", "---\n{title: x}\n---\n"),
        *("---\ntitle: a\ntitle: b\n---\n", "---\n- a\n---\n", "---\na: &x b\nc: *x\n---\n"),
        *("---\nevent: [[a]]\n---\n", "---\na: {b: {c: d}}\n---\n"),
    ],
)
def test_what_is_no_form_says_so(text: str) -> None:
    with pytest.raises(NotAForm):
        matter.values(text)


words = st.text("aé0 \u00a0’:#'\"[]{},-&*!|>%@`\\=?~\N{GRINNING FACE}", max_size=12)
tricky = st.sampled_from(
    [
        *(
            "null",
            "~",
            "no",
            "- a",
            "a: b",
            "a #b",
            "# a",
            "'s",
            '"',
            "[a",
            "a, b",
            "!x",
            "&a",
            "*a",
        ),
        *("%", "@", "`", "|", ">", "=", "<<", "2026-11-20", "---", "...", "\\", 'it\'s "so"', "{}"),
    ]
)
text = (words | tricky).map(lambda text: re.sub(" +", " ", text).strip(" "))
some = text.filter(bool)
group = st.fixed_dictionaries({"title": some, "url": some})
value: st.SearchStrategy[Value] = st.one_of(
    text, st.lists(some, max_size=3), st.lists(group, min_size=1, max_size=2), group
)


@given(st.dictionaries(st.sampled_from(frontmatter.ITEM_KEYS), value, max_size=5))
def test_what_is_written_is_what_is_read(changes: dict[str, Value]) -> None:
    for start in (FILE, "---\n---\n"):
        found = matter.values(matter.written(start, changes))
        for name, wanted in changes.items():
            assert found.get(name, "") == (wanted or found.get(name, ""))
            assert bool(found.get(name)) == bool(wanted)
        assert matter.body(matter.written(start, changes)) == matter.body(start)
