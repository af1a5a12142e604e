"""A corpus of seeded faults: each is stopped by its own rule, and a sound edition by none."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from newsletter.delivery.message import Gap, gap
from newsletter.i18n import LOCALES
from newsletter.issues.preflight import check, colours
from newsletter.issues.rendering import RenderedEdition, encoded_size, render_edition
from newsletter.models import Piece
from newsletter.settings import Settings
from tests.issues.samples import call, issue, piece, real_pieces

PIECES = [piece("een"), piece("twee"), call()]
UNSUBSCRIBE = f"https://nieuws.test/u/{gap(Gap.UNSUBSCRIBE)}"
PREFERENCES = f"https://nieuws.test/nl/preferences/{gap(Gap.PREFERENCES)}"
STORY = '<h2 class="title"'

Fault = tuple[str, str, str, str]  # rule, part, what stands there, what is put there

REPLACED: tuple[Fault, ...] = (
    ("HTM-01", "html", '<html lang="nl"', "<html"),
    ("HTM-01", "html", '<html lang="nl" dir="ltr"', '<html lang="nl"'),
    ("HTM-01", "html", 'role="main" lang="nl"', 'role="main"'),
    ("HTM-01", "html", 'role="main" lang="nl"', 'role="main" lang="fr"'),
    ("HTM-01", "html", '<p class="origin', '<p lang="xx" class="origin'),
    ("HTM-02", "html", '<table role="presentation" cellpadding', "<table cellpadding"),
    ("HTM-03", "html", ">Fiabel</h1>", "></h1>"),
    ("HTM-03", "html", STORY, "<h1>Nog een</h1>" + STORY),
    ("HTM-03", "html", STORY, "<h5>Te diep</h5>" + STORY),
    ("HTM-03", "html", "h1", "p"),
    ("HTM-04", "html", STORY, f'<a href="{UNSUBSCRIBE}"></a>' + STORY),
    ("HTM-04", "html", STORY, f'<a href="{UNSUBSCRIBE}"><img alt="" src=""></a>' + STORY),
    ("HTM-05", "html", "color: #5A6765", "color: #9AA7A5"),
    ("HTM-05", "html", ".muted { color: #A9B5B2", ".muted { color: #5A6765"),
    ("HTM-05", "html", 'bgcolor="#F7F3EA" style="', 'bgcolor="#555555" style="x:y;" data-old="'),
    ("HTM-06", "html", ' alt="Verzonnen', ' title="Verzonnen'),
    ("HTM-06", "html", ' alt="Verzonnen landschap', ' alt="foto_dogbo.jpg" title="in'),
    ("HTM-06", "html", ' alt="Verzonnen landschap', ' alt="IMG_2041" title="in'),
    ("HTM-07", "html", "<title>", "<title>Anders "),
    ("HTM-08", "html", ">Elke geboorte telt in een</a>", ">Klik hier!</a>"),
    ("HTM-08", "html", ">Elke geboorte telt in een</a>", ">En savoir plus…</a>"),
    ("HTM-08", "html", ">Elke geboorte telt in een</a>", ">Read more »</a>"),
    ("HTM-08", "html", ">Elke geboorte telt in een</a>", ">Weiterlesen</a>"),
    ("HTM-09", "html", "text-decoration: underline", "text-decoration: none"),
    ("HTM-10", "html", "initial-scale=1", "initial-scale=1, user-scalable=no"),
    ("HTM-11", "html", 'id="een-fn-1"', 'id="een-fnref-1"'),
    ("HTM-11", "html", 'role="main"', 'role="hero"'),
    ("HTM-17", "html", STORY, "<style>p {}</style>" + STORY),
    ("HTM-17", "html", ":root {", "/*" + "x" * 16_000 + "*/ :root {"),
    ("HTM-18", "html", STORY, "<section>Nieuw</section>" + STORY),
    ("HTM-18", "html", "color: #1B2B2A", "color: rgba(0,0,0,.8)"),
    ("HTM-19", "html", ' width="600" height="240"', ""),
    ("HTM-19", "html", "roeselare-dogbo-bj.png", "roeselare-dogbo-bj.webp"),
    ("HTM-19", "html", 'src="https://nieuws.test/patterns/', 'src="data:image/png;base64,'),
    ("HTM-23", "html", 'href="#een-fn-1"', 'href="#nergens"'),
    ("HTM-26", "html", 'src="https://nieuws.test/', 'src="https://cdn.example/'),
    ("HTM-26", "html", 'src="https://nieuws.test/', 'src="https://nieuws.test.evil.example/'),
    ("HTM-26", "html", ":root {", "@import 'https://x.example/a.css'; :root {"),
    ("HTM-26", "html", ":root {", ".a { background: url(https://x.example/a.png) } :root {"),
    ("HTM-26", "html", "<title>", '<link rel="stylesheet" href="https://x.example/a.css"><title>'),
    ("HTM-26", "html", "<td class", '<td background="https://x.example/a.png" class'),
    ("PRV-08", "html", "roeselare-dogbo-bj.png", f"open-{gap(Gap.UNSUBSCRIBE)}.png"),
    ("FMT-05", "text", "https://www.vvsg.be/bron?a=1&b=2", "de bron"),
    ("FMT-05", "text", "https://nieuws.test/nl/items/oproep", ""),
    ("FMT-08", "html", STORY, "<script>alert(1)</script>" + STORY),
    ("FMT-08", "html", STORY, '<form action="https://nieuws.test/"></form>' + STORY),
    ("FMT-08", "html", STORY, '<iframe src="https://nieuws.test/"></iframe>' + STORY),
    ("FMT-08", "html", STORY, '<p onclick="alert(1)">Tekst</p>' + STORY),
    ("FMT-11", "subject", "12:", "12: " + "heel lang en nog langer " * 3),
    ("FMT-20", "html", STORY, '<p style="display: none">Stil</p>' + STORY),
    ("FMT-20", "html", STORY, '<p style="font-size:0">Stil</p>' + STORY),
    ("FMT-20", "html", ">kw.be<", ">vvsg.be<"),
    ("FMT-20", "html", 'href="https://www.vvsg.be/bron', 'href="//www.vvsg.be/bron'),
    ("AUT-10", "subject", "Fiabel-nieuws", "Re: Fiabel-nieuws"),
    ("AUT-10", "subject", "12: Elke", "12: Fwd: Elke"),
    ("SUBJECT-CALM", "subject", "Elke geboorte telt in een", "DRINGEND"),
    ("SUBJECT-CALM", "subject", "Elke geboorte telt in een", "DOE MEE EN WIN EEN REIS"),
    ("SUBJECT-CALM", "subject", "telt in een", "telt!!"),
    ("PY-04", "subject", "Elke", "Elke\x00"),
    ("PY-04", "subject", "Elke", "Elke\r\nBcc: x@y.example"),
    ("PY-04", "html", "Elke", "El\x0bke"),
    ("PY-04", "text", "Elke", "Elke\x1b[2J"),
    ("LEFTOVER", "html", "Een gewone alinea", "Beste {{ naam }}"),
    ("LEFTOVER", "html", ' alt="Verzonnen', ' alt="TODO'),
    ("LEFTOVER", "text", "Een gewone alinea", "Beste %(naam)s"),
    ("LEFTOVER", "html", "Een gewone alinea", "Lorem ipsum"),
    ("LEFTOVER", "subject", "Elke", "TODO"),
    ("GAP", "html", "Een gewone alinea", "\ue000name\ue001"),
    ("GAP", "text", "Een gewone alinea", "Een \ue000losse alinea"),
    ("GAP", "subject", "Elke", gap(Gap.TO)),
    ("UNS-07", "html", UNSUBSCRIBE, "https://nieuws.test/u/"),
    ("UNS-07", "text", UNSUBSCRIBE, "https://nieuws.test/u/"),
    ("PRV-03", "html", PREFERENCES, "https://nieuws.test/nl/"),
    ("PRV-03", "text", PREFERENCES, "https://nieuws.test/nl/"),
    *(
        ("PRV-16", part, value, "")
        for part in ("html", "text")
        for value in (
            "Vereniging van Vlaamse Steden en Gemeenten",
            "Gemeenten vzw",
            "Bischoffsheimlaan 1-8, 1000 Brussel",
            "0451.763.878",
            "RPR Brussel",
            "fiabel@nieuws.vvsg.example",
            "https://www.vvsg.be/",
        )
    ),
)


@pytest.fixture
def edition(settings: Settings) -> RenderedEdition:
    return render_edition(settings, issue(), _pieces(), "nl", older_link=True)


def _pieces() -> list[Piece]:
    lead = piece("een")
    lead.facts = lead.facts | {"link": "https://kw.be/twee"}
    return [lead, *PIECES[1:]]


def rules(settings: Settings, edition: RenderedEdition) -> set[str]:
    return {one.rule for one in check(settings, edition, _pieces()) if one.grade == "stop"}


@pytest.mark.parametrize(
    "fault", REPLACED, ids=[f"{rule}-{n}" for n, (rule, *_rest) in enumerate(REPLACED)]
)
def test_a_seeded_fault_is_stopped_by_its_rule(
    settings: Settings, edition: RenderedEdition, fault: Fault
) -> None:
    rule, part, before, after = fault
    text = getattr(edition, part)
    assert before in text
    broken = replace(edition, **{part: text.replace(before, after)})
    found = [one for one in check(settings, broken, _pieces()) if one.rule == rule]
    assert found
    assert all(one.message and one.where for one in found)


@pytest.mark.parametrize("locale", LOCALES)
def test_real_editions_pass_without_a_finding(settings: Settings, locale: str) -> None:
    pieces = real_pieces(settings, locale, count=15)
    edition = render_edition(settings, issue(), pieces, locale, older_link=True)
    assert check(settings, edition, pieces, datetime(2026, 12, 1, tzinfo=UTC)) == []


def test_the_sound_sample_passes(settings: Settings, edition: RenderedEdition) -> None:
    assert check(settings, edition, _pieces()) == []


@pytest.mark.parametrize(("octets", "grade"), [(85_000, "warn"), (102_000, "stop")])
def test_size(settings: Settings, edition: RenderedEdition, octets: int, grade: str) -> None:
    padding = "<p>een twee drie</p>\n" * ((octets - encoded_size(edition.html)) // 22 + 1)
    big = replace(edition, html=edition.html.replace(STORY, padding + STORY))
    assert [(one.rule, one.grade) for one in check(settings, big, _pieces())] == [("HTM-16", grade)]


def test_small_print_is_a_warning(settings: Settings, edition: RenderedEdition) -> None:
    small = replace(edition, html=edition.html.replace("font-size: 15px", "font-size: 11px"))
    assert {(one.rule, one.grade) for one in check(settings, small, _pieces())} == {
        ("HTM-15", "warn")
    }


def test_a_call_past_its_deadline_is_stopped_from_the_next_day_on(
    settings: Settings, edition: RenderedEdition
) -> None:
    last_minute = datetime(2027, 1, 31, 22, 59, tzinfo=UTC)  # 23:59 in Brussels
    assert check(settings, edition, _pieces(), last_minute) == []
    (finding,) = check(settings, edition, _pieces(), datetime(2027, 1, 31, 23, 0, tzinfo=UTC))
    assert (finding.rule, str(finding.where)) == ("DEADLINE", "item oproep")
    assert "2027-01-31" in str(finding.message)


def test_a_dutch_text_for_french_readers_has_to_be_marked(settings: Settings) -> None:
    pieces = [piece("een", locale="fr"), piece("twee", locale="fr")]
    edition = render_edition(settings, issue(), pieces, "fr")
    assert check(settings, edition, pieces) == []
    unmarked = replace(edition, html=edition.html.replace(' lang="nl"', ""))
    assert {one.rule for one in check(settings, unmarked, pieces)} == {"HTM-01"}


def test_vague_words_of_an_editor_are_named_with_their_line(settings: Settings) -> None:
    pieces = [piece("een", markdown="Meer weten? [Klik hier](https://www.vvsg.be/x).")]
    edition = render_edition(settings, issue(), pieces, "nl")
    (finding,) = check(settings, edition, pieces)
    line = edition.html.splitlines()[int(str(finding.where).split()[2].rstrip(",")) - 1]
    assert "Klik hier" in line
    assert str(finding).startswith("HTM-08, HTML line")


def test_empty_footer_data_is_stopped(settings: Settings) -> None:
    bare = replace(settings, org_number="")
    edition = render_edition(bare, issue(), _pieces(), "nl")
    found = check(bare, edition, _pieces())
    assert {(one.rule, str(one.message).split()[0]) for one in found} == {("PRV-16", "ORG_NUMBER")}


@pytest.mark.parametrize(
    "title",
    [
        "RALGA en ANCB: wat zij doen!",
        "Waarom een SDG-week?",
        "Recht op water: antwoord uit Guaranda",
        "GLoBe, VVSG en DGD blikken terug",
    ],
)
def test_ordinary_titles_are_not_called_shouting(settings: Settings, title: str) -> None:
    pieces = [piece("een", title=title)]
    edition = render_edition(settings, issue(), pieces, "nl")
    assert check(settings, edition, pieces) == []


def test_deadline_today_is_open_in_the_zone_of_the_readers(settings: Settings) -> None:
    pieces = [call(deadline=date(2026, 12, 1))]
    edition = render_edition(settings, issue(), pieces, "nl")
    assert check(settings, edition, pieces, datetime(2026, 12, 1, 22, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#FFFFFF", 21.0), ("#fff", "#FFFFFF", 1.0), ("#777777", "#FFFFFF", 4.48)],
)
def test_contrast_as_wcag_computes_it(one: str, other: str, ratio: float) -> None:
    assert colours.contrast(one, other) == pytest.approx(ratio, abs=0.01)


def test_broken_html_is_read_without_an_error(settings: Settings) -> None:
    """Whatever comes out of a template some day, preflight answers with findings."""
    spoil: list[Callable[[str], str]] = [
        lambda html: html[: len(html) // 2],
        lambda html: html.replace("<body", "<bod"),
        lambda html: "",
        lambda html: "</p></div><a href='http://['>x</a>",
    ]
    edition = render_edition(settings, issue(), _pieces(), "nl")
    for change in spoil:
        assert check(settings, replace(edition, html=change(edition.html)), _pieces())
