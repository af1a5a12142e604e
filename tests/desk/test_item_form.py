"""The form of a text: of what was not changed in it, no byte of the file changes."""

from typing import Any

from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.issues.stock import Stage
from newsletter.web.desk.items import form
from newsletter.web.desk.items.access import Work

TOPICS = ("bestuur", "milieu", "partnerschappen")  # in the order of the page
# Each key as people write it by hand, odd ways too.
WAYS = {
    "title": ['title:  "Compost: een begin"  # soon', "title: 'It''s'", "title: >\n  Een\n  titel"],
    "date": ["date: 2026-11-20", "date: '2026-11-20'", "date:    2026-11-20 # a Friday"],
    "status": ["status: draft", 'status: "ready"'],
    "topics": [
        "topics: [milieu, bestuur]",
        "topics:\n- partnerschappen # first\n- bestuur",
        "topics: [milieu,  old]",
        "topics: milieu",
        "topics: []",
    ],
    "summary": [
        "summary: |\n  Een.\n\n  Twee.\n",
        "summary: Een\n  twee.",
        "summary: ''",
        "summary:",
    ],
    "sdgs": ["sdgs: [ 11,17 ]", "sdgs: [04]", "sdgs:\n  - 11"],
    "event": [
        "event: {start: 2026-12-01 19:30, place: Gent}",
        "event:\n  place: Gent\n  # coffee\n  start: '2026-12-01'\n  room: 4",
    ],
    "sources": [
        "sources:\n  - url: https://a.test/?x|y\n    title: A | B\n    seen: today",
        "sources: [Krant, 'Nog één']",
        "sources:\n- title: Krant\n- title: Boek\n  url: https://b.test/",
    ],
    "image": ["image: a.jpg", "image: [a.jpg]"],
    "partner": ["partner: Dogbo\u00a0en  Roeselare"],
    "wish": ["wish: nobody knows this key", "# only a comment", ""],
}


def way(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(WAYS[name])


files = (
    st.lists(st.sampled_from(sorted(WAYS)), unique=True)
    .flatmap(lambda names: st.tuples(*(st.tuples(st.just(name), way(name)) for name in names)))
    .map(dict)
)
ends = st.sampled_from(["\n", "\r\n"])


def joined(blocks: dict[str, str], end: str) -> str:
    header = "".join(f"{block}\n" for block in blocks.values())
    return f"---\n{header}---\nEen alinea.\n\n- a\n".replace("\n", end)


def sent(text: str, **changes: Any) -> str:
    """The file that a browser's form of this text makes, with some fields changed."""
    fields = form.shown(text)
    assert fields
    topics = fields.pop("topics")
    ordered = [one for one in TOPICS if one in topics]
    fields |= {"topics": ordered + [one for one in topics if one not in TOPICS]} | changes
    fields = {
        name: value.replace("\n", "\r\n") if isinstance(value, str) else value
        for name, value in fields.items()
        if name != "original"
    }
    work = Work("a", "nl", "items/a.nl.md", text.encode(), None, text, Stage.DRAFT, ())
    with Flask(__name__).test_request_context("/", method="POST", data=fields):
        return form.typed(work, text)


@settings(max_examples=40)
@given(files, ends)
def test_a_form_that_was_not_touched_gives_the_same_file(blocks: dict[str, str], end: str) -> None:
    text = joined(blocks, end)
    assert sent(text) == text


@settings(max_examples=40)
@given(files, ends)
def test_one_changed_field_changes_its_own_lines_alone(blocks: dict[str, str], end: str) -> None:
    text = joined(blocks | {"country": "country: BJ"}, end)
    wanted = joined(blocks | {"country": "country: SN"}, end)
    assert sent(text, country="SN") == wanted


def test_of_groups_only_what_changed_changes() -> None:
    text = joined({name: WAYS[name][-1] for name in ("event", "sources")}, "\n")
    text = text.replace("- title: Krant\n", "- title: Krant\n  seen: today\n")
    changed = sent(text, event_place="Brugge", sources="Krant | \r\nNieuw | https://c.test/")
    assert "  start: 2026-12-01\n  room: 4\n" in changed
    assert "  place: Brugge\n" in changed
    assert "  - title: Krant\n    seen: today\n  - title: Nieuw\n" in changed
    assert "Boek" not in changed
