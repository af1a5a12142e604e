"""One host in trouble among others that work, without processes: what the tasks decide."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Claim
from newsletter.delivery.sender import utcnow
from newsletter.errors import TryLater
from newsletter.issues import publishing
from newsletter.jobs import tasks
from newsletter.jobs.duties import Duties
from newsletter.models import Delivery, DeliveryState, IssueState, Lease
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf, add_reader, shelf
from tests.issues.test_publishing import compiled
from tests.relay import free_port

__all__ = ["add_reader", "shelf"]  # fixtures


@pytest.fixture
def alone(database: Database, settings: Settings, shelf: Shelf, add_reader: AddReader) -> Settings:
    """An issue with two readers is being sent, and no relay is there."""
    with database.write() as session:
        for name in ("jan", "els"):
            add_reader(session, name)
        shelf.put("bron")
        issue = compiled(session, settings, shelf, utcnow())
        publishing.send(session, settings, issue.number, utcnow())
    return replace(settings, mail_server="127.0.0.1", mail_port=free_port())


def claim_one(database: Database, settings: Settings, now: datetime) -> None:
    """What another host does, whose lease runs from then on."""
    with database.write() as session:
        lease = ledger.take_lease(session, settings, "another", now)
        assert len(ledger.claim(session, settings, lease, Claim(1), now).rows) == 1


def state(database: Database) -> IssueState:
    with database.read() as session:
        return publishing.get(session, 1).state


def fail(database: Database, settings: Settings) -> None:
    with pytest.raises(TryLater, match="does not answer"):
        tasks.deliver(database, settings, by_hand=False)


def test_the_issue_goes_on_while_another_host_mails_it(database: Database, alone: Settings) -> None:
    claim_one(database, alone, utcnow())
    fail(database, alone)
    assert state(database) is IssueState.SENDING


def test_it_waits_when_nobody_reaches_the_relay(database: Database, alone: Settings) -> None:
    fail(database, alone)
    assert state(database) is IssueState.PAUSED


def test_a_host_that_is_dead_does_not_count(database: Database, alone: Settings) -> None:
    claim_one(database, alone, utcnow() - timedelta(seconds=2 * alone.lease_seconds))
    with database.read() as session:
        assert not ledger.others_work(session, alone, utcnow())
    fail(database, alone)
    assert state(database) is IssueState.PAUSED


def test_what_it_had_claimed_is_free_while_others_are_busy(
    database: Database, alone: Settings
) -> None:
    claim_one(database, alone, utcnow() - timedelta(seconds=2 * alone.lease_seconds))
    claim_one(database, alone, utcnow())
    Duties(alone, database).take_over()
    with database.read() as session:
        assert len(session.scalars(select(Lease.id)).all()) == 1
        states = sorted(session.scalars(select(Delivery.state)))
    assert states == [DeliveryState.CLAIMED, DeliveryState.PENDING]
