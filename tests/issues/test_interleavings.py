"""Interleavings that once skipped, doubled or blocked a reader; a review found them."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Claimed, Settled
from newsletter.delivery.outcomes import Outcome
from newsletter.issues import publishing
from newsletter.issues.compiler import compile_issue
from newsletter.models import Issue, IssueState, Notice, NoticeState, Subscriber, SubscriberState
from newsletter.settings import Settings
from tests.delivery.conftest import claim
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import OK, accept_all, compiled, held


def send_it(session: Session, settings: Settings, issue: Issue, now: datetime) -> int:
    return publishing.send(session, settings, issue.number, now)


def one(
    session: Session,
    settings: Settings,
    lease: int,
    now: datetime,
    outcome: Outcome = Outcome.ACCEPTED,
    issue: int | None = None,
) -> list[Claimed]:
    rows = claim(session, settings, lease, now, 1, issue)
    for row in rows:
        assert ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
        ledger.settle_and_open(
            session.connection(), settings, lease, [Settled(row.id, outcome, OK)], [], now
        )
    session.expire_all()
    return rows


def behind(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> Subscriber:
    """A monthly reader, while the weekly ones have had the first of two items."""
    add_reader(session, "week", cadence="weekly")
    reader = add_reader(session, "maand")
    shelf.put("een")
    send_it(session, settings, compiled(session, settings, shelf, now, "weekly"), now)
    accept_all(session, settings, now)
    shelf.put("twee")
    return reader


def test_a_cadence_changed_in_the_hold_window_jumps_over_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """The cursor says everything below it was received; so what the reader lacked comes along."""
    m = behind(session, settings, shelf, add_reader, now)
    later = now + timedelta(days=7)
    issue = compiled(session, settings, shelf, later, "weekly")
    m.cadence = "weekly"
    session.flush()
    send_it(session, settings, issue, later)
    got = accept_all(session, settings, later)
    assert sorted(got["maand"]) == ["een", "twee"]


def test_a_cadence_changed_in_mid_send_jumps_over_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Planned by the pass that closes the issue, with the items of before."""
    m = behind(session, settings, shelf, add_reader, now)
    later = now + timedelta(days=7)
    issue = compiled(session, settings, shelf, later, "weekly")
    send_it(session, settings, issue, later)
    m.cadence = "weekly"
    session.flush()
    accept_all(session, settings, later)
    got = accept_all(session, settings, later)
    assert sorted(got["maand"]) == ["een", "twee"]


def test_a_clock_set_back_jumps_over_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Another cadence published by a clock one hour behind."""
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    shelf.put("een")
    monthly = compiled(session, settings, shelf, now, "monthly")
    shelf.put("twee")
    back = now - timedelta(hours=1)
    send_it(session, settings, compiled(session, settings, shelf, back, "weekly"), back)
    accept_all(session, settings, back)
    send_it(session, settings, monthly, now)
    assert sorted(accept_all(session, settings, now)["maand"]) == ["een", "twee"]


def test_a_stopped_issue_with_a_higher_number_blocks_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Older is judged by what was planned, not by number."""
    add_reader(session, "m")
    shelf.put("een")
    special = compiled(session, settings, shelf, now, None, ("een",))
    shelf.put("twee")
    monthly = compiled(session, settings, shelf, now)
    send_it(session, settings, monthly, now)
    publishing.stop(session, monthly.number, now)
    send_it(session, settings, special, now)
    got = accept_all(session, settings, now)
    assert list(got) == ["m"]


def test_closing_an_issue_withdraws_no_row_of_one_planned_later(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """The pass that closes an issue plans; it takes nothing away."""
    add_reader(session, "r", cadence="weekly")
    add_reader(session, "x", cadence="weekly")
    add_reader(session, "m")
    shelf.put("een")
    special = compiled(session, settings, shelf, now, None, ("een",))
    weekly = compiled(session, settings, shelf, now, "weekly")
    send_it(session, settings, weekly, now)
    lease = ledger.take_lease(session, settings, "t", now)
    rows = claim(session, settings, lease, now, 10)
    for r in rows:
        ledger.settle_and_open(session.connection(), settings, lease, [], [r.id], now)
        o = Outcome.DEFERRED if r.email.startswith("x") else Outcome.ACCEPTED
        ledger.settle_and_open(
            session.connection(), settings, lease, [Settled(r.id, o, OK)], [], now
        )
    shelf.put("twee")
    monthly = compiled(session, settings, shelf, now, "monthly")
    send_it(session, settings, monthly, now)
    one(session, settings, lease, now)
    send_it(session, settings, special, now)
    later = now + timedelta(hours=1)
    one(session, settings, lease, later, issue=2)
    publishing.finish(session, settings, later)
    got = accept_all(session, settings, later)
    assert "twee" in got["r"]


def test_what_was_stopped_can_be_compiled_again(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """An editor stops for a typo, mends it and compiles."""
    add_reader(session, "m")
    shelf.put("een")
    first = compiled(session, settings, shelf, now)
    send_it(session, settings, first, now)
    publishing.stop(session, 1, now)
    shelf.put("een", title="Een verbeterde titel over de bron")
    assert compile_issue(session, settings, shelf.library, now, "monthly") is not None


def test_scheduling_needs_the_approval_too(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """At its time, of its time: what was approved before it was scheduled is another thing."""
    settings, at = replace(settings, approvals=1), now + timedelta(hours=1)
    add_reader(session, "m")
    shelf.put("een")
    issue = compiled(session, settings, shelf, now)
    publishing.approve(session, settings, 1, now)
    assert publishing.schedule(session, settings, 1, at, now) == 1
    assert publishing.advance(session, settings, at) == []
    assert issue.state is IssueState.HELD
    publishing.approve(session, settings, 1, at)
    assert publishing.advance(session, settings, at) == [1]


def test_a_person_who_approves_a_late_issue_has_decided(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, approvals=1)
    add_reader(session, "m")
    shelf.put("een")
    held(session, settings, shelf, now)
    late = now + timedelta(hours=20)
    publishing.approve(session, settings, 1, now)
    begun = publishing.advance(session, settings, late)
    publishing.approve(session, settings, 1, now)
    begun += publishing.advance(session, settings, late)
    assert begun == [1]


def test_approval_does_not_skip_the_hold_window(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, editors=("e@x.example",))
    add_reader(session, "m")
    shelf.put("een")
    held(session, settings, shelf, now)
    publishing.approve(session, settings, 1, now)
    assert publishing.advance(session, settings, now + timedelta(seconds=5)) == []


def test_a_proof_that_reaches_nobody_holds_the_issue_and_says_why(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, editors=("e@x.example",))
    add_reader(session, "m")
    shelf.put("een")
    issue = held(session, settings, shelf, now)
    proof = session.query(Notice).one()
    proof.state = NoticeState.DROPPED
    proof.settled_at = now
    publishing.advance(session, settings, now + timedelta(days=30))
    assert issue.why


def test_a_held_row_of_somebody_who_left_is_withdrawn(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, in_doubt="hold")
    r = add_reader(session, "m")
    add_reader(session, "n")
    shelf.put("een")
    issue = compiled(session, settings, shelf, now)
    send_it(session, settings, issue, now)
    lease = ledger.take_lease(session, settings, "t", now)
    (row,) = claim(session, settings, lease, now, 1)
    ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
    r.state = SubscriberState.LEFT
    session.flush()
    ledger.withdraw(session, r.id, now)
    ledger.release_lease(session, settings, lease, now)
    accept_all(session, settings, now)
    assert issue.state is IssueState.SENT
