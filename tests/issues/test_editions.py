"""Editions at plan time: made of shared blocks, checked for those who get them, and not kept."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.errors import FixContent
from newsletter.issues import planning, publishing
from newsletter.issues.planning import Renderings, Shared
from newsletter.issues.rendering import render_edition
from newsletter.models import Edition, Issue, Piece
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.samples import call, issue, piece
from tests.issues.test_publishing import compiled


def test_a_fault_that_only_some_readers_would_see_stops_the_issue(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """In the whole issue another item leads; the text of this one is printed for who lacks that."""
    for slug, topic in (("bron", "jeugd"), ("beek", "water")):
        shelf.put(slug, topics=topic)
    add_reader(session, "alles")
    one = compiled(session, settings, shelf, now)
    pieces = session.scalars(select(Piece).where(Piece.locale == "nl").order_by(Piece.position))
    lead, other = pieces.all()
    other.html = '<p>Meer weten? <a href="https://www.vvsg.be/x">Klik hier</a></p>'
    other.text = "Meer weten? Klik hier: https://www.vvsg.be/x"
    other.hash = "spoiled"
    assert [found for _locale, found in publishing.check(session, settings, one, now)] == []
    publishing.ready_to_send(session, settings, now, one.number)
    add_reader(session, "een", tuple(other.topics.split("|")))
    with (
        pytest.raises(FixContent, match=r"HTM-08, HTML line .*“Klik hier”"),
        session.begin_nested(),
    ):
        publishing.send(session, settings, one.number, now)
    assert lead.topics != other.topics
    assert session.scalar(select(Edition.id)) is None


def test_every_row_is_the_edition_as_it_would_be_alone(
    database: Database, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Blocks were printed in another transaction than the one that writes the rows."""
    with database.write() as session:
        for slug, topic in (("bron", "water"), ("school", "jeugd"), ("beek", "water")):
            shelf.put(slug, topics=topic)
            shelf.put(slug, "fr", topics=topic)
        for locale in ("nl", "fr", "de"):
            for topics in ((), ("water",), ("jeugd",)):
                add_reader(session, f"{locale}-{''.join(topics)}", topics, locale)
        number = compiled(session, settings, shelf, now).number
    with database.read() as session:
        ahead = publishing.ready_to_send(session, settings, now, number)
    with database.write() as session:
        assert publishing.send(session, settings, number, now, ahead) == 9
        one = session.get_one(Issue, number)
        editions = session.scalars(select(Edition)).all()
        assert len({edition.hash for edition in editions}) == len(editions) == 9
        for edition in editions:
            ids = [int(id) for id in edition.piece_ids.split(",")]
            pieces = [session.get_one(Piece, id) for id in ids]
            alone = render_edition(settings, one, pieces, edition.locale)
            row = (edition.subject, edition.html, edition.text, edition.hash)
            assert row == (alone.subject, alone.html, alone.text, alone.hash)


def test_an_edition_is_checked_once_a_day_and_for_what_has_a_page(
    settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[datetime, frozenset[str] | None]] = []

    class Judge:
        def __init__(self, _settings: object, _locale: str, now: datetime, known: object) -> None:
            assert known is None or isinstance(known, frozenset)
            self.at = (now, known)

        def vouches_for(self, *_given: object) -> bool:
            looked.append(self.at)
            return True

    monkeypatch.setattr(planning, "Blockwise", Judge)
    renderings, pieces = Renderings(settings), [piece("een"), call()]
    shared = Shared(issue(), now, frozenset({"een"}))
    other = replace(shared, known=frozenset({"een", "twee"}))
    tomorrow = replace(shared, now=now + timedelta(days=1))
    for given in (shared, replace(shared, known=frozenset({"een"})), other, tomorrow, shared):
        assert renderings.edition(given, pieces, older=False).subject
    assert looked == [(one.now, one.known) for one in (shared, other, tomorrow)]


def test_what_nobody_vouches_for_is_read_in_full(
    settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be sound all the same; the full check decides, and its finding is what is told."""

    class Doubt:
        def __init__(self, *_given: object) -> None:
            pass

        def vouches_for(self, *_given: object) -> bool:
            return False

    monkeypatch.setattr(planning, "Blockwise", Doubt)
    renderings, shared = Renderings(settings), Shared(issue(), now)
    assert renderings.edition(shared, [piece("een")], older=False).subject
    late = call(deadline=now.date() - timedelta(days=2))
    with pytest.raises(FixContent, match="DEADLINE"):
        renderings.edition(shared, [piece("een"), late], older=False)


def test_hundreds_of_editions_are_not_kept(settings: Settings, now: datetime) -> None:
    """What stays is blocks: no more for the second list of the same stories than for the first."""
    renderings, shared = Renderings(settings), Shared(issue(), now)
    pieces = [piece(f"stuk-{number}") for number in range(6)]
    renderings.checked(shared, pieces, older=False)
    (blocks,) = renderings._blocks.values()
    for skipped in range(1, 6):
        mine = [pieces[0], *pieces[skipped:]]
        before = len(blocks._printed)
        renderings.checked(shared, mine, older=False)
        assert len(blocks._printed) - before <= 2, "names in the preheader"
