"""An issue with one edition and as many readers as a test wants, planned by the ledger itself."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Claim, Claimed
from newsletter.delivery.message import Gap, gap
from newsletter.models import (
    Edition,
    Issue,
    IssueState,
    ItemNumber,
    Subscriber,
    SubscriberState,
    TopicChoice,
)
from newsletter.settings import Settings
from tests.relay import RelayLog, running


@pytest.fixture
def now() -> datetime:
    """A moment in the past, so that what is planned then is due by the real clock."""
    return datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(params=[True, False], ids=["pipelining", "lockstep"])
def relay(request: pytest.FixtureRequest) -> Iterator[RelayLog]:
    """Everything holds whether the relay offers PIPELINING or not."""
    with running(pipelining=request.param) as log:
        yield log


@pytest.fixture
def relay_settings(settings: Settings, relay: RelayLog) -> Settings:
    return replace(settings, mail_server="127.0.0.1", mail_port=relay.port, delivery_connections=2)


def add_readers(session: Session, count: int, now: datetime, first: int = 1) -> list[Subscriber]:
    """Active readers r1@…, r2@… with every topic and cursor 0."""
    choice = session.query(TopicChoice).first() or TopicChoice(topics="")
    session.add(choice)
    session.flush()
    readers = [
        Subscriber(
            email=f"r{index}@voorbeeld.example",
            canonical=f"r{index}@voorbeeld.example",
            locale="nl",
            cadence="monthly",
            topic_choice_id=choice.id,
            state=SubscriberState.ACTIVE,
            created_at=now,
            confirmed_at=now,
        )
        for index in range(first, first + count)
    ]
    session.add_all(readers)
    session.flush()
    ledger.start_cursors(session, [reader.id for reader in readers])
    return readers


def add_issue(session: Session, now: datetime, number: int = 1) -> Issue:
    """An issue that is being sent, with one item (of the same number) and one edition."""
    issue = Issue(
        number=number,
        cadence="monthly",
        state=IssueState.SENDING,
        by_clock=True,
        compiled_at=now,
        planned_at=now,
        top=number,
    )
    session.add(issue)
    session.flush()
    session.add(ItemNumber(number=number, slug=f"item-{number}", repeat=False, issue_number=number))
    link = f"https://nieuws.test/u/{gap(Gap.UNSUBSCRIBE)}"
    edition = Edition(
        issue_number=number,
        locale="nl",
        piece_ids=str(number),
        subject=f"Nummer {number}",
        html=f'<p>Dag <a href="{link}">uitschrijven</a>',
        text=f"Dag\n.\n{link}\n",
        hash="h",
    )
    session.add(edition)
    session.flush()
    return issue


def plan_all(session: Session, issue: Issue, now: datetime) -> int:
    """Plan every reader who has not had the issue."""
    edition = session.query(Edition).filter_by(issue_number=issue.number).one()
    ledger.withdraw_older(session, issue, now)
    top = issue.top or 0
    editions = dict.fromkeys(ledger.groups(session, issue, top, now), edition.id)
    return ledger.plan(session, issue, top, editions, ledger.at_once())


@pytest.fixture
def planned(database: Database, now: datetime) -> Database:
    """A database with issue 1 planned for 25 readers."""
    with database.write() as session:
        add_readers(session, 25, now)
        issue = add_issue(session, now)
        assert plan_all(session, issue, now) == 25
    return database


def claim(
    session: Session,
    settings: Settings,
    lease_id: int,
    now: datetime,
    limit: int,
    issue_number: int | None = None,
) -> list[Claimed]:
    """The rows a claim takes."""
    batch = ledger.claim(session, settings, lease_id, Claim(limit, issue_number), now)
    session.flush()
    return list(batch.rows)


def wait_until(condition: Callable[[], bool]) -> None:
    """Look until it holds; fails when it does not within twenty seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)
