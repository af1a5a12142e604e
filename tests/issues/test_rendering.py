"""What readers get: subject, HTML and text of an edition."""

import re
from datetime import date

import html5lib
import pytest

from newsletter.delivery.message import GAP, Content, Gap, gap, issue_template
from newsletter.i18n import LOCALES
from newsletter.issues.preflight.tree import Node, parse
from newsletter.issues.rendering import (
    SIZE_AIM,
    SUBJECT_LENGTH,
    RenderedEdition,
    encoded_size,
    render_edition,
)
from newsletter.issues.stories import pattern_name, place_line, tell
from newsletter.models import Piece
from newsletter.settings import Settings
from tests.issues.samples import call, issue, piece, real_pieces


def rendered(settings: Settings, *pieces: Piece, locale: str = "nl") -> RenderedEdition:
    return render_edition(settings, issue(), pieces or [piece()], locale)


def headings(edition: RenderedEdition) -> list[str]:
    return [f"{n.tag} {n.text()}" for n in parse(edition.html).find("h1", "h2", "h3", "h4")]


def links(edition: RenderedEdition) -> list[Node]:
    return list(parse(edition.html).find("a"))


# --- subject --------------------------------------------------------------------------------------


def test_the_subject_names_the_issue_and_the_lead(settings: Settings) -> None:
    edition = rendered(settings, piece(title="Elke geboorte telt"), piece("tweede"))
    assert edition.subject == "Fiabel-nieuws 12: Elke geboorte telt"
    assert "<title>Fiabel-nieuws 12: Elke geboorte telt</title>" in edition.html


def test_a_long_subject_is_cut_at_a_word(settings: Settings) -> None:
    subject = rendered(settings, piece(title="Samenwerken " * 10)).subject
    assert len(subject) <= SUBJECT_LENGTH
    assert subject.endswith("Samenwerken…")


def test_a_subject_of_one_endless_word_is_cut_too(settings: Settings) -> None:
    assert len(rendered(settings, piece(title="x" * 120)).subject) <= SUBJECT_LENGTH


# --- order ----------------------------------------------------------------------------------------


def test_news_leads_and_headings_step_down(settings: Settings) -> None:
    edition = rendered(settings, call(), piece("een"), piece("twee"))
    assert headings(edition) == [
        "h1 Fiabel",
        "h2 Elke geboorte telt in een",
        "h3 Een tussenkop",
        "h2 Elke geboorte telt in twee",
        "h2 Agenda en deadlines",
        "h3 Stuur ons je verhaal",
    ]


def test_news_in_the_readers_own_language_leads(settings: Settings) -> None:
    dutch, french = piece("een", locale="fr"), piece("deux", locale="fr", language="fr")
    edition = rendered(settings, call(locale="fr", language="fr"), dutch, french, locale="fr")
    assert headings(edition)[1] == "h2 Elke geboorte telt in deux"
    assert edition.subject.endswith("Elke geboorte telt in deux")
    assert rendered(settings, call(locale="fr"), dutch, locale="fr").subject.endswith("in een")


def test_a_call_alone_is_the_lead_and_stands_in_the_agenda(settings: Settings) -> None:
    edition = rendered(settings, call())
    assert edition.subject.endswith("Stuur ons je verhaal")
    assert edition.text.count("Deadline: 31 januari 2027") == 2
    assert edition.html.count("In Dogbo wordt elk kind ingeschreven.") == 1


