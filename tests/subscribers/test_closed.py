"""A closed address: after a complaint, "never again" or by staff, no route opens it but staff."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.errors import FixRequest
from newsletter.models import Subscriber, SubscriberState, SuppressionReason
from newsletter.settings import Settings
from newsletter.subscribers import addressing, confirming, leaving, pausing, privacy, undoing
from newsletter.subscribers.importing import import_csv
from newsletter.tokens import Purpose, tokens_of
from tests.subscribers.people import AGENT, IP, ask, form, kinds, only, reader, token

JAN = "jan@example.be"
FINAL = [SuppressionReason.COMPLAINT, SuppressionReason.NEVER, SuppressionReason.STAFF]
closing = pytest.mark.parametrize("reason", FINAL)
MONTHS = timedelta(days=100)  # every limit on letters has passed


def close(session: Session, settings: Settings, reason: SuppressionReason, now: datetime) -> None:
    privacy.suppress(session, settings, JAN, reason, now)


def is_closed(session: Session, settings: Settings, someone: Subscriber) -> bool:
    session.flush()
    session.refresh(someone)
    entry = suppression.is_suppressed(session, tokens_of(settings), JAN)
    return suppression.is_final(entry) and someone.state is not SubscriberState.ACTIVE


@closing
def test_uns_14_the_form_does_not_open_it(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    someone = reader(session, settings, now)
    close(session, settings, reason, now)
    before = kinds(session)
    ask(session, settings, now + MONTHS, form(JAN))
    assert kinds(session) == before, "not even a letter"
    assert is_closed(session, settings, someone)


@closing
def test_uns_14_nor_does_a_confirm_link_of_before(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    ask(session, settings, now, form(JAN))
    someone = only(session)
    link = token(settings, Purpose.CONFIRM, someone, now)
    close(session, settings, reason, now)
    done = confirming.confirm(session, settings, link, now, IP, AGENT)
    assert done.result in (confirming.Result.EXPIRED, confirming.Result.UNKNOWN)
    assert is_closed(session, settings, someone)


@closing
def test_uns_14_nor_does_an_import(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    someone = reader(session, settings, now)
    close(session, settings, reason, now)
    lines = ["email,confirmed_at", f"{JAN},2026-01-01"]
    report = import_csv(
        session, settings, lines, source="list", now=now, invite=True, topics_known=()
    )
    assert (report.added, report.activated, len(report.refused)) == (0, 0, 1)
    assert is_closed(session, settings, someone)


@closing
def test_uns_14_nor_does_undoing(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    link = tokens_of(settings).issue(Purpose.UNDO, someone.id, now, JAN)
    close(session, settings, reason, now)
    undone = undoing.undo(
        session, settings, link, now, locale="nl", ip=IP, user_agent=AGENT, facts={}
    )
    assert undone.result is undoing.Undoing.LATE
    assert is_closed(session, settings, someone)


@closing
def test_uns_14_nor_does_a_reader_who_moves_there(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    other = reader(session, settings, now, "piet@example.be")
    addressing.ask(session, settings, other, JAN, now)
    link = tokens_of(settings).issue(Purpose.NEW_ADDRESS, other.id, now, JAN)
    close(session, settings, reason, now)
    moved = addressing.confirm(session, settings, link, now)
    assert moved.result is addressing.Result.UNKNOWN
    assert other.canonical == "piet@example.be"


@closing
def test_uns_14_nor_does_the_end_of_a_pause(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    someone = reader(session, settings, now)
    pausing.pause(session, settings, someone, now.date() + timedelta(days=9), now)
    close(session, settings, reason, now)
    with pytest.raises(FixRequest):
        pausing.resume(session, someone, now)
    assert is_closed(session, settings, someone)


@closing
def test_a_lifted_address_comes_back_only_by_asking_and_confirming(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    someone = reader(session, settings, now)
    close(session, settings, reason, now)
    assert suppression.lift(session, tokens_of(settings), JAN, now, "they called")
    session.flush()
    assert someone.state is SubscriberState.SUPPRESSED
    back = reader(session, settings, now + MONTHS, JAN)
    assert (back.id, back.state) == (someone.id, SubscriberState.ACTIVE)


@pytest.mark.parametrize("reason", [SuppressionReason.BOUNCED, SuppressionReason.ERASED])
def test_uns_14_a_bounce_or_an_erasure_ends_by_asking_and_confirming_but_by_no_import(
    session: Session, settings: Settings, now: datetime, reason: SuppressionReason
) -> None:
    someone = reader(session, settings, now)
    if reason is SuppressionReason.ERASED:
        privacy.erase(session, settings, someone, now)
    else:
        close(session, settings, reason, now)
    lines = ["email,confirmed_at", f"{JAN},2026-01-01"]
    report = import_csv(
        session, settings, lines, source="list", now=now, invite=True, topics_known=()
    )
    assert (report.added, report.activated, len(report.refused)) == (0, 0, 1)
    back = reader(session, settings, now + MONTHS, JAN)
    assert back.state is SubscriberState.ACTIVE
    assert suppression.is_suppressed(session, tokens_of(settings), JAN) is None
    [entry] = suppression.listed(session)
    assert entry.lifted_why == "asked again and confirmed"
