"""Leaving in company, because of an issue, and the one question after it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.errors import FixRequest
from newsletter.models import (
    AT_ONCE,
    Consent,
    ConsentDetails,
    ConsentEvent,
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    IssueState,
    LeavingReason,
    Notice,
    NoticeKind,
    Subscriber,
    SurveyAnswer,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent, guessing, leaving, privacy, survey
from newsletter.subscribers.leaving import Wish
from newsletter.tokens import Purpose
from tests.subscribers.people import IP, at_once, leave_by_token, reader, token

DAY = timedelta(days=1)


def plan(session: Session, number: int, planned_at: datetime, *readers: Subscriber) -> Issue:
    """An issue that was sent to these readers."""
    made = {"state": IssueState.SENT, "by_clock": False, "compiled_at": planned_at}
    session.add(issue := Issue(number=number, planned_at=planned_at, top=number, **made))
    session.flush()
    words = {"subject": "s", "html": "h", "text": "t", "hash": "x"}
    edition = Edition(issue_number=number, locale="nl", piece_ids="", **words)
    session.add(edition)
    session.flush()
    for one in readers:
        session.add(
            Delivery(
                issue_number=number,
                subscriber_id=one.id,
                edition_id=edition.id,
                state=DeliveryState.ACCEPTED,
                attempts=1,
                in_doubt=0,
            )
        )
    session.flush()
    return issue


def withdrawals(session: Session) -> list[Consent]:
    mine = select(Consent).where(Consent.event == ConsentEvent.WITHDRAWN).order_by(Consent.id)
    return list(session.scalars(mine))


def test_uns_09_many_leave_together_each_with_a_proof_of_their_own(
    session: Session, settings: Settings, now: datetime
) -> None:
    jan, els, ann, piet = (
        reader(session, settings, now, f"{name}@example.be") for name in ("jan", "els", "ann", "p")
    )
    leaving.leave(session, settings, ann, "page", now - DAY)
    wishes = [
        Wish(els.id, "one-click"),
        Wish(jan.id, "page"),
        Wish(els.id, "page"),
        Wish(ann.id, "one-click"),
        Wish(999, "one-click"),
    ]
    assert leaving.leave_all(session, settings, wishes, now) == [True, True, False, False, None]
    assert leaving.leave_all(session, settings, [Wish(els.id, "page")], now) == [False]
    session.expire_all()
    assert [one.state for one in (jan, els, ann, piet)] == ["left", "left", "left", "active"]
    assert (jan.left_at, ann.left_at) == (now, now - DAY)
    proofs = {proof.subscriber_id: proof.route for proof in withdrawals(session)}
    assert proofs == {els.id: "one-click", jan.id: "page", ann.id: "page"}
    letters = select(Notice.email).where(Notice.kind == NoticeKind.GOODBYE)
    assert sorted(map(str, session.scalars(letters))) == [
        "ann@example.be",
        "els@example.be",
        "jan@example.be",
    ]


def test_the_proof_of_leaving_can_be_checked(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave_all(session, settings, [Wish(someone.id, "one-click")], now)
    [proof] = withdrawals(session)
    details = session.get_one(ConsentDetails, proof.id)
    assert consent.fits(details.salt, {"email": "jan@example.be"}, proof.details_hash)
    assert (proof.at, proof.locale, proof.cadence, proof.topics) == (now, "nl", "monthly", "")
    assert proof.facts == {}
    assert proof.origin_hash is None


def test_the_link_says_which_issue_made_somebody_leave(
    session: Session, settings: Settings, now: datetime
) -> None:
    """7a, line 14: the links of an issue carry the moment it was planned."""
    jan = reader(session, settings, now, "jan@example.be")
    els = reader(session, settings, now, "els@example.be")
    ann = reader(session, settings, now, "ann@example.be")
    first = now - 30 * DAY + timedelta(microseconds=123_456)
    plan(session, 1, first, jan, els)
    plan(session, 2, now, jan, els)
    plan(session, 3, first, ann)  # in the same second as the first
    for someone, moment in ((jan, first), (els, now), (ann, now - DAY)):
        link = token(settings, Purpose.UNSUBSCRIBE, someone, moment)
        assert leave_by_token(session, settings, link, "one-click", now)
    assert [proof.issue_number for proof in withdrawals(session)] == [1, 2, None]


def test_uns_06_whatever_is_not_opened_is_withdrawn(
    session: Session, settings: Settings, now: datetime
) -> None:
    jan, els = (reader(session, settings, now, f"{name}@example.be") for name in ("jan", "els"))
    plan(session, 1, now, jan, els)
    for row in session.scalars(select(Delivery)):
        row.state, row.due_at = DeliveryState.PENDING, AT_ONCE
    session.flush()
    leaving.leave_all(session, settings, [Wish(jan.id, "one-click")], now)
    found = dict(session.execute(select(Delivery.subscriber_id, Delivery.state)).all())
    assert found == {jan.id: DeliveryState.WITHDRAWN, els.id: DeliveryState.PENDING}


def test_uns_09_the_link_of_years_ago_works_after_the_secret_changed(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now - 3650 * DAY)
    fresh = replace(settings, secret_keys=("another key that is long enough",))
    assert leave_by_token(session, fresh, link, "page", now) is None
    rotated = replace(fresh, secret_keys=(fresh.secret_key, settings.secret_key))
    left = leave_by_token(session, rotated, link, "page", now)
    assert left
    assert left.changed


def test_uns_09_two_clicks_at_once_are_one_leaving(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        someone = reader(session, settings, now)

    def click() -> object:
        with database.write() as session:
            return leaving.leave_all(session, settings, [Wish(someone.id, "one-click")], now)

    assert sorted(map(str, at_once(click, click, click))) == ["[False]", "[False]", "[True]"]
    with database.read() as session:
        assert len(withdrawals(session)) == 1


def test_the_last_answer_to_the_question_counts(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    with pytest.raises(FixRequest):
        survey.answer(session, someone, "too_much", now)
    leaving.leave(session, settings, someone, "page", now)
    for reason in ("too_much", "elsewhere"):
        survey.answer(session, someone, reason, now)
    with pytest.raises(FixRequest):
        survey.answer(session, someone, "<script>", now)
    said = session.scalars(select(SurveyAnswer)).one()
    assert (said.subscriber_id, said.reason) == (someone.id, LeavingReason.ELSEWHERE)


def test_prv_12_erasure_forgets_the_answer_and_takes_no_other(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    survey.answer(session, someone, "other", now)
    privacy.erase(session, settings, someone, now)
    assert not session.scalars(select(SurveyAnswer)).all()
    with pytest.raises(FixRequest):
        survey.answer(session, someone, "other", now)


def test_uns_13_guesses_are_counted_for_a_network(
    session: Session, settings: Settings, now: datetime
) -> None:
    waits = [guessing.count(session, settings, IP, now) for _guess in range(50)]
    assert 0 < waits.count(0) <= guessing.GUESSES.count
    assert waits[0] == 0
    assert waits[-1] > 0
    assert guessing.count(session, settings, "198.51.100.1", now) == 0
    assert guessing.count(session, settings, IP, now + timedelta(hours=1)) == 0
