"""Choices, and leaving with one click."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.models import (
    Consent,
    ConsentEvent,
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    IssueState,
    NoticeKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.subscribers import leaving, preferences, privacy
from newsletter.tokens import Purpose, Tokens
from tests.subscribers.people import ask, dump, kinds, leave_by_token, only, reader, token


def plan_delivery(session: Session, someone: Subscriber, now: datetime) -> Delivery:
    session.add(Issue(number=7, state=IssueState.SENDING, by_clock=False, compiled_at=now))
    session.flush()
    edition = Edition(
        issue_number=7, locale="nl", piece_ids="", subject="s", html="h", text="t", hash="x"
    )
    session.add(edition)
    session.flush()
    row = Delivery(
        issue_number=7,
        subscriber_id=someone.id,
        edition_id=edition.id,
        state=DeliveryState.PENDING,
        due_at=now,
        attempts=0,
        in_doubt=0,
    )
    session.add(row)
    session.flush()
    return row


def leave(session: Session, settings: Settings, link: str, now: datetime) -> bool | None:
    left = leave_by_token(session, settings, link, "one-click", now)
    return left.changed if left else None


def test_uns_05_finding_by_a_link_changes_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    links = {purpose: token(settings, purpose, someone, now) for purpose in Purpose}
    before = dump(session)
    for _time in range(20):
        assert preferences.find(session, settings, links[Purpose.PREFERENCES]) is someone
        found = leaving.find(session, settings, links[Purpose.UNSUBSCRIBE])
        assert found is someone
    assert not session.dirty
    assert dump(session) == before


def test_a_link_opens_only_what_it_was_made_for(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = token(settings, Purpose.PREFERENCES, someone, now)
    assert leaving.find(session, settings, link) is None
    assert leave(session, settings, link, now) is None
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    assert preferences.find(session, settings, link) is None


def test_uns_06_leaving_withdraws_what_is_planned_at_once(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    planned = plan_delivery(session, someone, now)
    assert leave(session, settings, token(settings, Purpose.UNSUBSCRIBE, someone, now), now)
    session.refresh(planned)
    assert planned.state is DeliveryState.WITHDRAWN
    assert (someone.state, someone.left_at) == (SubscriberState.LEFT, now)


def test_uns_09_leaving_again_is_fine_and_says_goodbye_once(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now - timedelta(days=800))
    assert [leave(session, settings, link, now) for _ in range(3)] == [True, False, False]
    assert kinds(session).count(NoticeKind.GOODBYE) == 1
    withdrawn = select(Consent).where(Consent.event == ConsentEvent.WITHDRAWN)
    assert session.scalars(withdrawn).one().route == "one-click"


def test_the_proof_of_leaving_names_the_issue_when_it_is_known(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    leave_by_token(session, settings, link, "page", now, issue_number=12)
    proof = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert proof is not None
    assert (proof.route, proof.issue_number) == ("page", 12)


def test_uns_08_a_forged_link_unsubscribes_nobody(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link, before = token(settings, Purpose.UNSUBSCRIBE, someone, now), dump(session)
    other = "A" if link[-1] != "A" else "B"
    forged = Tokens("guess").issue(Purpose.UNSUBSCRIBE, someone.id, now)
    for wrong in ("", "x" * 36, link[:-1] + other, link + "A", forged):
        assert leave(session, settings, wrong, now) is None
    assert dump(session) == before


def test_the_link_of_an_erased_person_says_already_gone(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    unsubscribe = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    own = token(settings, Purpose.PREFERENCES, someone, now)
    privacy.erase(session, settings, someone, now)
    before = dump(session)
    assert leave(session, settings, unsubscribe, now) is False
    assert preferences.find(session, settings, own) is None
    assert dump(session) == before


def test_sec_01_a_pending_person_leaves_without_a_letter(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    assert leaving.leave(session, settings, only(session), "command", now).changed
    assert kinds(session) == [NoticeKind.CONFIRM]


def test_a_suppressed_person_can_leave_and_gets_no_letter(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    privacy.suppress(session, settings, "JAN@example.be", SuppressionReason.BOUNCED, now)
    assert someone.state == "suppressed"
    assert leaving.leave(session, settings, someone, "page", now).changed
    assert someone.state == "left"
    assert NoticeKind.GOODBYE not in kinds(session)


def test_changing_writes_a_proof_only_when_something_differs(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    for expected in (True, False):
        changed = preferences.change(
            session, someone, locale="en", topics=["sdg", "agenda"], cadence="weekly", now=now
        )
        assert changed is expected
    proofs = session.scalars(select(Consent).where(Consent.event == ConsentEvent.CHANGED)).all()
    assert [(row.locale, row.topics, row.cadence) for row in proofs] == [
        ("en", "agenda|sdg", "weekly")
    ]


def test_uns_14_changing_brings_nobody_back(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    with pytest.raises(FixRequest):
        preferences.change(session, someone, locale="en", topics=[], cadence="weekly", now=now)
    assert someone.state is SubscriberState.LEFT


def test_a_language_we_do_not_speak_is_refused(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    with pytest.raises(FixRequest):
        preferences.change(session, someone, locale="es", topics=[], cadence="weekly", now=now)


def test_one_set_of_topics_is_one_row_whatever_the_order(session: Session) -> None:
    first = preferences.choice(session, ["sdg", "agenda", "sdg"])
    assert preferences.choice(session, ("agenda", "sdg")) is first
    assert preferences.choice(session, []).topics == ""
    assert len(session.scalars(select(TopicChoice)).all()) == 2


def test_an_address_is_found_however_it_is_typed(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now, "Jan@EXÄMPLE.be")
    for typed in ("jan@exämple.be", "JAN@xn--exmple-cua.BE"):
        assert preferences.find_by_address(session, typed) is someone
    assert preferences.find_by_address(session, "piet@example.be") is None
