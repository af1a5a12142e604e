"""Rows of a plan: for whom the database lets them be, and who looks at whom at the same moment."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Group, planning
from newsletter.models import Delivery, Edition, Issue, Subscriber, TopicChoice
from tests.delivery.conftest import add_issue, add_readers, plan_all
from tests.issues.test_pausing import wait_for_a_lock


def groups_of(session: Session, issue: Issue, now: datetime) -> dict[Group, int]:
    edition = session.scalars(select(Edition.id).where(Edition.issue_number == issue.number)).one()
    return dict.fromkeys(ledger.groups(session, issue, issue.top or 0, now), edition)


def test_a_window_holds_for_subscribers_of_any_number(database: Database, now: datetime) -> None:
    """Their numbers were multiplied beyond what PostgreSQL's integers hold."""
    window = timedelta(hours=2)
    with database.write() as session:
        (reader,) = add_readers(session, 1, now)
        session.execute(text("DELETE FROM cursors"))
        session.execute(update(Subscriber).values(id=2_000_000_000))
        session.execute(text("INSERT INTO cursors VALUES (2000000000, 0)"))
        session.expunge(reader)
        issue = add_issue(session, now)
        due_at = ledger.spread(session, now, window)
        assert ledger.plan(session, issue, 1, groups_of(session, issue, now), due_at) == 1
        moment = session.scalars(select(Delivery.due_at)).one()
    assert moment is not None
    assert now <= moment < now + window


def test_claims_find_a_database_that_knows_of_a_large_plan(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim took two seconds until PostgreSQL looked by itself, a minute after a million rows."""
    monkeypatch.setattr(planning, "MANY", 3)
    with database.write() as session:
        add_readers(session, 3, now)
        issue = add_issue(session, now, number=77)
        plan_all(session, issue, now)
    if database.engine.name == "postgresql":
        known = "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'deliveries'"
        with database.read() as session:
            asked = text(f"{known} AND attname = 'issue_number'")
            assert session.scalar(asked) == "{77}"


def test_the_database_itself_refuses_an_edition_of_another_issue(
    planned: Database, now: datetime
) -> None:
    wrong = text(
        "INSERT INTO deliveries (issue_number, subscriber_id, edition_id, state, attempts,"
        " in_doubt) SELECT 2, subscriber_id, edition_id, 'accepted', 0, 0 FROM deliveries"
    )
    with planned.write() as session:
        add_issue(session, now, number=2)
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            session.execute(wrong)
        session.rollback()


def test_the_database_itself_keeps_who_was_planned(planned: Database) -> None:
    """By their cursor: the row of the delivery does not ask for its subscriber."""
    with planned.write() as session:
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            session.execute(text("DELETE FROM subscribers"))
        session.rollback()


def test_two_who_plan_at_once_plan_nobody_twice(database: Database, now: datetime) -> None:
    """The second one waits for the first, and sees its rows then."""
    found: list[int] = []
    with database.write() as session:
        add_readers(session, 5, now)
        add_issue(session, now)

    def again() -> None:
        with database.write() as session:
            # As it would be, had it looked at the readers just before the first one committed.
            choice = session.scalars(select(TopicChoice.id)).one()
            edition = session.scalars(select(Edition.id)).one()
            wanted = {Group("nl", choice, 0, now): edition}
            issue = session.get_one(Issue, 1)
            found.append(ledger.plan(session, issue, 1, wanted, ledger.at_once()))

    second = threading.Thread(target=again)
    with database.write() as session:
        assert plan_all(session, session.get_one(Issue, 1), now) == 5
        second.start()
        wait_for_a_lock(database)
    second.join()
    assert found == [0]


def test_who_changes_topics_at_that_moment_is_planned_by_the_next_pass(
    database: Database, now: datetime
) -> None:
    """PostgreSQL looks at them again once it has their row; SQLite plans after them anyway."""
    found: list[int] = []
    with database.write() as session:
        add_readers(session, 2, now)
        issue = add_issue(session, now)
        wanted = groups_of(session, issue, now)
        session.add(TopicChoice(topics="water"))

    def plan() -> None:
        with database.write() as session:
            issue = session.get_one(Issue, 1)
            found.append(ledger.plan(session, issue, 1, wanted, ledger.at_once()))

    planner = threading.Thread(target=plan)
    with database.write() as session:
        water = session.scalars(select(TopicChoice).where(TopicChoice.topics == "water")).one()
        reader = session.get_one(Subscriber, 1, with_for_update=True)
        reader.topic_choice_id = water.id
        session.flush()
        planner.start()
        wait_for_a_lock(database)
    planner.join()
    assert found == [1]
    with database.write() as session:
        assert plan_all(session, session.get_one(Issue, 1), now) == 1


def test_an_issue_takes_over_no_row_of_one_that_reaches_higher(
    database: Database, now: datetime
) -> None:
    """It was held long: what was planned meanwhile brings its readers more than it does."""
    with database.write() as session:
        add_readers(session, 3, now)
        held, higher = add_issue(session, now), add_issue(session, now, number=2)
        assert plan_all(session, higher, now) == 3
        assert ledger.withdraw_older(session, held, now) == 0
        held.top = higher.top
        session.flush()
        assert ledger.withdraw_older(session, held, now) == 3


def test_a_pause_leaves_what_may_have_arrived(planned: Database, now: datetime) -> None:
    """Withdrawn, it would come a second time with the next issue."""
    with planned.write() as session:
        session.execute(text("UPDATE deliveries SET in_doubt = 1 WHERE subscriber_id = 1"))
        assert ledger.withdraw_unsent(session, 1, now) == 0
        assert ledger.withdraw_unsent(session, 2, now) == 1


def test_what_was_taken_over_is_known_before_anything_is_planned(
    planned: Database, now: datetime
) -> None:
    """PostgreSQL took minutes for a million readers whose older rows had just been withdrawn."""
    known = "SELECT most_common_vals FROM pg_stats WHERE (tablename, attname) = (:table, :column)"
    with planned.write() as session:
        newer = add_issue(session, now, number=2)
        ledger.take_stock(session)
        assert ledger.withdraw_older(session, newer, now) == 25
        if planned.engine.name == "postgresql":
            column = {"table": "deliveries", "column": "state"}
            assert session.scalar(text(known), column) == "{withdrawn}"


def test_who_was_refused_is_not_planned_for_the_same_issue_again(
    planned: Database, now: datetime
) -> None:
    """Their cursor stays, so that the next issue brings what this one did not."""
    with planned.write() as session:
        session.execute(text("UPDATE deliveries SET state = 'refused' WHERE subscriber_id < 4"))
        assert plan_all(session, session.get_one(Issue, 1), now) == 0
        # As it would be, had they been looked at before the refusal.
        choice = session.scalars(select(TopicChoice.id)).one()
        wanted = {Group("nl", choice, 0, now): session.scalars(select(Edition.id)).one()}
        assert ledger.plan(session, session.get_one(Issue, 1), 1, wanted, ledger.at_once()) == 0
