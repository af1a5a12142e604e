"""Every seeded fault is stopped in every language by its own rule; a real edition by none."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from newsletter.i18n import LOCALES
from newsletter.issues.preflight import check
from newsletter.issues.preflight.tree import parse
from newsletter.issues.rendering import RenderedEdition, render_edition
from newsletter.models import Piece
from newsletter.settings import Settings
from tests.issues.corpus import FAULTS, Fault
from tests.issues.samples import issue, real_pieces
from tests.standards import ids_of

NOW = datetime(2026, 12, 1, tzinfo=UTC)
FEWEST = 100
Rendered = dict[str, tuple[RenderedEdition, list[Piece]]]
# Words that tell what to do.
REMEDY = re.compile(
    r"\b(needs?|needed|add|use|give|write|say|name|make|mend|put|take|remove|keep|underline|show"
    r"|leave|set|convert|move|render|has exactly|has to|have to|is no|holds?|goes to|not one)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    """What was rendered, by locale: rendering takes longer than looking at it."""
    return {}


def edition_of(
    rendered: Rendered, settings: Settings, locale: str
) -> tuple[RenderedEdition, list[Piece]]:
    if locale not in rendered:
        pieces = real_pieces(settings, locale, count=2)
        edition = render_edition(settings, issue(), pieces, locale, older_link=True)
        rendered[locale] = (edition, pieces)
    return rendered[locale]


def broken(
    edition: RenderedEdition, fault: Fault, settings: Settings, locale: str
) -> RenderedEdition:
    def told(text: str) -> str:
        return text.replace("{base}", settings.base_url).replace("{locale}", locale)

    before = getattr(edition, fault.part)
    after, times = re.subn(told(fault.pattern), lambda _match: told(fault.put), before)
    assert times, fault
    return replace(edition, **{fault.part: after})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule} {fault.name}")
def test_htm_01_02_03_04_05_06_07_08_09_10_11_16_17_18_19_20_23_26_a_fault_is_stopped(
    settings: Settings, rendered: Rendered, fault: Fault
) -> None:
    for locale in LOCALES:
        edition, pieces = edition_of(rendered, settings, locale)
        found = check(settings, broken(edition, fault, settings, locale), pieces, NOW)
        mine = [one for one in found if one.rule == fault.rule and one.grade == "stop"]
        assert mine, (locale, fault)
        for one in mine:
            assert one.where, one
            assert REMEDY.search(str(one.message)), one.message


def test_the_corpus_is_large_and_has_a_fault_for_each_line() -> None:
    assert set(
        ids_of(
            test_htm_01_02_03_04_05_06_07_08_09_10_11_16_17_18_19_20_23_26_a_fault_is_stopped.__name__
        )
    ) <= {fault.rule for fault in FAULTS}
    assert len(FAULTS) >= FEWEST
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_an_untouched_edition_has_no_finding(settings: Settings, locale: str, count: int) -> None:
    pieces = real_pieces(settings, locale, count=count)
    if pieces:
        edition = render_edition(settings, issue(), pieces, locale, older_link=count == 1)
        assert check(settings, edition, pieces, NOW) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_every_item_of_the_shelf_may_be_the_lead(settings: Settings, locale: str) -> None:
    for piece in real_pieces(settings, locale, count=40):
        edition = render_edition(settings, issue(), [piece], locale)
        assert check(settings, edition, [piece], NOW) == []


def test_a_link_to_an_item_that_is_nowhere_is_dead_where_all_items_are_known(
    settings: Settings, rendered: Rendered
) -> None:
    edition, pieces = edition_of(rendered, settings, "nl")
    link = '<p><a style="text-decoration: underline" href="https://nieuws.test/nl/items/%s">Ander</a></p>'
    for slug, rules in (("oud-stuk", set()), ("nergens", {"HTM-23"})):
        html = edition.html.replace('<h2 class="lead"', link % slug + '<h2 class="lead"', 1)
        text = f"{edition.text}\nhttps://nieuws.test/nl/items/{slug}\n"
        one = replace(edition, html=html, text=text)
        found = check(settings, one, pieces, NOW, known={"oud-stuk"})
        assert {finding.rule for finding in found} == rules


def test_a_place_is_told_in_words_an_editor_knows(settings: Settings, rendered: Rendered) -> None:
    edition, pieces = edition_of(rendered, settings, "nl")
    fault = next(one for one in FAULTS if one.name == "vague Klik hier!")
    (found,) = check(settings, broken(edition, fault, settings, "nl"), pieces, NOW)
    assert re.fullmatch(r"HTML line \d+, <a> “Klik hier!”, under “Fiabel”", str(found.where))


@pytest.mark.parametrize("locale", LOCALES)
def test_htm_12_22_24_no_vml_a_true_first_line_and_nothing_that_leans_on_hidden(
    settings: Settings, rendered: Rendered, locale: str
) -> None:
    edition, _pieces = edition_of(rendered, settings, locale)
    assert "<v:" not in edition.html
    assert "schemas-microsoft-com:vml" not in edition.html
    root = parse(edition.html)
    names = {name for node in root.walk() for name in node.attributes}
    assert not {name for name in names if name == "hidden" or name.startswith("aria-")}
    first = next(node for node in root.find("td") if node.text())
    titles = [span.text() for span in first.find("span")]
    assert titles
    below = [node.text() for node in root.find("h2", "h3")]
    assert set(titles) <= set(below)  # what the first line promises, stands in the mail
