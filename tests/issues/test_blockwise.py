"""To read each block once lets no faulty edition through, and spares the sound ones."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from newsletter.i18n import LOCALES
from newsletter.issues import rendering
from newsletter.issues.blocks import NAMELESS, Block, Blocks, encoded_size
from newsletter.issues.preflight import blockwise, check
from newsletter.issues.preflight.blockwise import Blockwise
from newsletter.issues.preflight.finding import Mail, PreflightFinding
from newsletter.issues.preflight.rules import findings
from newsletter.issues.rendering import BETWEEN, Layout, lay_out
from newsletter.issues.stories import Story
from newsletter.models import Piece
from newsletter.settings import Settings
from tests.issues.corpus import FAULTS, Fault
from tests.issues.corpus.faults import LEAD
from tests.issues.samples import BODY, call, issue, piece

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TITLES = r'(?=<h[23] class="(?:lead|title|event)")'  # of a story, wherever it stands
EDITIONS = 2  # of each fault
# What is right in every block, and wrong where two of them meet.
TWICE = Fault("HTM-11", "the same id in two blocks", "html", TITLES, '<p id="een">Een</p>')


class Faulty(Blocks):
    """Blocks printed once for all faults, with one of these in some of them."""

    def __init__(self, sound: Blocks, fault: Fault, spoil: Random | None) -> None:
        super().__init__(sound.settings, issue(), sound.locale)
        self._stories, self._sound = sound._stories, sound
        self._fault, self._spoil = fault, spoil
        self._broken: dict[Block, Block] = {}

    def block(self, name: str, story: Story | None = None, **given: bool) -> Block:
        return self._spoiled(self._sound.block(name, story, **given))

    def around(self, name: str, **given: str) -> Sequence[Block]:
        return [self._spoiled(block) for block in self._sound.around(name, **given)]

    def _spoiled(self, block: Block) -> Block:
        if block not in self._broken:
            spoil = self._spoil is None or self._spoil.random() < 0.5
            self._broken[block] = self._break(block) if spoil else replace(block)
        return self._broken[block]

    def _break(self, block: Block) -> Block:
        html, text = (
            told(self._fault, getattr(block, part), self) if self._fault.part == part else same
            for part, same in (("html", block.html), ("text", block.text))
        )
        return replace(block, html=html, text=text, size=encoded_size(html))


def told(fault: Fault, text: str, blocks: Blocks) -> str:
    """`text` with the fault in it."""

    def local(words: str) -> str:
        words = words.replace("{base}", blocks.settings.base_url)
        return words.replace("{locale}", blocks.locale)

    pattern = TITLES if fault.pattern == LEAD else fault.pattern.replace("{1500}", "{150}")
    return re.sub(local(pattern), lambda _match: local(fault.put), text)


def stops(settings: Settings, layout: Layout, pieces: Sequence[Piece]) -> set[str]:
    """What the full check finds in the edition."""
    found = check(settings, layout.edition(), pieces, NOW)
    return {finding.rule for finding in found if finding.grade == "stop"}


@pytest.fixture(scope="module")
def printed() -> dict[str, tuple[Blocks, list[Piece]]]:
    """What was printed, by locale."""
    return {}


def some(
    printed: dict[str, tuple[Blocks, list[Piece]]], settings: Settings, locale: str
) -> tuple[Blocks, list[Piece]]:
    """Pieces of every kind: with all that a body can bring, in another language, dated."""
    if locale not in printed:
        own = {"locale": locale, "language": locale}
        pieces = [
            piece("een", **own, markdown=BODY.replace("www.vvsg.be/bron", "kw.be/bron")),
            piece("ander", locale=locale, title="Elders gezegd", markdown="Kort."),
            call("feest", **own, title="Feest in Gent", markdown="Kom naar Gent."),
        ]
        printed[locale] = (Blocks(settings, issue(), locale), pieces)
    return printed[locale]


@pytest.mark.parametrize("fault", [*FAULTS, TWICE], ids=lambda fault: f"{fault.rule} {fault.name}")
def test_no_faulty_edition_is_vouched_for(
    settings: Settings, printed: Any, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever editions come in whatever order, and wherever the fault stands."""
    chance = Random(fault.name)
    sound, pieces = some(printed, settings, chance.choice(LOCALES))
    plain = rendering._subject
    if fault.part == "subject":
        monkeypatch.setattr(rendering, "_subject", lambda *of: told(fault, plain(*of), sound))
    everywhere = Faulty(sound, fault, None)
    layout = lay_out(everywhere, pieces)
    assert fault.rule in stops(settings, layout, pieces)
    assert not Blockwise(settings, sound.locale, NOW, None).vouches_for(layout, pieces)
    blocks, judge = Faulty(sound, fault, chance), Blockwise(settings, sound.locale, NOW, None)
    for _edition in range(EDITIONS):
        mine = chance.sample(pieces, chance.randint(1, len(pieces)))
        layout = lay_out(blocks, mine, chance.random() < 0.5)
        if judge.vouches_for(layout, mine):
            assert stops(settings, layout, mine) == set()


