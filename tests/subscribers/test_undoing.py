"""Undoing: back by the link of the goodbye letter, once, in time, and not after an erasure."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.models import (
    Consent,
    ConsentDetails,
    Cursor,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.notices.writing import write
from newsletter.settings import Settings
from newsletter.subscribers import leaving, privacy, undoing
from newsletter.subscribers.undoing import Undoing
from newsletter.tokens import Purpose, Tokens
from tests.subscribers.people import AGENT, IP, ask, at_once, dump, leave_by_token, reader, token

DAY = timedelta(days=1)
FACTS = {"privacy": {"version": "2026-11-23"}, "template": "undo"}


def undo_token(settings: Settings, someone: Subscriber, moment: datetime) -> str:
    keys = Tokens(settings.secret_key)
    return keys.issue(Purpose.UNDO, someone.id, moment, someone.canonical or "")


def undo(session: Session, settings: Settings, link: str, now: datetime) -> Undoing:
    return undoing.undo(
        session, settings, link, now, locale="nl", ip=IP, user_agent=AGENT + "\0", facts=FACTS
    ).result


def test_prv_07_undoing_brings_back_with_a_proof_and_what_is_new(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    link, later = undo_token(settings, someone, now), now + 29 * DAY
    before = dump(session)
    assert undoing.look(session, settings, link, later).result is Undoing.OPEN
    assert dump(session) == before, "a look undoes nothing"
    results = [undo(session, settings, link, later) for _press in range(3)]
    assert results == [Undoing.BACK, Undoing.ALREADY, Undoing.ALREADY]
    assert (someone.state, someone.left_at) == (SubscriberState.ACTIVE, None)
    proofs = session.scalars(select(Consent).order_by(Consent.id)).all()
    assert [proof.event for proof in proofs][-2:] == ["withdrawn", "confirmed"]
    assert (proofs[-1].route, proofs[-1].wording) == ("undo", "signup-1.nl")
    assert proofs[-1].facts.keys() == {*FACTS, "controller", "token_sha256", "method"}
    assert session.get_one(Cursor, someone.id).number == 0


def test_a_strangers_sign_up_takes_the_undo_from_nobody(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    link = undo_token(settings, someone, now)
    ask(session, settings, now)
    assert session.get_one(Subscriber, someone.id).state is SubscriberState.PENDING
    assert undo(session, settings, link, now + DAY) is Undoing.BACK
    assert session.get_one(Subscriber, someone.id).state == "active"


def test_only_the_last_leaving_can_be_undone_and_only_in_time(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    link = undo_token(settings, someone, now)
    late = now + timedelta(days=settings.undo_days, seconds=1)
    assert undo(session, settings, link, late) is Undoing.LATE
    assert undo(session, replace(settings, undo_days=0), link, now + DAY) is Undoing.LATE
    assert undo(session, settings, link, late - timedelta(seconds=1)) is Undoing.BACK
    leaving.leave(session, settings, someone, "page", late)
    assert undo(session, settings, link, late) is Undoing.LATE
    assert someone.state is SubscriberState.LEFT


@pytest.mark.parametrize("wrong", ["", "x" * 36])
def test_uns_08_a_forged_link_undoes_nothing(
    session: Session, settings: Settings, now: datetime, wrong: str
) -> None:
    someone = reader(session, settings, now)
    other = reader(session, settings, now, "els@example.be")
    leaving.leave(session, settings, someone, "page", now)
    leaving.leave(session, settings, other, "page", now)
    good, before = undo_token(settings, someone, now), dump(session)
    flipped = [
        good[:place] + ("A" if sign != "A" else "B") + good[place + 1 :]
        for place, sign in enumerate(good)
    ]
    unsubscribe = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    unbound = Tokens(settings.secret_key).issue(Purpose.UNDO, someone.id, now)
    keys = Tokens(settings.secret_key)
    stolen = keys.issue(Purpose.UNDO, other.id, now, someone.canonical or "")
    for link in (wrong, *flipped, good[:-1], good + "A", unsubscribe, unbound, stolen):
        assert undo(session, settings, link, now) is Undoing.UNKNOWN
    assert dump(session) == before


def test_nobody_who_is_suppressed_for_good_comes_back_by_undoing(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    link = undo_token(settings, someone, now)
    privacy.suppress(session, settings, "jan@example.be", SuppressionReason.NEVER, now)
    assert undo(session, settings, link, now) is Undoing.LATE
    assert someone.state is SubscriberState.LEFT


def test_a_bounce_ends_when_the_reader_comes_back(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    privacy.suppress(session, settings, "jan@example.be", SuppressionReason.BOUNCED, now)
    link = undo_token(settings, someone, now)
    assert undo(session, settings, link, now) is Undoing.BACK
    assert not suppression.is_suppressed(session, Tokens(settings.secret_key), "jan@example.be")


def test_nobody_comes_back_after_an_erasure(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    link = undo_token(settings, someone, now)
    privacy.erase(session, settings, someone, now)
    before = dump(session)
    assert undo(session, settings, link, now) is Undoing.UNKNOWN
    assert dump(session) == before


def test_two_presses_of_undo_at_once_are_one_coming_back(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        someone = reader(session, settings, now)
        leaving.leave(session, settings, someone, "page", now)
    link = undo_token(settings, someone, now)

    def press() -> object:
        with database.write() as session:
            return undo(session, settings, link, now).value

    assert sorted(map(str, at_once(press, press))) == ["already", "back"]
    with database.read() as session:
        proofs = session.scalars(select(Consent).where(Consent.route == "undo")).all()
    assert len(proofs) == 1


def test_undo_and_erasure_at_once_leave_nobody_behind(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        someone = reader(session, settings, now)
        leaving.leave(session, settings, someone, "page", now)
    link = undo_token(settings, someone, now)

    def press() -> object:
        with database.write() as session:
            return undo(session, settings, link, now).value

    def erase() -> object:
        with database.write() as session:
            privacy.erase(session, settings, session.get_one(Subscriber, someone.id), now)
            return "erased"

    assert set(at_once(press, erase)) <= {"back", "unknown", "erased"}
    with database.read() as session:
        found = session.get_one(Subscriber, someone.id)
        assert (found.state, found.email) == (SubscriberState.ERASED, None)
        assert not session.scalars(select(ConsentDetails)).all()


def goodbye(session: Session, settings: Settings, someone: Subscriber, now: datetime) -> str:
    notice = session.scalars(select(Notice).where(Notice.kind == NoticeKind.GOODBYE)).one()
    assert notice.state is NoticeState.WAITING
    session.refresh(someone)
    return write(settings, notice, someone, now).text


def test_the_goodbye_says_until_when_it_can_be_undone(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    text = goodbye(session, settings, someone, now)
    assert "Tot 23 december 2026" in text
    link = next(line for line in text.splitlines() if "/nl/undo/" in line).rpartition("/")[2]
    assert undo(session, settings, link, now) is Undoing.BACK


def test_a_goodbye_without_undo_leads_to_the_site(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    leaving.leave(session, settings, someone, "page", now)
    for changed, moment in ((replace(settings, undo_days=0), now), (settings, now + 31 * DAY)):
        text = goodbye(session, changed, someone, moment)
        assert "/undo/" not in text
        assert "https://nieuws.test/nl/" in text


def test_uns_09_who_came_back_leaves_by_the_old_link_again(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = token(settings, Purpose.UNSUBSCRIBE, someone, now)
    assert leave_by_token(session, settings, link, "page", now)
    assert undo(session, settings, undo_token(settings, someone, now), now) is Undoing.BACK
    left = leave_by_token(session, settings, link, "page", now + DAY)
    assert left
    assert left.changed
    assert left.subscriber.left_at == now + DAY