def test_the_agenda_is_in_order_of_time(settings: Settings) -> None:
    event = {"start": "2026-12-05", "end": "2026-12-05", "place": "Brussel"}
    edition = rendered(
        settings, piece(), call(), call("feest", title="Feest", facts={"event": event})
    )
    assert headings(edition)[-2:] == ["h3 Feest", "h3 Stuur ons je verhaal"]
    assert "5 december 2026, Brussel" in edition.text


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"start": "2027-09-18", "end": "2027-09-25"}, "18–25 september 2027"),
        ({"start": "2027-08-30", "end": "2027-09-02"}, "30 augustus – 2 september 2027"),
        ({"start": "2027-12-30", "end": "2028-01-02"}, "30 december 2027 – 2 januari 2028"),
        ({"start": "2027-03-01"}, "1 maart 2027"),
        ({"start": "2027-03-01T14:00:00+01:00"}, "maandag 1 maart 2027 om 14:00"),
        (
            {"start": "2027-03-01T14:00:00+01:00", "end": "2027-03-01T16:30:00+01:00"},
            "maandag 1 maart 2027 van 14:00 tot 16:30",
        ),
        (
            {"start": "2027-03-01T23:00:00+00:00", "end": "2027-03-03T10:00:00+01:00"},
            "dinsdag 2 maart 2027 om 00:00 – woensdag 3 maart 2027 om 10:00",
        ),
    ],
)
def test_periods_are_said_shortly(settings: Settings, event: dict[str, str], shown: str) -> None:
    (line,) = tell(settings, piece(facts={"event": event}), "nl").when
    assert " ".join(line.split()) == shown  # CLDR has thin spaces around some dashes


def test_deadline_and_event_of_one_piece_are_both_told(settings: Settings) -> None:
    facts = {"event": {"start": "2027-03-01", "place": "Gent"}, "partner": "Dogbo"}
    story = tell(settings, piece(deadline=date(2027, 1, 31), facts=facts), "nl")
    assert story.when == ("Deadline: 31 januari 2027", "1 maart 2027, Gent")
    assert (story.day_number, story.day_month) == ("31", "jan 2027")


# --- an item --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (
            {"municipality": "Roeselare", "partner": "Dogbo", "country": "BJ"},
            "Roeselare – Dogbo, Benin",
        ),
        ({"partner": "Dogbo", "country": "BJ"}, "Dogbo, Benin"),
        ({"municipality": "Gent"}, "Gent"),
        ({"country": "RW"}, "Rwanda"),
        ({}, ""),
    ],
)
def test_place_line(facts: dict[str, str], line: str) -> None:
    assert place_line(facts, "nl") == line


def test_the_drawing_of_a_place_is_the_same_in_every_language(settings: Settings) -> None:
    facts = {"municipality": "Kortrijk", "partner": "Chefchaouen", "country": "MA"}
    pictures = {tell(settings, piece(facts=facts), locale).drawing for locale in ("nl", "fr")}
    assert pictures == {"https://nieuws.test/patterns/kortrijk-chefchaouen-ma.png"}
    assert pattern_name("Comé – Sint-Niklaas") == "come-sint-niklaas"


def test_an_item_shows_place_topic_goals_and_its_title_as_the_only_link(settings: Settings) -> None:
    edition = rendered(settings, piece("een"), piece("twee", title="Nummer twee"))
    words = parse(edition.html).text()
    assert "Roeselare – Dogbo, Benin Goed lokaal bestuur Nummer twee" in words
    assert "SDG’s: 16 Vrede, justitie en sterke publieke diensten, 2 Geen honger" in words
    page = "https://nieuws.test/nl/items/twee"
    assert [n.text() for n in links(edition) if n.attributes["href"] == page] == ["Nummer twee"]
    assert page in edition.text


def test_the_lead_has_its_picture_body_and_sources(settings: Settings) -> None:
    edition = rendered(settings)
    (image,) = parse(edition.html).find("img")
    assert image.attributes["src"] == "https://nieuws.test/patterns/roeselare-dogbo-bj.png"
    assert (image.attributes["width"], image.attributes["height"]) == ("600", "240")
    assert "Roeselare – Dogbo, Benin" in image.attributes["alt"]
    assert "De noot zelf." in edition.html
    assert "https://kw.be/een" in edition.text


