"""The shelf as a whole: names, languages, contradictions, changes on disk, threads, links."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from newsletter.content.library import Library
from newsletter.errors import FixContent
from tests.content.conftest import GOOD, TOPICS, Write

PROJECT = Path(__file__).resolve().parents[2]
PAGE = "---\ntitle: {}\nsummary: Kort\norder: {}\nupdated: 2026-11-01\n---\nTekst\n"


def test_the_content_of_the_project_is_sound() -> None:
    library = Library(PROJECT / "content")
    assert [str(finding) for finding in library.check()] == []
    assert library.items()
    assert library.pages("fr")


def test_items_come_newest_first_with_their_languages(library: Library, write: Write) -> None:
    write("items/2026/11/oud.nl.md", GOOD.replace("2026-11-20", "2026-11-02"))
    write("items/2026/11/b.nl.md", GOOD)
    write("items/2026/11/a.nl.md", GOOD)
    write("items/2026/11/a.fr.md", GOOD.replace("Compost in", "Compost à"))
    items = library.items()
    assert [item.slug for item in items] == ["a", "b", "oud"]
    assert items[0].locales == ("nl", "fr")
    assert items[0].text_for("fr").front.title == "Compost à Tambacounda"
    assert items[0].text_for("de").locale == "nl"
    assert items[0].original.body_line == 8
    assert items[0].original.path == library.folder / "items/2026/11/a.nl.md"


def test_a_draft_translation_does_not_exist_for_readers(library: Library, write: Write) -> None:
    write("items/2026/11/a.nl.md", GOOD)
    write("items/2026/11/a.fr.md", GOOD.replace("ready", "draft"))
    write("items/2026/11/b.nl.md", GOOD.replace("ready", "draft"))
    ready, draft = library.items()
    assert (ready.status, draft.status) == ("ready", "draft")
    assert ready.text_for("fr").locale == "nl"
    assert ready.locales == ("nl",)
    assert draft.text_for("nl").front.status == "draft"


NAMES = [
    ("items/2026/11/Compost.nl.md", "name it 'compost.nl.md'"),
    ("items/2026/11/één dag.nl.md", "name it 'een-dag.nl.md'"),
    ("items/2026/11/a--b.nl.md", "name it 'a-b.nl.md'"),
    ("items/2026/11/a_b.nl.md", "name it 'a-b.nl.md'"),
    ("items/2026/11/compost.md", "has no language (nl, fr, en, de); name it 'compost.nl.md'"),
    ("items/2026/11/compost.es.md", "'es' in the name is not one of our languages"),
    ("items/2026/11/compost.NL.md", "'NL' in the name is not one of our languages"),
    ("items/2026/11/.nl.md", None),
    ("items/2026/11/compost.nl.md~", None),
    ("items/2026/11/compost.nl.txt", "This is not a text"),
    ("items/2026/11/foto.jpg", "content/images"),
    ("items/2026/11/" + "x" * 101 + ".nl.md", "lower-case letters"),
    ("pages/Missie.nl.md", "name it 'missie.nl.md'"),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
def test_names(library: Library, write: Write, name: str, message: str | None) -> None:
    write(name, PAGE.format("x", 1) if name.startswith("pages") else GOOD)
    messages = [str(finding.message) for finding in library.check()]
    assert bool(messages) == bool(message)
    assert all(message and message in text for text in messages)
    assert library.sound_items() == []


def test_a_slug_lives_in_one_folder(library: Library, write: Write) -> None:
    write("items/2026/10/a.nl.md", GOOD)
    write("items/2026/11/a.nl.md", GOOD)
    write("items/2026/11/a.fr.md", GOOD)
    found = [(str(finding.path), str(finding.message)) for finding in library.check()]
    message = "The slug 'a' is taken in 2026/10 already; rename this file."
    assert found == [
        ("content/items/2026/11/a.fr.md", message),
        ("content/items/2026/11/a.nl.md", message),
    ]
    assert [item.original.path.parent.name for item in library.sound_items()] == ["10"]


CONTRADICTIONS = [
    ("date: 2026-11-20", "date: 2026-11-21", 3, "'date' is 2026-11-21 here but 2026-11-20 in"),
    ("topics: [milieu]", "topics: [bestuur]", 5, "'topics' is bestuur here but milieu in"),
    ("status: ready", "status: ready\nsdgs: [5]", 5, "'sdgs' is 5 here but missing in"),
    ("status: ready", "status: ready\ncountry: BJ", 5, "'country' is BJ here but missing in"),
    ("status: ready", "status: ready\ndeadline: 2027-01-01", 5, "'deadline' is 2027-01-01"),
    ("status: ready", "status: ready\nevent: {start: 2027-01-01}", 5, "'event' is 2027-01-01"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), CONTRADICTIONS)
def test_a_translation_tells_the_same_facts(
    library: Library, write: Write, old: str, new: str, line: int, message: str
) -> None:
    write("items/2026/11/a.nl.md", GOOD)
    write("items/2026/11/a.fr.md", GOOD.replace(old, new))
    [finding] = library.check()
    assert (finding.path.name, finding.line) == ("a.fr.md", line)
    assert message in str(finding.message)
    assert str(finding.message).endswith("a.nl.md; make them equal.")


def test_items_raise_with_every_finding(library: Library, write: Write) -> None:
    write("items/2026/11/a.nl.md", GOOD)
    write("items/2026/11/b.nl.md", GOOD.replace("milieu", "x"))
    write("items/2026/11/c.nl.md", GOOD.replace("2026-11-20", "x"))
    with pytest.raises(FixContent) as caught:
        library.items()
    assert str(caught.value).count("\n") == 1
    assert str(caught.value).startswith("content/items/2026/11/b.nl.md:5: The topic 'x'")
    assert [item.slug for item in library.sound_items()] == ["a", "b"]


def test_an_edited_file_appears_at_once(library: Library, write: Write) -> None:
    path = write("items/2026/11/a.nl.md", GOOD)
    state = path.stat()
    first = library.items()[0].original
    assert library.items()[0].original.body is first.body
    path.with_suffix(".new").write_text(GOOD.replace("eerste", "tweede"), "utf-8")
    os.utime(path.with_suffix(".new"), ns=(state.st_atime_ns, state.st_mtime_ns))
    path.with_suffix(".new").rename(path)  # same size, same time: only the file itself differs
    assert "tweede" in library.items()[0].original.body.text
    path.unlink()
    assert library.items() == []


def test_eight_threads_read_while_one_writes(library: Library, write: Write) -> None:
    for number in range(12):
        write(f"items/2026/11/item-{number}.nl.md", GOOD)
    fresh = write("items/2026/11/fresh.nl.md", GOOD).with_suffix(".tmp")

    def read(turn: int) -> int:
        if turn % 8 == 0:
            mine = fresh.with_name(f"{turn}.tmp")
            mine.write_text(GOOD.replace("eerste", f"{turn}e"), "utf-8")
            mine.replace(fresh.with_suffix(".md"))
        return len(library.items())

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(64))) == {13}


def test_links_that_lead_outside_are_not_followed(
    library: Library, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "secret.nl.md").write_text(GOOD, "utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.nl.md").write_text(GOOD, "utf-8")
    folder = write("items/2026/11/echt.nl.md", GOOD).parent
    (folder / "a.nl.md").symlink_to(tmp_path / "secret.nl.md")
    (folder / "more").symlink_to(tmp_path / "more")
    (folder / "c.nl.md").symlink_to(folder / "nowhere.nl.md")
    (folder / "d.nl.md").symlink_to(folder / "echt.nl.md")
    findings = [str(finding) for finding in library.check()]
    assert any("a.nl.md:1: This link leads out of the content folder" in line for line in findings)
    assert any("more:1: " in line for line in findings)
    assert [item.slug for item in library.sound_items()] == ["d", "echt"]


def test_an_image_may_not_be_a_link_to_elsewhere(
    library: Library, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "passwd").write_text("x", "utf-8")
    (library.folder / "images" / "a.png").symlink_to(tmp_path / "passwd")
    write("items/2026/11/a.nl.md", GOOD.replace("status", "image: a.png\nimage_alt: x\nstatus", 1))
    assert ["not in content/images" in str(finding.message) for finding in library.check()] == [
        True
    ]


def test_a_pipe_or_a_locked_file_does_not_hold_the_reader(library: Library, write: Write) -> None:
    folder = write("items/2026/11/echt.nl.md", GOOD).parent
    os.mkfifo(folder / "pijp.nl.md")
    (folder / "map.nl.md").mkdir()
    assert ["not a file" in str(finding.message) for finding in library.check()] == [True]


def test_topics_keep_their_order(library: Library) -> None:
    assert list(library.topics()) == ["milieu", "bestuur"]
    assert library.topics()["milieu"]["de"] == "Umwelt"


@pytest.mark.parametrize(
    ("content", "english", "dutch"),
    [
        (TOPICS.replace('= "Umwelt"', "Umwelt"), "Expected '=' after", "achter een sleutel hoort"),
        (TOPICS.replace("[milieu]", "[milieu"), "Expected ']' at", "een haak [ gaat niet dicht"),
        (TOPICS.replace('"Umwelt"', "Umwelt"), "(Invalid value)", "tussen aanhalingstekens"),
        (TOPICS + "[milieu]\n", "('milieu',) twice", "“milieu” staat er twee keer"),
        (TOPICS + 'nl = "x"\n', "Cannot overwrite a value", "een sleutel staat er twee keer"),
    ],
)
def test_slips_in_topics_are_told_in_words(
    library: Library, write: Write, content: str, english: str, dutch: str
) -> None:
    write("topics.toml", content)
    (finding,) = library.check()
    assert english in str(finding.message)
    assert dutch in finding.message.in_("nl")


TOPIC_FAULTS = [
    (TOPICS.replace('de = "Umwelt"\n', ""), 2, "'milieu' needs a name in 'de'"),
    (TOPICS.replace('"Umwelt"', "7"), 2, "'milieu' needs a name in 'de'"),
    (TOPICS.replace('"Umwelt"', '" "'), 2, "'milieu' needs a name in 'de'"),
    (TOPICS.replace("Verwaltung", "\\u202E"), 8, "'bestuur' needs a name in 'de'"),
    (TOPICS.replace("[bestuur]", "[Bestuur]"), 8, "lower-case"),
    (TOPICS + 'es = "Gobierno"\n', 8, "'bestuur' has 'es'"),
    ('los = "x"\n' + TOPICS, 1, "'los' stands outside a topic"),
    (TOPICS.replace('= "Umwelt"', "Umwelt"), 6, "This is not TOML"),
    (TOPICS.encode() + b"\n# caf\xe9", 14, "not UTF-8"),
]


@pytest.mark.parametrize(("content", "line", "message"), TOPIC_FAULTS)
def test_faults_of_topics(
    library: Library, write: Write, content: str | bytes, line: int, message: str
) -> None:
    write("topics.toml", content)
    [finding] = library.check()
    assert (str(finding.path), finding.line) == ("content/topics.toml", line)
    assert message in str(finding.message)
    with pytest.raises(FixContent, match=f"topics.toml:{line}: "):
        library.topics()


def test_missing_topics_are_a_finding(library: Library) -> None:
    (library.folder / "topics.toml").unlink()
    assert [finding.line for finding in library.check()] == [1]


def test_pages_fall_back_to_dutch(library: Library, write: Write) -> None:
    write("pages/visie.nl.md", PAGE.format("Visie", 2))
    write("pages/missie.nl.md", PAGE.format("Missie", 1))
    write("pages/missie.fr.md", PAGE.format("Mission", 1))
    assert [(page.name, page.locale, page.title) for page in library.pages("fr")] == [
        ("missie", "fr", "Mission"),
        ("visie", "nl", "Visie"),
    ]
    assert library.page("geen", "nl") is None
    page = library.page("visie", "de")
    assert page is not None
    assert (page.locale, page.order, str(page.updated)) == ("nl", 2, "2026-11-01")
    assert page.body.html == "<p>Tekst</p>"


def test_an_empty_folder_is_an_empty_shelf(tmp_path: Path) -> None:
    library = Library(tmp_path / "nothing")
    assert [str(finding.path) for finding in library.check()] == ["nothing/topics.toml"]
    assert library.pages("nl") == []


def test_an_item_needs_a_dutch_text_and_a_story(tmp_path: Path) -> None:
    folder = tmp_path / "content/items/2026/11"
    folder.mkdir(parents=True)
    (tmp_path / "content/topics.toml").write_text(
        '[a]\nnl = "A"\nfr = "A"\nen = "A"\nde = "A"\n', "utf-8"
    )
    front = "---\ntitle: T\ndate: 2026-11-02\nstatus: ready\ntopics: [a]\nsummary: S.\n---\n"
    (folder / "seul.fr.md").write_text(front + "Une histoire.\n", "utf-8")
    (folder / "leeg.nl.md").write_text(front, "utf-8")
    found = {(one.path.name, str(one.message)) for one in Library(tmp_path / "content").check()}
    assert found == {
        ("seul.fr.md", "There is no Dutch text; write seul.nl.md beside it."),
        ("leeg.nl.md", "There is no text below the front matter; write the story there."),
    }
