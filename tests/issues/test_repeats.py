"""A call is told once more in the last issue before its deadline, and never after it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.content.library import Library
from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.issues import holding, publishing, trouble
from newsletter.issues.compiler import compile_issue
from newsletter.issues.preflight.blockwise import Blockwise
from newsletter.issues.selection import in_order
from newsletter.models import Edition, Issue, IssueState, ItemNumber, Piece
from newsletter.settings import Settings
from tests.delivery.conftest import claim
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled, held

NOVEMBER = datetime(2026, 11, 3, 9, tzinfo=UTC)  # a slot of the month, and the next ones
DECEMBER = datetime(2026, 12, 1, 9, tzinfo=UTC)
JANUARY = datetime(2027, 1, 5, 9, tzinfo=UTC)


def send(
    session: Session, settings: Settings, shelf: Shelf, now: datetime, cadence: str = "monthly"
) -> dict[str, list[str]]:
    """Compile and send an issue; what each reader got."""
    issue = compiled(session, settings, shelf, now, cadence)
    publishing.send(session, settings, issue.number, now)
    return accept_all(session, settings, now)


def html(session: Session, number: int) -> str:
    return "".join(session.scalars(select(Edition.html).where(Edition.issue_number == number)))


def test_a_call_is_told_once_more_in_the_last_issue_before_its_deadline(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader
) -> None:
    add_reader(session, "lezer")
    shelf.put("oproep", deadline="2026-12-20")
    assert send(session, settings, shelf, NOVEMBER) == {"lezer": ["oproep"]}
    assert "Laatste dagen" not in html(session, 1)
    assert send(session, settings, shelf, DECEMBER) == {"lezer": ["oproep"]}
    assert "Laatste dagen" in html(session, 2)
    numbers = [(row.number, row.repeat) for row in session.query(ItemNumber)]
    assert numbers == [(1, False), (2, True)]
    for later in (DECEMBER + timedelta(days=1), JANUARY):
        assert compile_issue(session, settings, shelf.library, later, "monthly") is None


def test_not_while_another_issue_comes_in_time(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader
) -> None:
    add_reader(session, "lezer")
    shelf.put("oproep", deadline="2027-01-20")
    send(session, settings, shelf, NOVEMBER)
    assert compile_issue(session, settings, shelf.library, DECEMBER, "monthly") is None
    assert send(session, settings, shelf, JANUARY) == {"lezer": ["oproep"]}


def test_not_in_the_days_after_it_was_told(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader
) -> None:
    """`issues compile` pressed again, and no issue comes before the deadline."""
    add_reader(session, "lezer")
    shelf.put("oproep", deadline="2026-11-20")
    send(session, settings, shelf, NOVEMBER)
    soon = NOVEMBER + timedelta(days=3)
    assert compile_issue(session, settings, shelf.library, soon, "monthly") is None


def test_both_numbers_in_one_edition_are_printed_once(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader
) -> None:
    """One reader had the call; the other one was paused."""
    add_reader(session, "trouw")
    other = add_reader(session, "pauze")
    other.paused_until = NOVEMBER + timedelta(days=9)
    shelf.put("oproep", deadline="2026-12-20")
    send(session, settings, shelf, NOVEMBER)
    shelf.put("nieuws")
    got = send(session, settings, shelf, DECEMBER)
    assert {name: sorted(slugs) for name, slugs in got.items()} == {
        "trouw": ["nieuws", "oproep"],
        "pauze": ["nieuws", "oproep"],
    }


def test_another_cadence_gets_it_once_too(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader
) -> None:
    add_reader(session, "maand")
    add_reader(session, "week", cadence="weekly")
    shelf.put("oproep", deadline="2026-12-20")
    assert send(session, settings, shelf, NOVEMBER, "weekly") == {"week": ["oproep"]}
    assert send(session, settings, shelf, NOVEMBER) == {"maand": ["oproep"]}
    assert send(session, settings, shelf, DECEMBER) == {"maand": ["oproep"]}
    week = DECEMBER + timedelta(days=6)
    assert send(session, settings, shelf, week, "weekly") == {"week": ["oproep"]}
    last = DECEMBER + timedelta(days=13)
    assert compile_issue(session, settings, shelf.library, last, "weekly") is None


def test_an_issue_that_waits_until_after_the_deadline_tells_it_not(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader
) -> None:
    add_reader(session, "lezer")
    shelf.put("oproep", deadline="2026-12-02")
    send(session, settings, shelf, NOVEMBER)
    issue = compiled(session, settings, shelf, DECEMBER)
    late = DECEMBER + timedelta(days=3)
    assert publishing.send(session, settings, issue.number, late) == 0
    assert accept_all(session, settings, late) == {}
    assert issue.state is IssueState.SENT


def test_a_published_item_that_is_made_a_draft_is_withdrawn_for_good(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Who did not get it, will not: neither from the shelf, nor carried as it was frozen."""
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    shelf.put("fout")
    assert send(session, settings, shelf, now, "weekly") == {"week": ["fout"]}
    shelf.put("fout", status="draft")
    shelf.put("goed")
    assert send(session, settings, shelf, now) == {"maand": ["goed"]}
    shelf.put("fout")
    assert compile_issue(session, settings, shelf.library, now, "monthly") is None
    with pytest.raises(FixRequest, match="withdrawn"):
        compile_issue(session, settings, shelf.library, now, None, ("fout",))
    shelf.path("fout").unlink()
    assert compile_issue(session, settings, shelf.library, now, "monthly") is None


