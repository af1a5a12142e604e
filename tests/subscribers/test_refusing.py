""" "I did not ask for this, never write me again", by one POST."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.models import Consent, ConsentEvent, Subscriber, SubscriberState, SuppressionReason
from newsletter.settings import Settings
from newsletter.subscribers import refusing
from newsletter.tokens import Purpose, Tokens
from tests.subscribers.people import ask, at_once, dump, form, only, reader

DAY = timedelta(days=1)


def link_of(settings: Settings, someone: Subscriber) -> str:
    bound = someone.canonical or ""
    return Tokens(settings.secret_key).issue(Purpose.NEVER, someone.id, someone.created_at, bound)


def test_sec_06_never_again_is_one_post_and_says_the_same_when_repeated(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link, before = link_of(settings, only(session)), dump(session)
    found = refusing.look(session, settings, link)
    assert found is not None
    assert not found.done
    assert dump(session) == before
    done = refusing.refuse(session, settings, link, now)
    assert done is not None
    assert done.done
    after = dump(session)
    assert "jan" not in str(after)
    entry = suppression.is_suppressed(session, Tokens(settings.secret_key), "jan@example.be")
    assert entry is not None
    assert entry.reason is SuppressionReason.NEVER
    for _time in range(2):
        for again in (
            refusing.refuse(session, settings, link, now + DAY),
            refusing.look(session, settings, link),
        ):
            assert again is not None
            assert again.done
    assert dump(session) == after
    ask(session, settings, now + 2 * DAY)
    assert "jan" not in str(dump(session))


def test_sec_08_never_again_is_bound_to_the_address_and_the_purpose(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    someone, tokens = only(session), Tokens(settings.secret_key)
    wrong = [
        tokens.issue(Purpose.NEVER, someone.id, now, "other@example.be"),
        tokens.issue(Purpose.CONFIRM, someone.id, now, "jan@example.be"),
        tokens.issue(Purpose.NEVER, someone.id + 1, now, "jan@example.be"),
        "",
        "é" * 36,
    ]
    before = dump(session)
    assert {refusing.refuse(session, settings, link, now) for link in wrong} == {None}
    assert dump(session) == before
    refusing.refuse(session, settings, link_of(settings, someone), now)
    assert {refusing.look(session, settings, other) for other in wrong} == {None}


def test_a_reader_who_says_never_gets_nothing_more_and_their_proof_stays(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    done = refusing.refuse(session, settings, link_of(settings, someone), now)
    assert done is not None
    assert done.done
    session.refresh(someone)
    assert (someone.state, someone.email) == (SubscriberState.SUPPRESSED, "jan@example.be")
    events = session.scalars(select(Consent.event).order_by(Consent.id)).all()
    assert events[-1] is ConsentEvent.WITHDRAWN


def test_two_presses_of_never_at_once_leave_no_address(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        ask(session, settings, now, *(form(f"jan{number}@example.be") for number in range(8)))
        people = session.scalars(select(Subscriber).order_by(Subscriber.id)).all()
    for someone in people:
        link = link_of(settings, someone)

        def press(link: str = link) -> bool:
            with database.write() as session:
                found = refusing.refuse(session, settings, link, now)
                return found is not None and found.done

        assert at_once(press, press) == [True, True]
    with database.read() as session:
        assert "jan" not in str(dump(session))
        events = session.scalars(select(Consent.event).where(Consent.route == "never")).all()
    assert sorted(events) == ["erased"] * 8 + ["withdrawn"] * 8
