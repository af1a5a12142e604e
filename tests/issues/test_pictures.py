"""Pictures of pieces: frozen with them, kept once, and shown in the mail as every program can."""

import re
from datetime import datetime
from urllib.parse import urlsplit

import html5lib
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.content.images import Ready, accept
from newsletter.errors import FixContent
from newsletter.i18n import LOCALES
from newsletter.issues import pictures, publishing
from newsletter.issues.compiler import compile_issue, freeze
from newsletter.issues.pictures import Album, Shown
from newsletter.issues.preflight import check
from newsletter.issues.preflight.tree import Node, parse
from newsletter.issues.rendering import RenderedEdition, render_edition
from newsletter.models import Issue, Picture, Piece
from newsletter.settings import Settings
from tests.content.files import drawing, jpeg, photo, saved
from tests.issues.conftest import Shelf
from tests.issues.samples import issue

ALT = "Vrouwen raspen maniok op de markt van Pèrèrè"
NAME = re.compile(r"[0-9a-f]{32}\.(jpg|png)")


def put(shelf: Shelf, name: str, data: bytes) -> None:
    path = shelf.folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def put_both(shelf: Shelf, slug: str = "markt", body: str = "", **front: str) -> None:
    """An item with a picture above its story and one in it."""
    put(shelf, "markt.jpg", jpeg())
    put(shelf, "2026/kaart.png", saved(drawing(1600, 1000), "PNG"))
    lead = {"image": "markt.jpg", "image_alt": f'"{ALT}"', "image_credit": "'Foto: An & Jan'"}
    path = shelf.put(slug, **(lead | front))
    text = f'\n![Kaart van "Benin" & Togo](2026/kaart.png "Kaart: <VVSG>")\n\nNog een zin.\n{body}'
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def frozen(shelf: Shelf, locale: str = "nl") -> Piece:
    pieces, _album = freeze(shelf.library.items(), shelf.library)
    return next(piece for piece in pieces if piece.locale == locale)


def mailed(settings: Settings, *pieces: Piece, locale: str = "nl") -> RenderedEdition:
    return render_edition(settings, issue(), pieces, locale)


def images(edition: RenderedEdition) -> list[Node]:
    return list(parse(edition.html).find("img"))


# --- freezing -------------------------------------------------------------------------------------


