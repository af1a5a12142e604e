"""An edition joined from blocks is, to the byte, the document it would be as a whole."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from newsletter.i18n import LOCALES
from newsletter.issues import blocks as printing
from newsletter.issues.blocks import NAMELESS, Block, Blocks, encoded_size, inlined
from newsletter.issues.intros import Foreword
from newsletter.issues.rendering import BETWEEN, SIZE_AIM, Layout, edition_name, lay_out
from newsletter.issues.stories import Story
from newsletter.models import Issue, Piece
from newsletter.settings import Settings
from tests.issues.samples import call, issue, piece, real_pieces

INTRO = Foreword("<p>Beste <a href='https://www.vvsg.be/'>lezer</a> &amp; co</p>", "Beste", "1")
NASTY = "Ti\"tel's &amp; <b>één</b>\u00a0– “zo” <!--hole-->"
LONG = "Lange samenvatting, met een é en een ’ erin. " * 40


class Kept(Blocks):
    """Blocks that remember what they were before the styles were written into them."""

    def __init__(
        self, settings: Settings, issue: Issue, locale: str, intro: Foreword | None = None
    ) -> None:
        super().__init__(settings, issue, locale, intro)
        self.raw = {BETWEEN: BETWEEN.html}

    def block(self, name: str, story: Story | None = None, **given: bool) -> Block:
        made = super().block(name, story, **given)
        self.raw[made] = getattr(self._html, name)(*([story] if story else []), **given)
        return made

    def around(self, name: str, **given: str) -> Sequence[Block]:
        made = super().around(name, **given)
        raw = getattr(self._html, name)(**given)
        self.raw |= zip(made, raw.split(printing.HOLE), strict=True)
        return made

    def whole(self, layout: Layout) -> str:
        """The edition printed as one document, and only then inlined, as one document."""
        page = inlined("".join(self.raw[block] for block in layout.blocks()))
        return page.replace(NAMELESS, edition_name(layout.hash))


def pool(settings: Settings, locale: str) -> list[Piece]:
    """Pieces of all kinds: real, nasty, long, foreign, dated, and more than one mail holds."""
    event = {"start": "2026-12-05", "end": "2026-12-07", "place": "Gent & Brugge"}
    kinds: list[dict[str, Any]] = [
        {"title": NASTY, "summary": NASTY},
        {"markdown": "Veel tekst in het hoofdstuk. " * 3500},
        {"facts": {"event": event, "municipality": "Gent"}, "language": locale},
        {"facts": {}, "title": "Kort"},
        *({"summary": LONG, "title": f"Lang stuk nummer {n}"} for n in range(30)),
    ]
    made = [piece(f"stuk-{n}", **{"locale": locale, **kind}) for n, kind in enumerate(kinds)]
    dated = [
        call("oproep", locale=locale, facts={"last_days": True}),
        call("feest", locale=locale, language=locale, facts={"event": event}, deadline=None),
        call("later", locale=locale, title=NASTY, deadline=date(2027, 3, 1)),
    ]
    return [*real_pieces(settings, locale, count=8), *made, *dated]


@pytest.fixture(scope="module")
def printed() -> dict[tuple[str, bool], tuple[Kept, list[Piece], Foreword | None]]:
    """Blocks are shared by all examples, as they are by all editions of an issue."""
    return {}


@given(data=st.data())
@examples(
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_an_edition_of_blocks_is_the_whole_document_to_the_byte(
    settings: Settings, printed: dict[Any, Any], data: st.DataObject
) -> None:
    locale, intro = data.draw(st.sampled_from(LOCALES)), data.draw(st.booleans())
    if (locale, intro) not in printed:
        foreword = INTRO if intro else None
        made = (Kept(settings, issue(), locale, foreword), pool(settings, locale), foreword)
        printed[locale, intro] = made
    blocks, pieces, foreword = printed[locale, intro]
    some = data.draw(st.lists(st.sampled_from(pieces), min_size=1, unique_by=id))
    older = data.draw(st.booleans())
    layout = lay_out(blocks, some, older)
    edition = layout.edition()
    # What this edition alone would be printed as, shared with no other one.
    alone = Kept(settings, issue(), locale, foreword)
    assert edition.html == alone.whole(lay_out(alone, some, older))
    assert edition == lay_out(alone, some, older).edition()
    assert layout.size == encoded_size(edition.html)
    assert layout.size <= SIZE_AIM
    assert not re.search("\n{3}", edition.text)
    assert all(" ".join(one.title.split())[:20] in edition.text for one in some)


def test_each_story_is_printed_once_for_all_editions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joining is what is left to do: nothing is printed, and no style looked up."""
    pieces = [piece("een"), piece("twee"), call(), piece("drie", language="fr")]
    blocks = Blocks(settings, issue(), "nl")
    editions = [lay_out(blocks, pieces[n:]).edition() for n in range(len(pieces))]

    def never(_html: str) -> str:
        raise AssertionError("printed again")

    monkeypatch.setattr(printing, "inlined", never)
    again = [lay_out(blocks, pieces[n:]).edition() for n in range(len(pieces))]
    assert again == editions
    assert len(set(editions)) == len(pieces)


def test_a_block_stays_when_the_session_of_its_piece_is_gone(settings: Settings) -> None:
    """What was printed ahead is used in another transaction, with other objects of the pieces."""
    one, other = (piece("een", id=number, hash="h") for number in (1, 2))
    blocks = Blocks(settings, issue(), "nl")
    story = blocks.story(one)
    assert story.piece is not one
    assert blocks.story(other) is story


def test_a_sign_of_the_templates_in_a_text_is_text(settings: Settings) -> None:
    nasty = piece("een", title=NASTY, summary=NASTY, markdown=f"Een `{printing.HOLE}` in de tekst.")
    edition = lay_out(Blocks(settings, issue(), "nl"), [nasty, call()]).edition()
    assert edition.html.count("&lt;!--hole--&gt;") >= 3
    assert edition.text.count(printing.HOLE) >= 3
    assert printing.HOLE not in edition.html


def test_a_size_is_counted_as_it_travels() -> None:
    assert encoded_size("<p>één</p>\n") == len(b"<p>=C3=A9=C3=A9n</p>\r\n")
    broken = "woord " * 12 + "woo=\r\nrd " + "woord " * 6 + "woord=20\r\n"
    assert encoded_size("woord " * 20 + "\n") == len(broken)
