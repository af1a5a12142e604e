"""The freshly mailed link: a day, three a day, and only for the address it was mailed to."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.models import NoticeKind, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import access, leaving, privacy
from newsletter.tokens import Purpose, tokens_of
from tests.subscribers.people import ask, dump, kinds, only, reader, token


def link(settings: Settings, someone: Subscriber, made: datetime) -> str:
    bound = someone.canonical or ""
    return tokens_of(settings).issue(Purpose.DATA, someone.id, made, bound)


def test_uns_05_looking_changes_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    before = dump(session)
    found = access.find(session, settings, link(settings, someone, now), now)
    assert found
    assert (found.subscriber, found.fresh) == (someone, True)
    assert dump(session) == before


def test_sec_08_the_link_works_a_day(session: Session, settings: Settings, now: datetime) -> None:
    someone = reader(session, settings, now)
    mailed, fresh = link(settings, someone, now), []
    for hours in (23, 24, 25, 24 * 400):
        found = access.find(session, settings, mailed, now + timedelta(hours=hours))
        fresh.append(found is not None and found.fresh)
    assert fresh == [True, True, False, False]


def test_sec_08_no_other_link_opens_the_data(
    session: Session, settings: Settings, now: datetime
) -> None:
    """Not that of an old mail, not one for another address, not a cut or forged one."""
    someone = reader(session, settings, now)
    good = link(settings, someone, now)
    others = [token(settings, p, someone, now) for p in Purpose if p is not Purpose.DATA]
    unbound = tokens_of(settings).issue(Purpose.DATA, someone.id, now)
    ghost = tokens_of(settings).issue(Purpose.DATA, 999, now, someone.canonical or "")
    for wrong in (*others, unbound, ghost, good[:-1], "", "x" * 36):
        assert access.find(session, settings, wrong, now) is None
    someone.canonical = "elders@example.be"
    session.flush()
    assert access.find(session, settings, good, now, hold=True) is None


def test_the_link_of_who_was_erased_opens_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    mailed = link(settings, someone, now)
    privacy.erase(session, settings, someone, now)
    assert access.find(session, settings, mailed, now) is None


def test_sec_16_three_letters_a_day(session: Session, settings: Settings, now: datetime) -> None:
    someone = reader(session, settings, now)
    for _ in range(3):
        access.mail_link(session, someone, now)
    with pytest.raises(FixRequest, match="al genoeg mails"):
        access.mail_link(session, someone, now + timedelta(hours=23))
    access.mail_link(session, someone, now + timedelta(hours=25))
    assert kinds(session).count(NoticeKind.PREFERENCES) == 4


def test_sec_01_no_letter_to_who_has_not_confirmed_or_has_left(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    someone = only(session)
    with pytest.raises(FixRequest):
        access.mail_link(session, someone, now)
    leaving.leave(session, settings, someone, "page", now)
    with pytest.raises(FixRequest):
        access.mail_link(session, someone, now)
    assert kinds(session) == [NoticeKind.CONFIRM]