@pytest.mark.parametrize("locale", LOCALES)
def test_sound_editions_are_vouched_for_and_their_blocks_read_once(
    settings: Settings, printed: Any, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks, pieces = some(printed, settings, locale)
    judge, chance = Blockwise(settings, locale, NOW, frozenset()), Random(locale)
    read: list[Mail] = []

    def look(mail: Mail) -> Iterator[PreflightFinding]:
        read.append(mail)
        return findings(mail)

    monkeypatch.setattr(blockwise, "findings", look)
    layouts: list[Layout] = []
    for _edition in range(10):
        mine = chance.sample(pieces, chance.randint(1, len(pieces)))
        layouts.append(lay_out(blocks, mine, chance.random() < 0.5))
        assert judge.vouches_for(layouts[-1], mine)
        assert stops(settings, layouts[-1], mine) == set()
    assert len(read) <= len({block for layout in layouts for block in layout.blocks()} - {BETWEEN})
    before = len(read)
    assert all(judge.vouches_for(layout, []) for layout in layouts)
    assert len(read) == before


# --- what depends on the whole --------------------------------------------------------------------


class Together:
    """An edition of some pieces, whose blocks are read in other editions first."""

    def __init__(self, settings: Settings, *pieces: Piece) -> None:
        self.settings, self.pieces = settings, pieces
        self.blocks = Blocks(settings, issue(), pieces[0].locale)
        self.judge = Blockwise(settings, pieces[0].locale, NOW, None)
        self.layout = lay_out(self.blocks, pieces)

    def sound(self, *others: Sequence[Piece]) -> "Together":
        """These editions of the same blocks are vouched for (none: this one is)."""
        for pieces in others or [self.pieces]:
            assert self.judge.vouches_for(lay_out(self.blocks, pieces), pieces)
        return self

    def judged(self, **changed: Any) -> tuple[bool, set[str]]:
        """Vouched for, with another layout; and what the full check says."""
        layout = replace(self.layout, **changed)
        vouched = self.judge.vouches_for(layout, self.pieces)
        return vouched, stops(self.settings, layout, self.pieces)


def test_the_same_id_in_two_blocks(settings: Settings, printed: Any) -> None:
    sound, pieces = some(printed, settings, "nl")
    blocks, judge = Faulty(sound, TWICE, None), Blockwise(settings, "nl", NOW, None)
    for one in pieces[:2]:
        assert judge.vouches_for(lay_out(blocks, [one]), [one])
    assert not judge.vouches_for(lay_out(blocks, pieces), pieces)


def test_a_piece_that_nothing_tells(settings: Settings) -> None:
    both = Together(settings, piece("een"), piece("twee")).sound()
    assert both.judged() == (True, set())
    assert both.judged(names=[], sections=both.layout.sections[:2]) == (False, {"FMT-05"})


def test_a_name_in_the_preheader(settings: Settings) -> None:
    """It stands in no other block."""
    both = Together(settings, piece("een"), piece("twee")).sound()
    draft = replace(both.layout.names[0], html="<span>Elke geboorte telt in twee TODO</span>")
    assert both.judged(names=[draft]) == (False, {"LEFTOVER"})


def test_words_that_meet_by_chance_are_not_said(settings: Settings) -> None:
    """The end of one block and the beginning of another are not one sentence, and no title."""
    lead, other = piece("een", facts={}), piece("twee", title="2026 Roeselare")
    both = Together(settings, lead, other).sound()
    *before, shorts = both.layout.sections[:3]
    html = shorts.blocks[0].html
    sentence = html.replace("</td>", f"<p>issues 12 mail {NAMELESS} 2026 Roeselare.</p></td>", 1)
    no_title = html.replace("2026 Roeselare", "Iets anders")
    for spoiled in (sentence, no_title):
        section = replace(shorts, blocks=[replace(shorts.blocks[0], html=spoiled)])
        found = both.judged(names=[], sections=[*before, section])
        assert found == (False, {"FMT-05"})


def test_more_than_a_mail_may_weigh(settings: Settings) -> None:
    both = Together(settings, piece("een"), piece("twee")).sound()
    sections = both.layout.sections
    assert both.judged(sections=[*sections, *[sections[2]] * 60]) == (False, {"HTM-16"})


def test_a_title_of_another_story_without_its_language(settings: Settings) -> None:
    """The first place that names it is the lead's body, which knows nothing of that story."""
    link = "Zie [Elders gezegd en gedaan](https://www.vvsg.be/elders)."
    pieces = [
        piece("un", locale="fr", language="fr", title="Un", markdown=link),
        *(piece(f"long-{n}", locale="fr", language="fr", title="Long " * 16) for n in range(2)),
        piece("ander", locale="fr", title="Elders gezegd en gedaan"),
    ]
    together = Together(settings, *pieces).sound(pieces[:3], pieces[1:])
    assert together.judged() == (False, {"HTM-01"})


def test_headings_that_jump_where_two_blocks_meet(settings: Settings) -> None:
    both = Together(settings, piece("een"), call()).sound()
    lead, agenda = both.layout.sections[1], both.layout.sections[-1]
    bare = [replace(agenda, start=[], end=[]), lead]
    assert both.judged(sections=bare) == (False, {"HTM-03"})


def test_deadlines_and_links_are_of_the_day(settings: Settings) -> None:
    link = "Lees [over water](https://nieuws.test/nl/items/water)."
    pieces = [piece("een", markdown=link), call()]
    layout = lay_out(Blocks(settings, issue(), "nl"), pieces)
    for now, known, sound in (
        (NOW, {"water"}, True),
        (NOW, set[str](), False),
        (datetime(2027, 2, 1, tzinfo=UTC), {"water"}, False),
    ):
        assert Blockwise(settings, "nl", now, known).vouches_for(layout, pieces) is sound
        found = check(settings, layout.edition(), pieces, now, known)
        assert not found if sound else found
