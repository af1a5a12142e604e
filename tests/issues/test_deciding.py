"""What people decide about single rows: send again what was our fault, or what is in doubt."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Settled, deciding
from newsletter.delivery.outcomes import Outcome, Reply, Stage, is_our_fault
from newsletter.errors import FixRequest
from newsletter.issues import publishing
from newsletter.models import (
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from tests.delivery.conftest import claim
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled

OURS = "550 5.7.26 this mail is not authenticated"
NAMES = ("an", "bo", "cas", "dirk")


@pytest.fixture
def issue(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    add_reader: AddReader,
    now: datetime,
) -> Issue:
    """An issue that is being sent to four readers."""
    shelf.put("bron")
    for name in NAMES:
        add_reader(session, name)
    made = compiled(session, settings, shelf, now)
    publishing.send(session, settings, made.number, now)
    return made


def rows(session: Session) -> list[Delivery]:
    return session.query(Delivery).order_by(Delivery.id).populate_existing().all()


def refuse(session: Session, row: Delivery, reply: str, now: datetime) -> None:
    row.state, row.reply, row.settled_at = DeliveryState.REFUSED, reply, now
    row.due_at, row.status, row.attempts = None, reply.split()[1], 3
    session.flush()


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (OURS, True),
        ("535 5.7.8 authentication failed", True),
        ("451 4.7.23 reverse DNS", True),
        ("550 5.6.0 malformed", True),
        ("550 5.7.1 SC-001 Microsoft says no", True),
        ("550 5.1.1 no such user", False),
        ("552 5.2.2 mailbox full", False),
        ("550 5.7.1 policy", False),
        ("553 5.6.7 SMTPUTF8", False),
        ("", False),
        ("no code at all", False),
    ],
)
def test_whose_fault_a_refusal_was(words: str, ours: bool) -> None:
    assert is_our_fault(words) is ours


def test_only_what_was_our_fault_is_tried_again(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    ours, full, unmade, left = rows(session)
    refuse(session, ours, OURS, now)
    refuse(session, full, "552 5.2.2 mailbox full", now)
    refuse(session, unmade, "This message could not be made: no text", now)
    refuse(session, left, OURS, now)
    session.get_one(Subscriber, left.subscriber_id).state = SubscriberState.LEFT
    assert publishing.finish(session, settings, now) == [issue.number]
    assert [one.ours for one in ledger.refused_rows(session, issue.number, 0, 9)] == [
        True,
        False,
        True,
        True,
    ]
    assert publishing.retry(session, issue.number) == 2
    assert publishing.retry(session, issue.number) == 0, "pressed twice"
    assert sorted(accept_all(session, settings, now)) == ["an", "cas"]
    assert issue.state is IssueState.SENT
    states = [row.state for row in rows(session)]
    assert states.count(DeliveryState.ACCEPTED) == 2


def test_more_than_a_statement_takes_is_tried_again_in_parts(
    session: Session, issue: Issue, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "TOGETHER", 2)
    for row in (refused := rows(session)[:3]):
        refuse(session, row, OURS, now)
    assert ledger.retryable(session, issue.number) == [row.id for row in refused]
    assert publishing.retry(session, issue.number) == 3
    assert ledger.retryable(session, issue.number) == []


def test_who_had_the_items_since_is_not_sent_them_again(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    issue: Issue,
    now: datetime,
) -> None:
    (first, *_others) = rows(session)
    refuse(session, first, OURS, now)
    accept_all(session, settings, now)
    assert ledger.retryable(session, issue.number) == [first.id]
    shelf.put("twee")
    later = compiled(session, settings, shelf, now)
    publishing.send(session, settings, later.number, now)
    assert ledger.retryable(session, issue.number) == [], "they come with the later one"
    accept_all(session, settings, now)
    assert publishing.retry(session, issue.number) == 0
    assert issue.state is IssueState.SENT


def test_an_issue_that_is_not_out_has_nothing_to_try_again(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    now: datetime,
) -> None:
    shelf.put("bron")
    waiting = compiled(session, settings, shelf, now)
    with pytest.raises(FixRequest, match="cannot be retried"):
        publishing.retry(session, waiting.number)


def test_rows_in_doubt_are_decided_one_by_one(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    again, leave, *_others = rows(session)
    for row in (again, leave):
        row.due_at, row.in_doubt = None, 1
    session.flush()
    held = ledger.held_rows(session, issue.number, 0, 9)
    assert [row.id for row in held] == [again.id, leave.id]
    assert all(row.held for row in held)
    assert [row.id for row in ledger.held_rows(session, issue.number, again.id, 9)] == [leave.id]
    assert ledger.progress(session, issue.number, now).in_doubt == 2
    assert ledger.decide(session, issue.number, again.id, now, send=True)
    assert ledger.decide(session, issue.number, leave.id, now, send=False)
    assert not ledger.decide(session, issue.number, leave.id, now, send=True), "decided already"
    assert sorted(accept_all(session, settings, now)) == ["an", "cas", "dirk"]


def test_progress_counts_every_row_once(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    lease = ledger.take_lease(session, settings, "test", now)
    batch = claim(session, settings, lease, now, 3)
    ids = [row.id for row in batch]
    ledger.settle_and_open(session.connection(), settings, lease, [], ids, now)
    ok, full = (
        Reply(Stage.CONTENT, 250, "2.0.0 ok"),
        Reply(Stage.RCPT, 452, "4.2.2 full"),
    )
    done = [
        Settled(ids[0], Outcome.ACCEPTED, ok),
        Settled(ids[1], Outcome.ACCEPTED, ok),
        Settled(ids[2], Outcome.DEFERRED, full),
    ]
    ledger.settle_and_open(session.connection(), settings, lease, done, [], now)
    found = ledger.progress(session, issue.number, now)
    assert (found.planned, found.accepted, found.waiting, found.deferred) == (4, 2, 2, 1)
    assert found.accepted + found.waiting + found.refused + found.withdrawn == found.planned


def test_did_she_get_number_1(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    accept_all(session, settings, now)
    reader = session.query(Subscriber).filter_by(email="an@voorbeeld.example").one()
    (one,) = ledger.of_subscriber(session, reader.id, 9)
    assert (one.issue_number, one.state) == (issue.number, DeliveryState.ACCEPTED)
    assert one.email == "an@voorbeeld.example"
