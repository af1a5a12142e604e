"""Shares of an issue that came back or were called spam: told once, paused, shown."""

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import statistics
from newsletter.bounces import reputation
from newsletter.bounces.report import Kind
from newsletter.issues import publishing
from newsletter.models import Delivery, DeliveryState, Issue, IssueState, Notice
from newsletter.notices import writing
from newsletter.settings import Settings
from tests.bounces.world import DAY, World

READERS = 100


@pytest.fixture
def sent(world: World) -> tuple[World, list[Delivery]]:
    """An issue with 100 readers, of which some are still waiting."""
    world.settings = replace(
        world.settings, reputation_sample=50, editors=("a@nieuws.test", "b@nieuws.test")
    )
    world.readers(READERS)
    rows = world.issue(1, world.now)
    issue = world.session.get_one(Issue, 1)
    issue.state, issue.sent_at = IssueState.SENDING, None
    for row in rows[-10:]:
        row.state, row.settled_at = DeliveryState.PENDING, None
    world.session.flush()
    return world, rows


def heed(world: World, at: datetime | None = None) -> reputation.Told | None:
    now = at or world.now
    told = None
    for number in reputation.bad(world.session, world.settings, now):
        told = reputation.heed(world.session, world.settings, number, now)
        world.session.flush()
    return told


def letters(session: Session) -> list[Notice]:
    return list(session.scalars(select(Notice).order_by(Notice.id)))


def test_smt_19_a_few_are_told_about_once_and_too_many_pause_the_issue(
    sent: tuple[World, list[Delivery]],
) -> None:
    world, rows = sent
    for row in rows[:2]:
        world.take(world.bounce(row))  # 2 of 90: more than 2 %
    assert heed(world) == reputation.Told(1, paused=False)
    assert heed(world) is None
    assert len(letters(world.session)) == 2  # one for each editor
    for row in rows[2:5]:
        world.take(world.bounce(row))  # 5 of 90: more than 5 %
    assert heed(world) == reputation.Told(1, paused=True)
    issue = world.session.get_one(Issue, 1)
    assert issue.state is IssueState.PAUSED
    assert (
        issue.why == "reputation: of 90 messages 5 came back or were refused and 0 were called spam"
    )
    assert issue.ask_at is None  # no relay ends it
    assert heed(world) is None
    assert len(letters(world.session)) == 4


def test_who_resumes_it_has_decided(sent: tuple[World, list[Delivery]]) -> None:
    world, rows = sent
    for row in rows[:6]:
        world.take(world.bounce(row))
    heed(world)
    publishing.resume(world.session, world.settings, 1, world.now)
    world.take(world.bounce(rows[7]))
    assert heed(world) is None
    assert world.session.get_one(Issue, 1).state is IssueState.SENDING


def test_three_complaints_in_a_few_hundred_pause(sent: tuple[World, list[Delivery]]) -> None:
    world, rows = sent
    spam = {"status": None, "reason": None}
    assert heed(world) is None
    world.take(world.bounce(rows[0], Kind.COMPLAINT, **spam))
    assert heed(world) == reputation.Told(1, paused=False)
    world.take(world.bounce(rows[1], Kind.COMPLAINT, **spam))
    assert heed(world) is None, "two may be one person's"
    world.take(world.bounce(rows[2], Kind.COMPLAINT, **spam))
    assert heed(world) == reputation.Told(1, paused=True)


def test_a_share_of_few_says_nothing(sent: tuple[World, list[Delivery]]) -> None:
    world, rows = sent
    world.settings = replace(world.settings, reputation_sample=91)
    for row in rows[:30]:
        world.take(world.bounce(row))
    assert heed(world) is None


def test_an_issue_that_is_out_is_told_about_and_not_paused(
    sent: tuple[World, list[Delivery]],
) -> None:
    world, rows = sent
    issue = world.session.get_one(Issue, 1)
    issue.state, issue.sent_at = IssueState.SENT, world.now
    for row in rows[:6]:
        world.take(world.bounce(row))
    assert heed(world) == reputation.Told(1, paused=False)
    assert issue.state is IssueState.SENT
    assert not reputation.recent(world.session, world.now + 8 * DAY)


@pytest.mark.parametrize("locale", ["nl", "fr", "en", "de"])
@pytest.mark.sqlite("a letter needs no database")
def test_the_letter_says_what_it_is_about(locale: str, settings: Settings, now: datetime) -> None:
    for paused in (True, False):
        facts = {"issue": 12, "what": "reputation", "paused": paused}
        counts = {"answered": 12345, "failed": 678, "complaints": 9}
        notice = Notice(kind="trouble", locale=locale, facts=facts | counts, email="a@b.example")
        letter = writing.write(settings, notice, None, now)
        assert "12" in letter.subject
        assert "678" in letter.text
        assert ("newsletter issues resume 12" in letter.text) is paused


def test_the_figures_count_complaints_by_domain(sent: tuple[World, list[Delivery]]) -> None:
    world, rows = sent
    for row in rows[:3]:
        world.take(world.bounce(row, Kind.COMPLAINT, status=None, reason=None))
    world.take(world.bounce(rows[4]))
    statistics.store(world.session, statistics.count_issue(world.session, 1, world.now))
    assert statistics.by_key(world.session, "complaint", "1") == {"voorbeeld.example": 3}
    live = statistics.issues(world.session, 1, 1)[0].counts
    assert (live.answered, live.failed, live.complaints) == (90, 1, 3)
    assert live.bounce_share == pytest.approx(1 / 90)
    issue = world.session.get_one(Issue, 1)
    issue.state, issue.sent_at = IssueState.SENT, world.now - DAY
    world.session.flush()
    assert statistics.due_issues(world.session, world.now) == []
    world.take(world.bounce(rows[5], Kind.COMPLAINT, status=None, reason=None))
    assert statistics.due_issues(world.session, world.now) == [1]