def test_a_website_that_is_also_a_source_is_named_once(settings: Settings) -> None:
    source = {"title": "Krant", "url": "https://kw.be/een"}
    facts = {"link": "https://kw.be/een", "sources": [source]}
    assert tell(settings, piece(facts=facts), "nl").website == ""
    other = tell(settings, piece(facts={"link": "https://www.kortrijk.be/"}), "nl")
    assert other.website_name == "kortrijk.be"
    assert (
        "kortrijk.be" in rendered(settings, piece(facts={"link": "https://www.kortrijk.be/"})).text
    )


def test_a_text_in_another_language_is_marked_and_explained(settings: Settings) -> None:
    pieces = [piece("een", locale="fr"), piece("twee", locale="fr"), call(locale="fr")]
    edition = rendered(settings, *pieces, locale="fr")
    note = "Cet article n’existe pas encore en français\u00a0; vous le lisez en néerlandais."
    assert edition.html.replace("&nbsp;", "\u00a0").count(note) == 3
    assert edition.text.replace("\n  ", " ").replace("\n", " ").count(note) == 3
    root = parse(edition.html)
    (html,) = root.find("html")
    (body,) = root.find("body")
    wrapper = next(body.elements())
    assert [n.attributes["lang"] for n in (html, wrapper)] == ["fr", "fr"]
    assert [n.attributes["dir"] for n in (html, wrapper)] == ["ltr", "ltr"]
    dutch = [n for n in root.walk() if "Elke geboorte telt in twee" in n.text() and n.tag == "span"]
    assert {n.attributes["lang"] for n in dutch} == {"nl"}
    assert all(n.attributes.get("lang") == "nl" for n in root.find("h2") for n in n.find("a"))


def test_dutch_words_around_a_dutch_text_are_marked_too(settings: Settings) -> None:
    event = {"start": "2026-12-05", "place": "Wereldwijd"}
    facts = {
        "event": event,
        "partner": "Dogbo",
        "sources": [{"title": "Krant", "url": "https://kw.be/"}],
    }
    root = parse(rendered(settings, piece(facts=facts, locale="de"), locale="de").html)
    dutch = {n.text() for n in root.walk() if n.attributes.get("lang") == "nl"}
    assert {"Wereldwijd", "Krant", settings.org_court} <= dutch
    assert any(settings.org_address in words for words in dutch)
    assert "5. Dezember 2026, Wereldwijd" in root.text()


@pytest.mark.parametrize(
    ("locale", "note"),
    [
        ("nl", "Dit stuk is er nog niet in het Nederlands; je leest het in het Duits."),
        ("fr", "Cet article n’existe pas encore en français\u00a0; vous le lisez en allemand."),
        ("en", "This article is not available in English yet; you are reading it in German."),
    ],
)
def test_the_note_names_both_languages(settings: Settings, locale: str, note: str) -> None:
    assert tell(settings, piece(language="de"), locale).note == note


def test_a_text_in_the_readers_language_has_no_mark(settings: Settings) -> None:
    assert rendered(settings).html.count('lang="') == 2


@pytest.mark.parametrize("locale", LOCALES)
def test_every_sentence_around_the_news_is_translated(settings: Settings, locale: str) -> None:
    dutch = rendered(settings, *real_pieces(settings)).text
    edition = rendered(settings, *real_pieces(settings, locale), locale=locale)
    footer = edition.text.rsplit("-" * 72, 1)[1]
    assert "Vereniging van Vlaamse Steden en Gemeenten vzw" in footer
    assert "0451.763.878" in footer
    if locale != "nl":
        own = [
            line for line in footer.splitlines() if not re.search(r"https?:|@|^[VB\d]|VVSG", line)
        ]
        assert not {line for line in own if line} & set(dutch.splitlines())


# --- long issues ----------------------------------------------------------------------------------


def test_what_does_not_fit_is_a_title_with_a_link(settings: Settings) -> None:
    pieces = [piece(f"stuk-{n}", summary="Lange samenvatting. " * 40) for n in range(60)]
    edition = rendered(settings, *pieces)
    assert encoded_size(edition.html) <= SIZE_AIM
    assert "h2 Nog meer nieuws" in headings(edition)
    urls = {node.attributes["href"] for node in links(edition)}
    assert {f"https://nieuws.test/nl/items/stuk-{n}" for n in range(60)} <= urls
    assert all(f"https://nieuws.test/nl/items/stuk-{n}\n" in edition.text for n in range(60))