def test_what_is_withdrawn_while_an_issue_waits_is_not_in_it(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    shelf.put("fout")
    shelf.put("goed")
    monthly = compiled(session, settings, shelf, now)
    send(session, settings, shelf, now, "weekly")
    shelf.put("fout", status="draft")
    assert compile_issue(session, settings, shelf.library, now, "weekly") is None
    publishing.send(session, settings, monthly.number, now)
    assert accept_all(session, settings, now) == {"maand": ["goed"]}
    assert set(session.scalars(select(Piece.slug).where(Piece.issue_number == 1))) == {"goed"}


def test_the_lead_first_then_by_topic_the_newest_first(shelf: Shelf) -> None:
    """In the order of topics.toml: water before jeugd."""
    shelf.put("oud-water", date="2026-10-01")
    shelf.put("nieuw-water", date="2026-10-09")
    shelf.put("jeugd", topics="jeugd", date="2026-10-20")
    shelf.put("beide", topics="jeugd, water", date="2026-10-05")
    shelf.put("kop", topics="jeugd", date="2026-11-01")
    shelf.put("gehad", topics="jeugd", date="2026-11-02")
    library: Library = shelf.library
    fresh = {item.slug for item in library.items()} - {"gehad"}
    found = in_order(library.items(), list(library.topics()), fresh)
    slugs = [item.slug for item in found]
    assert slugs == ["kop", "nieuw-water", "beide", "oud-water", "gehad", "jeugd"]


# --- made before the transaction that plans -------------------------------------------------------


def test_what_was_rendered_ahead_is_used_and_what_changed_since_is_made(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    add_reader: AddReader,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelf.put("bron")
    shelf.put("school", topics="jeugd")
    add_reader(session, "alles")
    jeugd = add_reader(session, "jeugd", ("jeugd",))
    issue = compiled(session, settings, shelf, now)
    ahead = publishing.ready_to_send(session, settings, now, issue.number)
    made: list[int] = []
    judge = Blockwise.vouches_for

    def vouches_for(*given: Any) -> bool:
        made.append(1)
        return judge(*given)

    monkeypatch.setattr(Blockwise, "vouches_for", vouches_for)
    water = add_reader(session, "water", ("water",))
    jeugd.topic_choice_id = water.topic_choice_id
    session.flush()
    assert publishing.send(session, settings, issue.number, now, ahead) == 3
    assert len(made) == 1, "the one for water alone"
    got = accept_all(session, settings, now)
    assert {name: sorted(slugs) for name, slugs in got.items()} == {
        "alles": ["bron", "school"],
        "jeugd": ["bron"],
        "water": ["bron"],
    }


def test_rendering_ahead_changes_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Also where items of another cadence have to be taken in."""
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    shelf.put("een")
    monthly = held(session, settings, shelf, now)
    shelf.put("twee")
    send(session, settings, shelf, now, "weekly")
    later = now + timedelta(hours=2)
    pieces = session.query(Piece).count()
    publishing.ready_to_send(session, settings, later)
    assert not session.new
    assert not session.dirty
    assert (session.query(Piece).count(), monthly.top) == (pieces, None)
    assert publishing.advance(session, settings, later) == [monthly.number]


# --- late, or failed ------------------------------------------------------------------------------


def begun(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> Issue:
    """Planned by the clock, and the relay is away: nothing was handed over yet."""
    shelf.put("bron")
    add_reader(session, "een")
    add_reader(session, "twee")
    issue = held(session, settings, shelf, now)
    assert publishing.advance(session, settings, now + timedelta(hours=2)) == [issue.number]
    return issue


@pytest.mark.parametrize("resting", [True, False])
def test_what_was_planned_and_not_begun_in_time_is_held_for_a_person(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    add_reader: AddReader,
    now: datetime,
    resting: bool,
) -> None:
    settings = replace(settings, editors=())
    issue = begun(session, settings, shelf, add_reader, now)
    late = now + timedelta(hours=settings.hold_hours + settings.late_hours, minutes=1)
    if resting:
        publishing.pause(session, settings, issue.number, "away", late, ask_at=late)
    assert holding.hold_late(session, settings, late - timedelta(minutes=2)) == []
    publishing.advance(session, settings, late)
    assert (issue.state, issue.ask_at) == (IssueState.PAUSED, None)
    assert (issue.why or "").startswith(trouble.LATE)
    publishing.resume(session, settings, issue.number, late)
    publishing.advance(session, settings, late)
    assert sorted(accept_all(session, settings, late)) == ["een", "twee"]


def test_what_has_begun_is_never_held_for_lateness(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    issue = begun(session, settings, shelf, add_reader, now)
    lease = ledger.take_lease(session, settings, "test", now)
    (row,) = claim(session, settings, lease, now + timedelta(hours=2), 1)
    ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
    ledger.release_lease(session, settings, lease, now)
    session.expire_all()
    late = now + timedelta(days=3)
    publishing.advance(session, settings, late)
    assert issue.state is IssueState.SENDING


def test_a_failed_issue_does_not_block_the_next_one(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """The first waits for a person because of preflight, and then because it is late."""
    add_reader(session, "lezer")
    shelf.put("bron", title="HET IS NU OF NOOIT VOOR ALLE GEMEENTEN")
    failed = held(session, settings, shelf, now)
    shelf.put("bron")
    shelf.put("school")
    month = now + timedelta(days=30)
    following = held(session, settings, shelf, month)
    assert following is not failed
    assert publishing.advance(session, settings, month + timedelta(hours=2)) == [following.number]
    got = accept_all(session, settings, month + timedelta(hours=2))
    assert {name: sorted(slugs) for name, slugs in got.items()} == {"lezer": ["bron", "school"]}
    assert failed.state is IssueState.HELD
    assert following.state is IssueState.SENT


def test_an_issue_that_paused_in_mid_send_does_not_block_the_next_one(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    issue = begun(session, settings, shelf, add_reader, now)
    later = now + timedelta(hours=2)
    lease = ledger.take_lease(session, settings, "test", later)
    (row,) = claim(session, settings, lease, later, 1)
    ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], later)
    ledger.release_lease(session, settings, lease, later)
    session.expire_all()
    publishing.pause(session, settings, issue.number, "reputation", later)
    shelf.put("school")
    month = now + timedelta(days=30)
    following = held(session, settings, shelf, month)
    assert publishing.advance(session, settings, month + timedelta(hours=2)) == [following.number]
    got = accept_all(session, settings, month + timedelta(hours=2))
    assert len(got) == 1, "one is in doubt, and is planned when that is settled"
    assert [sorted(slugs) for slugs in got.values()] == [["bron", "school"]]
    publishing.resume(session, settings, issue.number, month + timedelta(hours=3))
    first = accept_all(session, settings, month + timedelta(hours=3))
    second = accept_all(session, settings, month + timedelta(hours=3))
    assert [*first.values(), *second.values()] == [["bron"], ["school"]]
    assert {issue.state, following.state} == {IssueState.SENT}
