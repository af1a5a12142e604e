"""The one reminder, and what proves that who confirmed had the letter."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.jobs import tasks
from newsletter.models import Consent, Delivery, Notice, NoticeKind, NoticeState
from newsletter.notices import writing
from newsletter.settings import Settings
from newsletter.subscribers import confirming, tallies
from newsletter.subscribers.confirming import Result
from newsletter.subscribers.importing import import_csv
from newsletter.tokens import Purpose
from tests.subscribers.people import AGENT, IP, ask, dump, form, kinds, only, reader, token

DAY = timedelta(days=1)


def sent(session: Session, at: datetime) -> None:
    """The relay took every letter that waits."""
    settled = {"state": NoticeState.SENT, "settled_at": at, "reply": "250 2.0.0 ok"}
    session.execute(update(Notice).where(Notice.state == NoticeState.WAITING).values(**settled))
    session.expire_all()


def link_in(text: str) -> str:
    return next(line for line in text.splitlines() if "/confirm/" in line)


def test_who_does_not_confirm_is_reminded_once_by_the_same_link(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form(locale="fr"))
    taken = now + timedelta(seconds=2)
    sent(session, taken)
    first, someone = session.scalars(select(Notice)).one(), only(session)
    link = link_in(writing.write(settings, first, someone, taken).text)
    soon, late = taken + timedelta(hours=48), taken + timedelta(hours=49)
    assert confirming.remind(session, settings, soon - timedelta(seconds=1)) == 0
    assert confirming.remind(session, settings, soon) == 1
    assert confirming.remind(session, settings, late) == 0
    reminder = session.scalars(select(Notice).where(Notice.kind == NoticeKind.REMINDER)).one()
    assert (reminder.email, reminder.locale) == ("jan@example.be", "fr")
    assert "@" not in str(reminder.facts)
    letter = writing.write(settings, reminder, someone, late)
    assert "Votre inscription n’est pas encore confirmée" in letter.text
    assert link_in(letter.text) == link, "it ends when the first one does"
    sent(session, late)
    for day in range(3, 7):
        assert confirming.remind(session, settings, now + day * DAY) == 0


def test_nobody_else_is_reminded(session: Session, settings: Settings, now: datetime) -> None:
    reader(session, settings, now, "lezer@example.be")
    ask(session, settings, now, form("wacht@example.be"))  # its letter could not go yet
    lines = ["email", "genodigd@example.be"]
    import_csv(session, settings, lines, source="x", now=now, invite=True, topics_known=())
    others = update(Notice).where(Notice.email != "wacht@example.be")
    session.execute(others.values(state=NoticeState.SENT, settled_at=now))
    assert confirming.remind(session, settings, now + 3 * DAY) == 0
    sent(session, now)
    assert confirming.remind(session, replace(settings, remind_hours=0), now + 3 * DAY) == 0
    nearly = now + 7 * DAY - timedelta(hours=11)
    assert confirming.remind(session, settings, nearly) == 0, "the link has nearly ended"
    assert confirming.remind(session, settings, now + 3 * DAY) == 1


def test_sec_03_a_reminder_is_one_of_the_letters_of_the_month(
    session: Session, settings: Settings, now: datetime
) -> None:
    few = replace(settings, confirm_notices_per_month=1)
    ask(session, few, now)
    sent(session, now)
    assert confirming.remind(session, few, now + 3 * DAY) == 0


def test_prv_02_confirming_keeps_what_proves_it_but_never_the_token(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    taken = now + timedelta(seconds=2, microseconds=345)
    sent(session, taken)
    notice = session.scalars(select(Notice)).one()
    link = token(settings, Purpose.CONFIRM, only(session), taken)
    done = confirming.confirm(session, settings, link, now + DAY, IP, AGENT)
    assert done.result is Result.CONFIRMED
    proof = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert proof is not None
    assert proof.facts == {
        "token_sha256": hashlib.sha256(link.encode()).hexdigest(),
        "method": "POST",
        "message_id": writing.message_id(settings, notice),
        "sent_at": taken.isoformat(),
        "reply": "250 2.0.0 ok",
    }
    assert link not in str(dump(session))
    assert tallies.count(session, "confirmed", (now + DAY).date()) == 1


def test_sec_01_nothing_but_the_confirm_letter_and_one_reminder_before_consent(
    database: Database, settings: Settings
) -> None:
    long_ago = utcnow() - 3 * DAY
    with database.write() as session:
        for hours in range(0, 24, 6):
            ask(session, settings, long_ago + timedelta(hours=hours), form(topics=("sdg",)))
            sent(session, long_ago)
    assert tasks.remind_unconfirmed(database, settings) == 1
    assert tasks.remind_unconfirmed(database, settings) == 0
    with database.read() as session:
        assert kinds(session)[-1] is NoticeKind.REMINDER
        assert set(kinds(session)) == {NoticeKind.CONFIRM, NoticeKind.REMINDER}
        assert not session.scalars(select(Delivery)).all()