def test_a_lead_longer_than_the_mail_is_a_summary(settings: Settings) -> None:
    edition = rendered(settings, piece(markdown="Heel veel tekst, en nog meer. " * 5000))
    assert encoded_size(edition.html) <= SIZE_AIM
    assert "Heel veel tekst" not in edition.html + edition.text
    assert any(node.text().startswith("Lees verder:") for node in links(edition))


def test_older_news_is_a_line_to_the_archive(settings: Settings) -> None:
    line = "Er verscheen nog meer nieuws; het staat in het archief"
    with_link = render_edition(settings, issue(), [piece()], "nl", older_link=True)
    assert line in with_link.html
    assert "https://nieuws.test/nl/issues/\n" in with_link.text
    assert line not in rendered(settings).html


# --- the parts ------------------------------------------------------------------------------------


def test_gaps_survive_template_and_inliner(settings: Settings) -> None:
    edition = rendered(settings)
    for part in (edition.html, edition.text):
        assert set(GAP.findall(part)) == {Gap.UNSUBSCRIBE, Gap.PREFERENCES}
        assert f"https://nieuws.test/u/{gap(Gap.UNSUBSCRIBE)}" in part
        assert f"https://nieuws.test/nl/preferences/{gap(Gap.PREFERENCES)}" in part


def test_only_the_gaps_differ_between_two_readers(settings: Settings) -> None:
    edition = rendered(settings)
    content = Content("nl", edition.subject, edition.text, edition.html)
    template = issue_template(settings, 12, content, by_clock=False)
    values = dict.fromkeys(Gap, b"x")
    one = template.fill(values | {Gap.UNSUBSCRIBE: b"tokenA"})
    other = template.fill(values | {Gap.UNSUBSCRIBE: b"tokenB"})
    assert one.replace(b"tokenA", b"tokenB") == other
    assert max(map(len, one.split(b"\r\n"))) <= 998
    assert all(byte < 0x80 for byte in one)


def test_text_part_is_narrow_and_calm(settings: Settings) -> None:
    text = rendered(settings, *real_pieces(settings)).text
    too_long = [line for line in text.splitlines() if len(line) > 72 and "://" not in line]
    assert not too_long
    assert "\n\n\n" not in text
    assert "<" not in text


def test_styles_are_inline_and_one_small_block_stays(settings: Settings) -> None:
    html = rendered(settings).html
    (style,) = parse(html).find("style")
    css = "".join(child for child in style.children if isinstance(child, str))
    assert len(css.encode()) < 4000
    assert "prefers-color-scheme" in css
    assert html.index("<style") < html.index("<body")
    assert all("style" in cell.attributes for cell in parse(html).find("td"))
    assert "data-css-inline" not in html


def test_outlook_gets_a_fixed_width(settings: Settings) -> None:
    html = rendered(settings).html
    assert html.count("<!--[if mso]>") == html.count("<![endif]-->") == 3
    assert "mso-line-height-rule" in html
    assert all("bgcolor" in node.attributes for node in parse(html).find("body"))


def test_html_is_valid(settings: Settings) -> None:
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(GAP.sub("gap", rendered(settings, *real_pieces(settings)).html))


def test_markup_in_a_title_is_text(settings: Settings) -> None:
    nasty = piece(title='<b>"vet" & co</b>', summary="<script>alert(1)</script>")
    edition = rendered(settings, nasty, piece("twee"))
    assert "<script" not in edition.html
    assert "<b>" not in edition.html
    assert '<b>"vet" & co</b>' in edition.text


def test_the_same_pieces_give_the_same_bytes(settings: Settings) -> None:
    assert rendered(settings, piece(), call()) == rendered(settings, piece(), call())
