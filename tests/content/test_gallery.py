"""Pictures on the shelf: each fault at its line, none from outside, read anew when they change."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from newsletter.content import gallery
from newsletter.content.library import Library
from newsletter.content.markdown import convert
from newsletter.errors import FixContent
from tests.content import files
from tests.content.conftest import GOOD, Write
from tests.content.files import drawing, jpeg, saved

ITEM = "items/2026/11/markt.nl.md"
LEAD = GOOD.replace("status:", "image: {}\nimage_alt: Vrouwen op de markt\nstatus:")
BODY = GOOD + "\n![Vrouwen op de markt]({})\n"
SMALL = saved(Image.new("RGB", (600, 199), "#0B5A52"), "PNG")


def found(library: Library) -> list[tuple[str, int, str]]:
    return [(one.path.name, one.line, str(one.message)) for one in library.check()]


def test_a_picture_may_stand_in_folders_above_a_story_and_in_it(
    library: Library, write: Write
) -> None:
    write("images/2026/11/markt_1.v2.jpeg", jpeg())
    write("images/kaart.webp", saved(drawing(), "WEBP"))
    write(ITEM, LEAD.format("2026/11/markt_1.v2.jpeg") + "\n![Een kaart van Benin](kaart.webp)\n")
    assert found(library) == []
    [item] = library.items()
    assert '<img src="images/kaart.webp" alt="Een kaart van Benin">' in item.original.body.html
    assert item.original.body.text.endswith("[Beeld: Een kaart van Benin]")
    assert library.gallery.ready("2026/11/markt_1.v2.jpeg").large.width == 800


FAULTS = [
    # name of the file, its bytes, what the sentence says after "The picture '…' "
    ("weg.jpg", None, "is not in content/images; put it there."),
    ("2026/mrkt.jpg", None, "is not in content/images; did you mean '2026/markt.jpg'?"),
    ("images/2026/markt.jpg", None, "did you mean '2026/markt.jpg'?"),
    ("a.jpg", jpeg()[:9000], "is damaged or cut off; save it again."),
    ("a.jpg", files.HTML, "is a web page; save it as JPEG or PNG."),
    ("a.png", b"<svg/>", "is an SVG drawing; save it as JPEG or PNG."),
    ("a.png", files.png_bomb(20_000, 20_000), "has more than 50 million pixels; save it smaller."),
    ("a.jpg", b"", "is an empty file; save it as JPEG or PNG."),
    ("a.jpg", jpeg() + bytes(20_000_000), "is larger than 20 MB; save it smaller."),
]


@pytest.mark.parametrize(("name", "data", "message"), FAULTS, ids=range(len(FAULTS)))
def test_a_picture_that_cannot_be_shown_is_named_with_its_line(
    library: Library, write: Write, name: str, data: bytes | None, message: str
) -> None:
    write("images/2026/markt.jpg", jpeg())
    if data is not None:
        write(f"images/{name}", data)
    for text, line in ((LEAD, 4), (BODY, 10)):
        write(ITEM, text.format(name))
        [(path, at, said)] = found(library)
        assert (path, at) == ("markt.nl.md", line)
        assert said.startswith(f"The picture '{name}' ")
        assert message in said
        with pytest.raises(FixContent, match="The picture"):
            library.items()
        with pytest.raises(FixContent, match="The picture"):
            library.gallery.ready(name)


def test_a_tiny_picture_is_no_lead_but_may_stand_in_a_text(library: Library, write: Write) -> None:
    write("images/klein.png", SMALL)
    write(ITEM, BODY.format("klein.png"))
    assert found(library) == []
    write(ITEM, LEAD.format("klein.png"))
    message = "is 600 x 199 px; above a story it needs at least 200 px on both sides."
    assert found(library) == [("markt.nl.md", 4, f"The picture 'klein.png' {message}")]


def test_the_same_picture_twice_is_found_at_both_lines(library: Library, write: Write) -> None:
    write(ITEM, BODY.format("weg.jpg") + "\n![Nog eens de markt](weg.jpg)\n")
    assert [line for _path, line, _message in found(library)] == [10, 12]


def test_translations_show_the_same_picture_above_the_story(library: Library, write: Write) -> None:
    for name in ("markt.jpg", "put.jpg"):
        write(f"images/{name}", jpeg())
    write(ITEM, LEAD.format("markt.jpg"))
    write("items/2026/11/markt.fr.md", LEAD.format("put.jpg"))
    write("items/2026/11/markt.en.md", GOOD)
    assert found(library) == [
        (
            "markt.en.md",
            1,
            "'image' is missing here but markt.jpg in markt.nl.md; make them equal.",
        ),
        (
            "markt.fr.md",
            4,
            "'image' is put.jpg here but markt.jpg in markt.nl.md; make them equal.",
        ),
    ]


def test_a_page_of_the_site_shows_no_picture(library: Library, write: Write) -> None:
    write("images/markt.jpg", jpeg())
    page = "---\ntitle: Over ons\nsummary: Kort\n---\nTekst\n\n![De markt van Dogbo](markt.jpg)\n"
    write("pages/over.nl.md", page)
    message = "The picture cannot stand here, only in an item; take it out."
    assert found(library) == [("over.nl.md", 7, message)]
    assert "<img" not in convert("![De markt van Dogbo](markt.jpg)").body.html


def test_a_forgotten_credit_is_a_hint_and_no_error(library: Library, write: Write) -> None:
    write("images/markt.jpg", jpeg())
    body = '\n![Vrouwen](markt.jpg)\n\n![Mannen](markt.jpg "Foto: \'t Hooft")\n'
    write(ITEM, LEAD.format("markt.jpg") + body)
    assert found(library) == []
    assert [(one.line, str(one.message)) for one in library.hints()] == [
        (4, "The picture 'markt.jpg' has no credit; say whose it is as 'image_credit'."),
        (
            12,
            "The picture 'markt.jpg' has no credit; say whose it is behind its name, "
            "between quotes.",
        ),
    ]
    html = library.items()[0].original.body.html
    assert 'alt="Mannen"><br><em>Foto: ’t Hooft</em></p>' in html


OUTSIDE = ["a link to a file", "a link to a folder", "a link to nothing", "a folder", "a pipe"]


@pytest.mark.parametrize("what", OUTSIDE)
@pytest.mark.timeout(20)
def test_nothing_from_outside_of_the_folder_is_read(
    library: Library, write: Write, tmp_path: Path, what: str
) -> None:
    (tmp_path / "elders").mkdir()
    (tmp_path / "elders/geheim.jpg").write_bytes(jpeg())
    images, name = library.folder / "images", "geheim.jpg"
    if what == "a link to a file":
        (images / name).symlink_to(tmp_path / "elders/geheim.jpg")
    elif what == "a link to a folder":
        (images / "map").symlink_to(tmp_path / "elders")
        name = "map/geheim.jpg"
    elif what == "a link to nothing":
        (images / name).symlink_to(tmp_path / "nergens.jpg")
    elif what == "a folder":
        (images / name).mkdir()
    else:
        os.mkfifo(images / name)
    write(ITEM, LEAD.format(name))
    [(_path, line, message)] = found(library)
    assert line == 4
    assert "is not in content/images" in message
    with pytest.raises(FixContent):
        library.gallery.ready(name)


def test_a_picture_that_may_not_be_read_says_so(
    library: Library, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is made up."""

    def refuse(*_arguments: object) -> int:
        raise PermissionError

    write("images/markt.jpg", jpeg())
    monkeypatch.setattr("newsletter.content.files.os.open", refuse)
    fault = str(library.gallery.fault("markt.jpg", lead=True))
    assert fault == "cannot be read; put it in content/images anew."


