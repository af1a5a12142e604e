"""Intros: frozen with an issue, printed above its news, and told to the same readers once."""

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.errors import FixContent, FixRequest
from newsletter.issues import holding, intros, publishing
from newsletter.issues.compiler import compile_issue
from newsletter.issues.planning import base_editions
from newsletter.models import Edition, Intro, Issue, IssueState, Notice, NoticeKind
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled

GREETING = "Beste lezer,\n\ndit najaar staat [het water](https://water.example/) centraal."
LEAD = '<h2 class="lead"'


def greet(shelf: Shelf, markdown: str, name: str = "monthly.nl") -> None:
    folder = shelf.folder / "intros"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(markdown, "utf-8")


def frozen(session: Session, issue: Issue) -> dict[str, str]:
    """What stands in the table, by locale."""
    session.flush()
    mine = session.scalars(select(Intro).where(Intro.issue_number == issue.number))
    return {intro.locale: intro.markdown for intro in mine}


def sent(session: Session, settings: Settings, issue: Issue, now: datetime) -> Edition:
    """The one edition that the issue was sent in."""
    publishing.send(session, settings, issue.number, now)
    accept_all(session, settings, now)
    return session.scalars(select(Edition).where(Edition.issue_number == issue.number)).one()


def test_an_intro_stands_before_the_lead_in_both_parts(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    greet(shelf, GREETING)
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    edition = sent(session, settings, issue, now)
    assert edition.html.index("dit najaar staat") < edition.html.index(LEAD)
    assert 'href="https://water.example/"' in edition.html
    assert "dit najaar staat het water (https://water.example/) centraal." in edition.text
    assert edition.text.index("dit najaar") < edition.text.index("Een bericht over bron")
    assert publishing.check(session, settings, issue, now) == []


def test_each_language_has_its_own_or_none(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    for locale in ("nl", "fr"):
        shelf.put("bron", locale)
    greet(shelf, "Beste lezer")
    greet(shelf, "Chère lectrice, cher lecteur", "monthly.fr")
    issue = compiled(session, settings, shelf, now)
    editions = base_editions(session, settings, issue, now)
    words = {locale: edition.text for locale, (edition, _pieces) in editions.items()}
    assert "Beste lezer" in words["nl"]
    assert "cher lecteur" in words["fr"]
    assert "Beste lezer" not in words["fr"] + words["en"] + words["de"]


def test_nobody_reads_a_greeting_twice(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    greet(shelf, GREETING)
    for slug, words, told in (
        ("een", GREETING, True),
        ("twee", GREETING, False),
        ("drie", GREETING + "\n\nEn nu nog iets.", True),
        ("vier", GREETING, False),
    ):
        shelf.put(slug)
        greet(shelf, words)
        edition = sent(session, settings, compiled(session, settings, shelf, now), now)
        assert ("dit najaar" in edition.html) is told, slug


def test_another_cadence_has_its_own(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("een")
    greet(shelf, "Voor de maand")
    greet(shelf, "Voor iedereen", "all-readers.nl")
    assert frozen(session, compiled(session, settings, shelf, now)) == {"nl": "Voor de maand"}
    assert frozen(session, compiled(session, settings, shelf, now, "weekly")) == {}
    by_hand = compiled(session, settings, shelf, now, None, ("een",))
    assert frozen(session, by_hand) == {"nl": "Voor iedereen"}


def test_an_issue_that_was_never_sent_told_nobody(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Its faults are mended in a new issue, which has the greeting; the other way round too: of
    two that wait, only the one that goes first has it."""
    add_reader(session, "lezer")
    shelf.put("een")
    shelf.put("twee")
    greet(shelf, GREETING)
    faulty = compiled(session, settings, shelf, now)
    shelf.put("twee", status="draft")
    mended = compiled(session, settings, shelf, now)
    assert frozen(session, mended) == {"nl": GREETING}
    assert "dit najaar" in sent(session, settings, mended, now).html
    assert "nl" not in intros.of(session, faulty)
    publishing.send(session, settings, faulty.number, now)
    assert frozen(session, faulty) == {}, "what it does not print is not kept"


def test_the_same_pieces_and_intros_are_the_same_issue_and_others_are_not(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("een")
    first = compiled(session, settings, shelf, now)
    greet(shelf, GREETING)
    second = compiled(session, settings, shelf, now)
    assert second is not first
    assert compiled(session, settings, shelf, now) is second
    greet(shelf, "Een andere groet")
    third = compiled(session, settings, shelf, now)
    assert third not in (first, second)


def test_an_intro_is_part_of_the_hash_of_an_edition(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("een")
    hashes = []
    for words in ("", "Dag", "Dag!", ""):
        issue = compiled(session, settings, shelf, now)
        intros.write(session, issue.number, "nl", words)
        hashes.append(base_editions(session, settings, issue, now)["nl"][0].hash)
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3


# --- written for one issue ------------------------------------------------------------------------


def test_an_intro_can_be_written_for_one_issue_until_it_is_planned(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    shelf.put("een")
    greet(shelf, GREETING)
    issue = compiled(session, settings, shelf, now)
    intros.write(session, issue.number, "nl", "  Alleen voor *dit* nummer.\n")
    assert compiled(session, settings, shelf, now) is issue, "what is written by hand stays"
    edition = sent(session, settings, issue, now)
    assert "Alleen voor <em>dit</em> nummer." in edition.html
    assert "dit najaar" not in edition.html
    with pytest.raises(FixRequest, match="on its way"):
        intros.write(session, issue.number, "nl", "Te laat")


def test_an_intro_can_be_left_out_of_one_issue(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    shelf.put("een")
    greet(shelf, GREETING)
    issue = compiled(session, settings, shelf, now)
    intros.write(session, issue.number, "nl", "")
    assert compiled(session, settings, shelf, now) is issue
    assert "dit najaar" not in sent(session, settings, issue, now).html
    shelf.put("twee")
    following = compiled(session, settings, shelf, now)
    assert frozen(session, following) == {"nl": GREETING}, "it was not told yet"


@pytest.mark.parametrize(
    ("number", "locale", "markdown", "error", "words"),
    [
        (9, "nl", "Dag", FixRequest, "There is no issue 9"),
        (1, "xx", "Dag", FixRequest, "There is no language 'xx'"),
        (1, "nl", "Dag\n\n# Kop", FixContent, "line 3: An intro has no headings"),
        (1, "nl", "x" * 1201, FixContent, "1201 characters"),
    ],
)
def test_what_cannot_be_an_intro_is_refused(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    now: datetime,
    number: int,
    locale: str,
    markdown: str,
    error: type[Exception],
    words: str,
) -> None:
    shelf.put("een")
    issue = compiled(session, settings, shelf, now)
    with pytest.raises(error, match=words):
        intros.write(session, number, locale, markdown)
    assert frozen(session, issue) == {}


# --- preflight, proof -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("Dag, TODO aanvullen.", "LEFTOVER"),
        ("Dag, {{ naam }}, welkom.", "LEFTOVER"),
        ("Dag. Zie [dit stuk](https://nieuws.test/nl/items/bestaat-niet).", "HTM-23"),
        ("Dag. Zie [deze pagina bij ons](https://nieuws.test/nl/admin).", "HTM-23"),
        ("Dag. Zie [het vorige nummer](https://nieuws.test/nl/issues/99).", "HTM-23"),
        ("Dag. Zie [www.vvsg.be](https://kwaad.example/).", "FMT-20"),
    ],
)
def test_preflight_reads_the_intro_and_names_it(
    session: Session, settings: Settings, shelf: Shelf, now: datetime, words: str, rule: str
) -> None:
    shelf.put("een")
    greet(shelf, words)
    issue = compiled(session, settings, shelf, now)
    found = [one for _locale, one in publishing.check(session, settings, issue, now)]
    places = {
        str(one.where).split(",")[0] for one in found if one.rule == rule and one.grade == "stop"
    }
    assert "intro" in places, found
    holding.hold(session, settings, issue, now)
    assert issue.state is IssueState.HELD
    assert "intro" in (issue.why or "")


def test_links_to_an_item_and_an_issue_that_were_sent_are_fine(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    shelf.put("een")
    sent(session, settings, compiled(session, settings, shelf, now), now)
    shelf.put("twee")
    words = "Lees ook [het eerste stuk](https://nieuws.test/nl/items/een) uit [het vorige nummer]"
    greet(
        shelf,
        words + "(https://nieuws.test/nl/issues/1), of [alle stukken](https://nieuws.test"
        "/nl/issues/).",
    )
    issue = compiled(session, settings, shelf, now)
    assert publishing.check(session, settings, issue, now) == []
    assert "/nl/items/een" in sent(session, settings, issue, now).html


def test_a_piece_may_link_to_another_one_of_its_issue_in_an_edition_without_that(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """It has a page as soon as the issue is planned."""
    shelf.put("een", topics="jeugd")
    path = shelf.put("twee", topics="water")
    link = "Lees ook [het andere stuk](https://nieuws.test/nl/items/een)."
    path.write_text(f"{path.read_text('utf-8')}\n{link}\n", "utf-8")
    add_reader(session, "water", ("water",))
    issue = compiled(session, settings, shelf, now)
    assert "/nl/items/een" in sent(session, settings, issue, now).text


def test_a_link_to_what_was_withdrawn_stops_the_next_issue(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    shelf.put("een")
    sent(session, settings, compiled(session, settings, shelf, now), now)
    shelf.put("een", status="draft")
    shelf.put("twee")
    greet(shelf, "Lees ook [het eerste stuk](https://nieuws.test/nl/items/een).")
    issue = compiled(session, settings, shelf, now)
    with pytest.raises(FixContent, match=r"intro.*No item that was sent is called 'een'"):
        publishing.send(session, settings, issue.number, now)


def test_the_proof_shows_the_intro(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    settings = replace(settings, editors=("redactie@voorbeeld.example",))
    shelf.put("een")
    greet(shelf, GREETING)
    holding.hold(session, settings, compiled(session, settings, shelf, now), now)
    session.flush()
    proof = session.scalars(select(Notice).where(Notice.kind == NoticeKind.PROOF)).one()
    assert "dit najaar staat" in proof.facts["html"]
    assert "dit najaar staat" in proof.facts["text"]


def test_a_fault_in_an_intro_on_the_shelf_compiles_nothing(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("een")
    greet(shelf, "# Kop")
    with pytest.raises(FixContent, match=r"content/intros/monthly\.nl\.md:1: "):
        compile_issue(session, settings, shelf.library, now, "monthly")