def test_pictures_are_frozen_with_their_pieces(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    put_both(shelf)
    made = compile_issue(session, settings, shelf.library, now, "monthly")
    assert made
    pieces = session.scalars(select(Piece).where(Piece.issue_number == made.number)).all()
    assert len(pieces) == len(LOCALES)
    for piece in pieces:
        above = piece.facts["picture"]
        assert above | {"name": ""} == {
            "name": "",
            "width": 800,
            "height": 500,
            "alt": ALT,
            "credit": "Foto: An & Jan",
        }
        assert NAME.fullmatch(above["name"])
        [within] = re.findall(r"<img[^>]*>", piece.html)
        assert re.fullmatch(
            r'<img src="/pictures/[0-9a-f]{32}\.png" width="1200" height="750"'
            r' alt="Kaart van &quot;Benin&quot; &amp; Togo">',
            within,
        )
        assert "<br><em>Kaart: &lt;VVSG&gt;</em>" in piece.html
        assert 'src="images/' not in piece.html
    kept = session.scalars(select(Picture)).all()
    assert sorted((row.media_type, row.width, row.height) for row in kept) == [
        ("image/jpeg", 600, 375),
        ("image/jpeg", 800, 500),
        ("image/png", 600, 375),
        ("image/png", 1200, 750),
    ]
    large = accept(jpeg(), "markt.jpg").large
    row = pictures.find(session, large.name)
    assert row
    assert row.data == large.data


def test_the_same_picture_is_kept_once(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    put_both(shelf)
    assert compile_issue(session, settings, shelf.library, now, "monthly")
    put(shelf, "elders/zelfde.jpg", jpeg())
    shelf.put("nog", image="elders/zelfde.jpg", image_alt="Dezelfde markt")
    second = compile_issue(session, settings, shelf.library, now, "monthly")
    assert second
    assert second.number == 2
    assert len(session.scalars(select(Picture)).all()) == 4
    pictures.keep(session, [accept(jpeg(), "x"), accept(jpeg(quality=40), "y")])
    assert len(session.scalars(select(Picture)).all()) == 6


def test_another_picture_makes_another_piece(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    put_both(shelf)
    first = compile_issue(session, settings, shelf.library, now, "monthly")
    same = compile_issue(session, settings, shelf.library, now, "monthly")
    put(shelf, "2026/kaart.png", saved(drawing(1600, 900), "PNG"))
    other = compile_issue(session, settings, shelf.library, now, "monthly")
    assert first
    assert same
    assert other
    assert (first.number, same.number, other.number) == (1, 1, 2)
    hashes = {
        number: set(session.scalars(select(Piece.hash).where(Piece.issue_number == number)))
        for number in (1, 2)
    }
    assert not hashes[1] & hashes[2]


def test_an_issue_with_a_broken_picture_is_not_compiled(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    put_both(shelf)
    put(shelf, "markt.jpg", jpeg()[:9000])
    with pytest.raises(FixContent, match=r"markt\.nl\.md:7: The picture 'markt\.jpg' is damaged"):
        compile_issue(session, settings, shelf.library, now, "monthly")
    assert not session.scalars(select(Issue)).all()
    assert not session.scalars(select(Picture)).all()


def test_a_picture_that_breaks_between_check_and_freezing_stops_it(shelf: Shelf) -> None:
    put_both(shelf)
    library = shelf.library
    items = library.items()
    put(shelf, "markt.jpg", b"")
    with pytest.raises(FixContent, match=r"The picture 'markt\.jpg' is an empty file"):
        freeze(items, library)


def test_a_translation_has_its_own_words_with_the_same_picture(shelf: Shelf) -> None:
    put_both(shelf)
    shelf.put("markt", "fr", image="markt.jpg", image_alt="Des femmes au marché")
    dutch, french, german = (frozen(shelf, locale) for locale in ("nl", "fr", "de"))
    assert french.facts["picture"]["alt"] == "Des femmes au marché"
    assert "credit" not in french.facts["picture"]
    assert german.facts["picture"] == dutch.facts["picture"]
    names = {piece.facts["picture"]["name"] for piece in (dutch, french, german)}
    assert len(names) == 1


def test_what_only_a_withdrawn_item_shows_goes_with_it(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    put_both(shelf)
    put(shelf, "deel.jpg", jpeg(quality=60))
    shelf.put("deel", image="markt.jpg", image_alt="Dezelfde markt")
    made = compile_issue(session, settings, shelf.library, now, "monthly")
    assert made
    publishing.send(session, settings, made.number, now)
    put_both(shelf, status="draft")
    shelf.put("nieuw")
    compile_issue(session, settings, shelf.library, now, "monthly")
    left = session.scalars(select(Picture.media_type)).all()
    assert list(left) == ["image/jpeg", "image/jpeg"], "the other item still shows its photo"
    shelf.put("deel", image="markt.jpg", image_alt="Dezelfde markt", status="draft")
    compile_issue(session, settings, shelf.library, now, "monthly")
    assert not session.scalars(select(Picture)).all()


# --- the mail -------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_htm_06_19_a_picture_in_the_mail_has_address_size_and_words(
    settings: Settings, shelf: Shelf, locale: str
) -> None:
    put_both(shelf)
    piece = frozen(shelf, locale)
    edition = mailed(settings, piece, locale=locale)
    above, within = images(edition)
    name = piece.facts["picture"]["name"]
    assert above.attributes["src"] == f"https://nieuws.test/pictures/{name}"
    assert (above.attributes["width"], above.attributes["height"]) == ("600", "375")
    assert above.attributes["alt"] == ALT
    assert re.fullmatch(r"https://nieuws\.test/pictures/\w{32}\.png", within.attributes["src"])
    assert (within.attributes["width"], within.attributes["height"]) == ("520", "325")
    assert within.attributes["alt"] == 'Kaart van "Benin" & Togo'
    assert within.style()["max-width"] == "520px"
    for image in (above, within):
        style = image.style()
        assert (style["width"], style["height"]) == ("100%", "auto")
        assert style["background-color"] == "#E4EAE2", "the words are readable without a picture"
        assert style["color"] == "#1B2B2A"
    assert "Foto: An &amp; Jan" in edition.html
    lines = [
        node.style()["mso-line-height-rule"]
        for node in parse(edition.html).walk()
        if any(child.tag == "img" for child in node.elements())
    ]
    assert lines == ["at-least", "at-least"], "classic Outlook cuts them off in exact lines"
    assert "Kaart: &lt;VVSG&gt;" in edition.html
    assert "Verzonnen landschap" not in edition.html
    assert "/patterns/" not in edition.html
    html5lib.HTMLParser(strict=True).parse(re.sub("[\ue000-\uf8ff]", "", edition.html))


@pytest.mark.parametrize("locale", LOCALES)
def test_an_edition_with_pictures_has_no_finding(
    settings: Settings, shelf: Shelf, locale: str
) -> None:
    put_both(shelf)
    shelf.put("twee", municipality="Gent", partner="Mufulira")
    pieces, _album = freeze(shelf.library.items(), shelf.library)
    mine = [piece for piece in pieces if piece.locale == locale]
    assert check(settings, mailed(settings, *mine, locale=locale), mine) == []


def test_htm_26_the_mail_fetches_nothing_but_from_its_own_host(
    settings: Settings, shelf: Shelf
) -> None:
    put_both(shelf)
    shelf.put("twee")
    pieces, _album = freeze(shelf.library.items(), shelf.library)
    edition = mailed(settings, *(piece for piece in pieces if piece.locale == "nl"))
    fetched = [
        value
        for node in parse(edition.html).walk()
        for name, value in node.attributes.items()
        if name in ("src", "srcset", "background", "poster", "data") or "url(" in value
    ]
    assert len(fetched) == 2
    assert {urlsplit(url).netloc for url in fetched} == {"nieuws.test"}
    assert "url(" not in edition.html
    assert "@import" not in edition.html


WORDS = {"nl": "Beeld: ", "fr": "Image\u00a0: ", "en": "Image: ", "de": "Bild: "}


@pytest.mark.parametrize("locale", LOCALES)
def test_fmt_05_the_text_part_tells_what_a_picture_shows(
    settings: Settings, shelf: Shelf, locale: str
) -> None:
    put_both(shelf)
    text = mailed(settings, frozen(shelf, locale), locale=locale).text
    assert f"\n\n[{WORDS[locale]}{ALT}]\nFoto: An & Jan\n\n" in text
    # The text is Dutch in every language, and so are the words in it.
    assert '\n\n[Beeld: Kaart van "Benin" & Togo]\nKaart: <VVSG>\n\nNog een zin.\n' in text
    assert not re.search("\n{3}", text)


def test_only_the_lead_shows_a_picture(settings: Settings, shelf: Shelf) -> None:
    put_both(shelf, "een")
    put_both(shelf, "twee")
    pieces, _album = freeze(shelf.library.items(), shelf.library)
    edition = mailed(settings, *(piece for piece in pieces if piece.locale == "nl"))
    assert len(images(edition)) == 2
    assert edition.text.count("[Beeld:") == 2


def test_a_story_cut_short_keeps_its_picture_above(settings: Settings, shelf: Shelf) -> None:
    put_both(shelf, body=("\n\n" + "Heel veel tekst, en nog meer. " * 100) * 40)
    edition = mailed(settings, frozen(shelf))
    [image] = images(edition)
    assert image.attributes["alt"] == ALT


def test_a_text_in_another_language_says_so_of_its_pictures(
    settings: Settings, shelf: Shelf
) -> None:
    put_both(shelf)
    above, _within = images(mailed(settings, frozen(shelf, "fr"), locale="fr"))
    assert above.attributes["lang"] == "nl"
    assert "lang" not in images(mailed(settings, frozen(shelf)))[0].attributes


@pytest.mark.parametrize(
    ("size", "shown", "column"),
    [
        ((1200, 800), (600, 400), 600),
        ((1200, 800), (520, 347), 520),
        ((601, 400), (600, 399), 600),
        ((300, 200), (300, 200), 600),
        ((500, 1600), (500, 1600), 520),
        ((1200, 1), (600, 1), 600),
    ],
)
def test_htm_19_nothing_is_wider_than_its_column_or_than_it_is(
    size: tuple[int, int], shown: tuple[int, int], column: int
) -> None:
    assert Shown("x", *size, "Een markt").within(column) == shown


def test_a_narrow_picture_stays_narrow(settings: Settings, shelf: Shelf) -> None:
    put(shelf, "smal.jpg", saved(photo(300, 240), "JPEG"))
    shelf.put("smal", image="smal.jpg", image_alt="Een smalle markt")
    [image] = images(mailed(settings, frozen(shelf)))
    assert (image.attributes["width"], image.attributes["height"]) == ("300", "240")
    assert image.style()["max-width"] == "300px"


def test_words_cannot_end_their_attribute(settings: Settings, shelf: Shelf) -> None:
    put(shelf, "markt.jpg", jpeg())
    nasty = '\'"><script>alert(1)</script> & "x" images/markt.jpg {{ 7*7 }}\''
    path = shelf.put("boos", image="markt.jpg", image_alt=nasty, image_credit=nasty)
    body = '\n![x"><img src="images/markt.jpg" alt="y">](markt.jpg "z\'><b>")\n'
    path.write_text(path.read_text("utf-8") + body, "utf-8")
    edition = mailed(settings, frozen(shelf))
    assert len(images(edition)) == 2
    assert not list(parse(edition.html).find("script", "b"))
    assert all(
        set(image.attributes) <= {"src", "width", "height", "alt", "style"}
        for image in images(edition)
    )


def test_an_album_makes_each_picture_ready_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_both(shelf)
    library, asked = shelf.library, list[str]()
    real = library.gallery.ready

    def ready(name: str) -> Ready:
        asked.append(name)
        return real(name)

    monkeypatch.setattr(library.gallery, "ready", ready)
    _pieces, album = freeze(library.items(), library)
    assert isinstance(album, Album)
    assert sorted(asked) == ["2026/kaart.png", "markt.jpg"]
    assert len(album.pictures) == 2
