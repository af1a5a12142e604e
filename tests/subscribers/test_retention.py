"""What is kept how long: each rule takes what is older than its setting, and nothing else."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.jobs import nightly
from newsletter.models import (
    AddressChange,
    ConsentDetails,
    ConsentOrigin,
    Delivery,
    DeliveryState,
    FormRequest,
    Issue,
    IssueState,
    Limit,
    Notice,
    NoticeState,
    RequestKind,
    Setback,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import leaving, privacy, retention
from newsletter.subscribers.retention import Rule
from newsletter.tokens import tokens_of
from tests.subscribers.people import AGENT, IP, reader
from tests.subscribers.test_preferences import plan_delivery

DAY = timedelta(days=1)


def rule(setting: str, what: str = "") -> Rule:
    return next(one for one in retention.RULES if one.setting == setting and what in one.what)


def apply(session: Session, settings: Settings, rule: Rule, now: datetime) -> int:
    removed = retention.batch(session, settings, rule, now)
    session.flush()
    session.expire_all()
    return removed


def test_prv_11_ip_and_browser_are_cut_short_after_30_days(
    session: Session, settings: Settings, now: datetime
) -> None:
    reader(session, settings, now)
    before = session.scalar(select(func.count()).select_from(ConsentOrigin))
    origins = rule("ORIGIN_DAYS", "browsers")
    assert apply(session, settings, origins, now + 29 * DAY) == 0
    assert apply(session, settings, origins, now + 31 * DAY) == before
    for origin in session.scalars(select(ConsentOrigin)):
        assert origin.salt is None
        assert IP not in origin.ip
        assert AGENT not in origin.user_agent
    assert apply(session, settings, origins, now + 32 * DAY) == 0


def test_prv_12_who_left_is_erased_in_the_end(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone, stays = reader(session, settings, now), reader(session, settings, now, "an@b.example")
    leaving.leave(session, settings, someone, "page", now)
    leavers = rule("LEFT_DAYS")
    assert apply(session, settings, leavers, now + 1094 * DAY) == 0
    assert someone.email == "jan@example.be"
    assert apply(session, settings, leavers, now + 1096 * DAY) == 1
    gone = session.get_one(Subscriber, someone.id)
    assert (gone.state, gone.email) == (SubscriberState.ERASED, None)
    assert stays.state is SubscriberState.ACTIVE
    addresses = session.scalars(select(ConsentDetails.email)).all()
    assert set(addresses) == {"an@b.example"}


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_prv_12_who_must_not_be_mailed_is_erased_in_the_end_and_stays_blocked(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    reader(session, settings, now)
    privacy.suppress(session, settings, "jan@example.be", reason, now)
    assert apply(session, settings, rule("LEFT_DAYS"), now + 1096 * DAY) == 1
    assert not session.scalars(select(ConsentDetails.email)).all()
    assert suppression.is_suppressed(session, tokens_of(settings), "jan@example.be")


def test_settled_notices_go_and_waiting_ones_stay(
    session: Session, settings: Settings, now: datetime
) -> None:
    reader(session, settings, now)
    first, *others = session.scalars(select(Notice).order_by(Notice.id))
    first.state, first.settled_at = NoticeState.SENT, now
    session.flush()
    notices = rule("NOTICE_DAYS")
    assert apply(session, settings, notices, now + 179 * DAY) == 0
    assert apply(session, settings, notices, now + 181 * DAY) == 1
    assert session.scalar(select(func.count()).select_from(Notice)) == len(others)


def test_requests_and_new_addresses_that_nobody_settled_go(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    for day in (0, 8):
        session.add(asked(f"x{day}@b.example", now + day * DAY))
    change = {"email": "new@b.example", "canonical": "new@b.example", "asked_at": now}
    session.add(AddressChange(subscriber_id=someone.id, **change))
    session.flush()
    later = now + 10 * DAY
    assert apply(session, settings, rule("CONFIRM_DAYS", "requests"), later) == 1
    assert session.scalars(select(FormRequest.email)).all() == ["x8@b.example"]
    assert apply(session, settings, rule("CONFIRM_DAYS", "new addresses"), later) == 1


def asked(email: str, at: datetime) -> FormRequest:
    return FormRequest(
        kind=RequestKind.LINK,
        email=email,
        canonical=email,
        locale="nl",
        cadence="",
        topics="",
        wording="",
        form_url="",
        ip=IP,
        user_agent=AGENT,
        facts={},
        asked_at=at,
    )


def test_the_relays_words_go_and_the_delivery_stays(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    row = plan_delivery(session, someone, now)
    row.state, row.due_at, row.reply = DeliveryState.ACCEPTED, None, "250 queued as 4F2"
    issue = session.get_one(Issue, row.issue_number)
    issue.state, issue.sent_at = IssueState.SENT, now
    session.flush()
    replies = rule("REPLY_DAYS")
    assert apply(session, settings, replies, now + 179 * DAY) == 0
    assert apply(session, settings, replies, now + 181 * DAY) == 1
    silent = session.get_one(Delivery, row.id)
    assert (silent.reply, silent.state) == (None, DeliveryState.ACCEPTED)


def test_limits_that_are_free_again_go(session: Session, settings: Settings, now: datetime) -> None:
    session.add_all([Limit(name="old", used_until=now), Limit(name="new", used_until=now + DAY)])
    session.flush()
    assert apply(session, settings, rule("ORIGIN_DAYS", "limits"), now + DAY / 2) == 1
    assert session.scalars(select(Limit.name)).all() == ["new"]


def test_the_run_takes_all_batches_and_is_said(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    with database.write() as session:
        for number in range(5):
            session.add(asked(f"x{number}@b.example", now))
    gone = nightly.forget_old(database, settings, now + 30 * DAY)
    assert gone == {"requests of the forms that were never settled": 5}
    assert nightly.forget_old(database, settings, now + 30 * DAY) == {}


def test_what_came_back_goes_with_the_words_and_complaints_stay(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    with database.write() as session:
        for number in range(5):
            for kind in ("soft", "complaint"):
                about = {"sent": "d", "sent_id": number, "subscriber_id": 1}
                session.add(Setback(kind=kind, at=now, **about))
    late = now + timedelta(days=settings.reply_days)
    assert nightly.forget_old(database, settings, late - DAY) == {}
    assert nightly.forget_old(database, settings, late + DAY) == {"mails that came back": 5}
    with database.read() as session:
        assert len(session.scalars(select(Setback)).all()) == 5


def test_the_clock_does_it_once_a_night_also_after_it_slept(
    database: Database, settings: Settings
) -> None:
    own = dataclasses.replace(settings, confirm_days=1)
    evening = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    with database.write() as session:
        session.add(asked("x@b.example", evening - 5 * DAY))
    with time_machine.travel(evening, tick=False):
        assert nightly.forget_tonight(database, own)
    with database.write() as session:
        session.add(asked("y@b.example", evening - 5 * DAY))
    for hours, runs in ((1, False), (3.5, False), (4.5, True), (5, False)):
        with time_machine.travel(evening + timedelta(hours=hours), tick=False):
            assert bool(nightly.forget_tonight(database, own)) is runs, hours
