"""The next run, and the order of an issue: the lead is what an editor puts first."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.issues import approving, arranging, holding, publishing
from newsletter.issues.arranging import LeftOut
from newsletter.issues.planning import base_editions
from newsletter.models import Edition, Issue, Notice, Piece
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled, held


def test_the_next_run_says_what_it_holds_and_why_not_the_rest(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    shelf.put("had")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    accept_all(session, settings, now)
    shelf.put("nieuw")
    shelf.put("klad", status="draft")
    shelf.put("later", date="2027-01-05")
    shelf.put("voorbij", deadline="2026-11-10")
    run = arranging.next_run(session, settings, shelf.library, "monthly", now)
    assert [item.slug for item in run.items] == ["nieuw"]
    assert run.news
    assert run.slot > now
    assert {item.slug: why for item, why in run.left_out} == {
        "had": LeftOut.HAD,
        "klad": LeftOut.DRAFT,
        "later": LeftOut.FUTURE,
        "voorbij": LeftOut.OVER,
    }
    assert session.query(Issue).count() == 1, "it changes nothing"


def test_a_vanished_item_is_said_and_breaks_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "lezer")
    path = shelf.put("bron")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    path.unlink()
    run = arranging.next_run(session, settings, shelf.library, "monthly", now)
    assert "vanished" in str(run.problems[0])
    assert "is weg uit de map content" in run.problems[0].in_("nl")


def test_the_first_is_the_lead_in_every_language(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    for slug in ("een", "twee", "drie"):
        shelf.put(slug)
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    publishing.approve(session, settings, issue.number, now)
    slugs = [place.slug for place in arranging.places(session, issue.number)]
    wanted = arranging.moved(slugs, slugs[-1], 0)
    assert wanted == [slugs[2], slugs[0], slugs[1]]
    assert arranging.reorder(session, issue.number, wanted)
    assert not arranging.reorder(session, issue.number, wanted), "it stands so already"
    assert approving.count(session, settings, issue) == 0
    for edition, pieces in base_editions(session, settings, issue, now).values():
        assert [piece.slug for piece in pieces] == wanted
        assert f"over {wanted[0]}" in edition.subject
    publishing.send(session, settings, issue.number, now)
    assert f"over {wanted[0]}" in session.query(Edition).one().subject
    with pytest.raises(FixRequest, match="not on its way"):
        arranging.reorder(session, issue.number, slugs)


def test_only_the_items_of_the_issue_can_be_put_in_order(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("een")
    shelf.put("twee")
    issue = compiled(session, settings, shelf, now)
    for wrong in (["een"], ["een", "een"], ["een", "drie"], ["een", "twee", "twee"]):
        with pytest.raises(FixRequest, match="not the items"):
            arranging.reorder(session, issue.number, wrong)
    with pytest.raises(FixRequest, match="no issue 9"):
        arranging.reorder(session, 9, [])


def test_what_people_put_in_order_is_not_compiled_a_second_time(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    for slug in ("een", "twee"):
        shelf.put(slug)
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    slugs = [place.slug for place in arranging.places(session, issue.number)]
    arranging.reorder(session, issue.number, slugs[::-1])
    assert compiled(session, settings, shelf, now) is issue


def test_moving_stays_within_the_issue() -> None:
    assert arranging.moved(["a", "b"], "a", -1) == ["a", "b"]
    assert arranging.moved(["a", "b"], "a", 7) == ["b", "a"]
    assert arranging.moved(["a", "b"], "x", 0) == ["a", "b"]


def test_a_proof_to_colleagues_starts_no_window_of_an_issue_made_by_hand(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("een")
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    holding.proof_to(session, settings, issue, "nl", ["els@voorbeeld.example"], now)
    proof = session.query(Notice).one()
    assert proof.facts["issue"] == issue.number
    assert session.query(Piece).first()
    with pytest.raises(FixRequest):
        holding.proof_to(session, settings, issue, "xx", [], now)
    publishing.approve(session, settings, issue.number, now)
    proof.state, proof.settled_at = "sent", now  # type: ignore[assignment]
    session.flush()
    assert publishing.advance(session, settings, now) == [issue.number], "it goes at once"


def test_the_clock_tells_when_an_issue_that_is_held_goes(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("een")
    issue = held(session, settings, shelf, now)
    assert issue.hold_until == now + timedelta(hours=settings.hold_hours)
