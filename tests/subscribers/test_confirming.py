"""What the link in a letter does: confirm, never again; and the end of what nobody confirmed."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.models import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    ConsentOrigin,
    Cursor,
    Issue,
    IssueState,
    ItemNumber,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import confirming, leaving
from newsletter.subscribers.confirming import Result
from newsletter.tokens import Purpose, Tokens
from tests.subscribers.people import (
    AGENT,
    IP,
    ask,
    confirm,
    dump,
    form,
    kinds,
    link_of,
    only,
    reader,
)

DAY = timedelta(days=1)


def test_sec_02_looking_at_the_link_changes_nothing_however_often(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link, before = link_of(session, settings, now), dump(session)
    for _time in range(100):
        assert confirming.look(session, settings, link, now).result is Result.OPEN
    assert not session.dirty
    assert dump(session) == before


def test_sec_02_confirming_twice_says_already(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link = link_of(session, settings, now)
    assert confirm(session, settings, link, now) is Result.CONFIRMED
    after = dump(session)
    assert confirm(session, settings, link, now) is Result.ALREADY
    assert confirming.look(session, settings, link, now).result is Result.ALREADY
    assert dump(session) == after
    assert only(session).state is SubscriberState.ACTIVE


def test_confirming_starts_at_the_newest_item_and_queues_the_welcome(
    session: Session, settings: Settings, now: datetime
) -> None:
    issue = Issue(number=12, state=IssueState.SENT, by_clock=False, compiled_at=now)
    session.add(issue)
    session.flush()
    session.add(ItemNumber(number=41, slug="a", repeat=False, issue_number=12))
    someone = reader(session, settings, now)
    assert session.get_one(Cursor, someone.id).number == 41
    welcome = session.scalars(select(Notice).where(Notice.kind == NoticeKind.WELCOME)).one()
    assert welcome.facts == {"issue": 12}
    assert someone.confirmed_at == now


def test_sec_08_an_old_link_has_expired_and_changes_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link, before = link_of(session, settings, now), dump(session)
    late = now + timedelta(days=settings.confirm_days, seconds=1)
    assert confirm(session, settings, link, late) is Result.EXPIRED
    assert dump(session) == before
    on_time = now + timedelta(days=settings.confirm_days)
    assert confirm(session, settings, link, on_time) is Result.CONFIRMED


def test_sec_08_the_link_is_bound_to_the_address_and_the_purpose(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    someone, tokens = only(session), Tokens(settings.secret_key)
    wrong = [
        tokens.issue(Purpose.CONFIRM, someone.id, now, "other@example.be"),
        tokens.issue(Purpose.UNSUBSCRIBE, someone.id, now, "jan@example.be"),
        tokens.issue(Purpose.CONFIRM, someone.id + 1, now, "jan@example.be"),
        Tokens("another key").issue(Purpose.CONFIRM, someone.id, now, "jan@example.be"),
        "",
        "short",
        "é" * 36,
    ]
    before = dump(session)
    assert {confirm(session, settings, link, now) for link in wrong} == {Result.UNKNOWN}
    assert dump(session) == before


def test_sec_08_any_flipped_character_makes_the_link_unknown(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link = link_of(session, settings, now)
    for place in range(len(link)):
        other = "A" if link[place] != "A" else "B"
        broken = link[:place] + other + link[place + 1 :]
        assert confirming.look(session, settings, broken, now).result is Result.UNKNOWN


def test_who_left_is_not_brought_back_by_the_old_link(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = link_of(session, settings, now)
    leaving.leave(session, settings, someone, "one-click", now)
    assert confirm(session, settings, link, now) is Result.EXPIRED
    assert someone.state is SubscriberState.LEFT


def test_an_address_blocked_meanwhile_cannot_confirm(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link, tokens = link_of(session, settings, now), Tokens(settings.secret_key)
    suppression.add(session, tokens, "jan@example.be", SuppressionReason.NEVER, now)
    assert confirm(session, settings, link, now) is Result.EXPIRED


def test_two_who_confirm_at_once_make_one_proof_and_one_welcome(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        ask(session, settings, now)
        link = link_of(session, settings, now)
    barrier, results = threading.Barrier(2), []

    def press() -> None:
        barrier.wait()
        with database.write() as session:
            results.append(confirm(session, settings, link, now))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [Result.ALREADY, Result.CONFIRMED]
    with database.read() as session:
        events = session.scalars(select(Consent.event).order_by(Consent.id)).all()
        assert events == [ConsentEvent.ASKED, ConsentEvent.CONFIRMED]
        assert kinds(session) == [NoticeKind.CONFIRM, NoticeKind.WELCOME]


# --- the end of what nobody confirmed -------------------------------------------------------------


def test_prv_11_an_unconfirmed_sign_up_is_deleted_with_all_its_rows(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    session.execute(update(Notice).values(state=NoticeState.SENT, settled_at=now, email=None))
    assert confirming.purge(session, now + 7 * DAY - timedelta(seconds=1), 7) == 0
    assert confirming.purge(session, now + 7 * DAY, 7) == 1
    for table in (ConsentDetails, ConsentOrigin, Notice):
        assert not session.scalars(select(table)).all()
    row = select(Subscriber).execution_options(populate_existing=True)
    emptied = session.scalars(row).one()
    assert (emptied.state, emptied.email, emptied.canonical) == ("erased", None, None)
    left = str(dump(session))
    assert not [trace for trace in ("jan", "example.be", IP, AGENT) if trace in left]


def test_a_sign_up_stays_as_long_as_the_link_in_its_letter_works(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    assert confirming.purge(session, now + 30 * DAY, 7) == 0  # the letter still waits
    sent = {"state": NoticeState.SENT, "settled_at": now + 3 * DAY, "email": None}
    session.execute(update(Notice).values(**sent))
    assert confirming.purge(session, now + 8 * DAY, 7) == 0
    assert confirming.purge(session, now + 10 * DAY, 7) == 1


def test_purging_takes_no_reader_and_returns_who_had_left_to_having_left(
    session: Session, settings: Settings, now: datetime
) -> None:
    stays = reader(session, settings, now, "stays@example.be")
    back = reader(session, settings, now, "back@example.be")
    leaving.leave(session, settings, back, "page", now)
    ask(session, settings, now + 2 * DAY, form("back@example.be"))
    session.execute(update(Notice).values(state=NoticeState.SENT, settled_at=now, email=None))
    assert confirming.purge(session, now + 60 * DAY, 7) == 0
    session.expire_all()
    assert stays.state is SubscriberState.ACTIVE
    assert back.state is SubscriberState.LEFT


def test_who_left_unconfirmed_is_not_forgotten_because_a_stranger_asks(
    session: Session, settings: Settings, now: datetime
) -> None:
    """UNS-14: the proof of leaving stays, so that no import brings them back."""
    ask(session, settings, now)
    leaving.leave(session, settings, only(session), "command", now)
    ask(session, settings, now + 2 * DAY)
    session.execute(update(Notice).values(state=NoticeState.SENT, settled_at=now + 2 * DAY))
    confirming.purge(session, now + 30 * DAY, settings.confirm_days)
    session.expire_all()
    assert only(session).state is SubscriberState.LEFT