def test_a_changed_picture_is_another_at_once(library: Library, write: Write) -> None:
    write("images/markt.jpg", jpeg())
    before = library.gallery.ready("markt.jpg")
    assert library.gallery.ready("markt.jpg") is before
    write("images/markt.jpg", jpeg(quality=50))
    after = library.gallery.ready("markt.jpg")
    assert after.large.name != before.large.name
    write("images/markt.jpg", jpeg()[:9000])
    assert "cut off" in str(library.gallery.fault("markt.jpg", lead=False))


def test_only_so_many_are_kept_ready(
    library: Library, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "KEPT", 2)
    for number in range(3):
        write(f"images/{number}.jpg", jpeg(quality=50 + number))
    first = library.gallery.ready("0.jpg")
    for number in range(3):
        library.gallery.ready(f"{number}.jpg")
    again = library.gallery.ready("0.jpg")
    assert again == first
    assert again is not first


def test_many_threads_make_the_same_of_a_picture(library: Library, write: Write) -> None:
    write("images/markt.jpg", jpeg())
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _turn: library.gallery.ready("markt.jpg"), range(16)))
    assert len(made) == 1


def test_leftovers_of_programs_are_not_offered(library: Library, write: Write) -> None:
    for name in ("markt.jpg", ".DS_Store", "markt.jpg~", "2026/put.png"):
        write(f"images/{name}", b"x")
    assert library.gallery.names() == ["markt.jpg", "2026/put.png"]
