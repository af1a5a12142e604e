"""Double opt-in: what the form writes, what the clock decides, what the link does."""

import logging
import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.errors import FixRequest
from newsletter.models import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    Cursor,
    Issue,
    IssueState,
    ItemNumber,
    Notice,
    NoticeKind,
    NoticeState,
    SignupRequest,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import preferences, signup
from newsletter.subscribers.signup import Result
from newsletter.tokens import Purpose, Tokens
from tests.subscribers.people import AGENT, IP, ask, dump, form, kinds, only, reader, token

DAY = timedelta(days=1)


def confirm(session: Session, settings: Settings, link: str, now: datetime) -> Result:
    return signup.confirm(session, settings, link, now, IP, AGENT).result


def link_of(session: Session, settings: Settings, now: datetime) -> str:
    return token(settings, Purpose.CONFIRM, only(session), now)


# --- the form -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["new", "pending", "active", "left", "erased", "suppressed"])
def test_sec_07_the_form_writes_one_row_of_one_shape_whoever_asks(
    session: Session, settings: Settings, now: datetime, state: str
) -> None:
    if state == "pending":
        ask(session, settings, now)
    elif state in ("active", "left"):
        someone = reader(session, settings, now)
        if state == "left":
            preferences.leave(session, settings, someone, "page", now)
    elif state in ("erased", "suppressed"):
        reason = SuppressionReason.ERASED if state == "erased" else SuppressionReason.NEVER
        suppression.add(session, Tokens(settings.secret_key), "jan@example.be", reason, now)
    before = dump(session)
    signup.request(session, form(), now)
    after = dump(session)
    added = {name: rows for name, rows in after.items() if rows != before[name]}
    assert list(added) == ["signup_requests"]
    row = session.scalars(select(SignupRequest)).one()
    values = [getattr(row, column.key) for column in SignupRequest.__table__.columns]
    assert values[1:] == [
        "jan@example.be",
        "jan@example.be",
        "nl",
        "monthly",
        "",
        "signup-1.nl",
        "https://nieuws.test/nl/",
        IP,
        AGENT,
        now,
    ]


def test_the_form_refuses_what_is_no_address_and_writes_nothing(
    session: Session, now: datetime
) -> None:
    for wrong in ("", "jan", "jan@", "j\x00n@example.be", "jän@example.be", "a@b.be\nBcc: c@d.be"):
        with pytest.raises(FixRequest):
            signup.request(session, form(wrong), now)
    assert not session.scalars(select(SignupRequest)).all()


@pytest.mark.parametrize(
    "wrong", [{"locale": "es"}, {"topics": ("a|b",)}, {"wording": "../consent.py"}]
)
def test_the_form_refuses_choices_that_do_not_exist(
    session: Session, now: datetime, wrong: dict[str, str]
) -> None:
    with pytest.raises(FixRequest):
        signup.request(session, form(**wrong), now)


def test_sec_13_what_a_browser_sends_is_stored_harmless_and_short(
    session: Session, now: datetime
) -> None:
    asked = form(user_agent="x\x00\r\n\ud800" + "y" * 1000, form_url="https://n.test/nl/?e=j@x.be")
    signup.request(session, asked, now)
    row = session.scalars(select(SignupRequest)).one()
    assert row.user_agent == "x    " + "y" * 295
    assert row.form_url == "https://n.test/nl/"


# --- the clock ------------------------------------------------------------------------------------


def test_a_newcomer_becomes_pending_with_a_proof_and_one_letter(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form(locale="fr", topics=("sdg", "milieu"), cadence="weekly"))
    someone = only(session)
    assert someone.state is SubscriberState.PENDING
    assert (someone.locale, someone.cadence) == ("fr", "weekly")
    assert preferences.topics_of(session, someone) == ("milieu", "sdg")
    assert [row.event for row in session.scalars(select(Consent))] == [ConsentEvent.ASKED]
    notice = session.scalars(select(Notice)).one()
    assert (notice.kind, notice.email, notice.locale) == ("confirm", "jan@example.be", "fr")
    assert "@" not in str(notice.facts)
    assert not session.scalars(select(SignupRequest)).all()


@pytest.mark.parametrize("again", ["JAN@EXAMPLE.BE", "Jan@Example.be", " jan@example.be "])
def test_the_same_person_in_other_case_is_one_subscriber_with_one_letter(
    session: Session, settings: Settings, now: datetime, again: str
) -> None:
    ask(session, settings, now, form(), form(again))
    only(session)
    assert kinds(session) == [NoticeKind.CONFIRM]


def test_the_same_person_with_an_international_domain_is_one_subscriber(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form("Jan@EXÄMPLE.be"), form("jan@xn--exmple-cua.be"))
    assert only(session).canonical == "jan@xn--exmple-cua.be"
    assert kinds(session) == [NoticeKind.CONFIRM]


def test_sec_03_a_hundred_requests_in_a_day_make_one_letter_and_the_next_day_one_more(
    session: Session, settings: Settings, now: datetime
) -> None:
    many = [form(ip=f"192.0.2.{number}") for number in range(100)]
    ask(session, settings, now, *many)
    assert len(kinds(session)) == 1
    ask(session, settings, now + DAY - timedelta(seconds=1))
    assert len(kinds(session)) == 1
    ask(session, settings, now + DAY)
    assert len(kinds(session)) == 2


def test_requests_that_change_nothing_leave_no_proofs_behind(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, *[form() for _ in range(10)])
    assert session.scalar(select(func.count()).select_from(Consent)) == 1


def test_a_pending_person_who_asks_again_gets_the_latest_choices(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form())
    ask(session, settings, now, form(locale="de", topics=("sdg",), wording="signup-1.de"))
    someone = only(session)
    assert (someone.locale, preferences.topics_of(session, someone)) == ("de", ("sdg",))
    wordings = session.scalars(select(Consent.wording).order_by(Consent.id)).all()
    assert wordings == ["signup-1.nl", "signup-1.de"]


def test_an_active_person_who_asks_again_keeps_everything_and_gets_one_reminder(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    later = now + 2 * DAY
    ask(session, settings, later, form(locale="de"), form(locale="en"))
    assert (someone.state, someone.locale) == (SubscriberState.ACTIVE, "nl")
    assert kinds(session)[2:] == [NoticeKind.ALREADY]


@pytest.mark.parametrize("reason", ["complaint", "never", "staff"])
def test_a_final_suppression_blocks_in_silence(
    session: Session, settings: Settings, now: datetime, reason: str
) -> None:
    tokens = Tokens(settings.secret_key)
    suppression.add(session, tokens, "jan@example.be", SuppressionReason(reason), now)
    ask(session, settings, now)
    assert not session.scalars(select(Subscriber)).all()
    assert not kinds(session)
    assert not session.scalars(select(SignupRequest)).all()


@pytest.mark.parametrize("reason", ["bounced", "erased"])
def test_who_bounced_or_was_erased_comes_back_by_confirming(
    session: Session, settings: Settings, now: datetime, reason: str
) -> None:
    tokens = Tokens(settings.secret_key)
    suppression.add(session, tokens, "jan@example.be", SuppressionReason(reason), now)
    ask(session, settings, now)
    assert suppression.is_suppressed(session, tokens, "jan@example.be")
    assert confirm(session, settings, link_of(session, settings, now), now) is Result.CONFIRMED
    assert suppression.is_suppressed(session, tokens, "jan@example.be") is None


def test_who_left_and_asks_again_is_asked_to_confirm(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    preferences.leave(session, settings, someone, "page", now)
    ask(session, settings, now + 2 * DAY)
    assert someone.state is SubscriberState.PENDING
    assert kinds(session)[-1] is NoticeKind.CONFIRM
    link = link_of(session, settings, now + 2 * DAY)
    assert confirm(session, settings, link, now + 2 * DAY) is Result.CONFIRMED
    assert someone.left_at is None


def test_a_poisoned_request_is_dropped_and_the_others_go_on(
    session: Session, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    for email in ("one@example.be", "two@example.be", "three@example.be"):
        signup.request(session, form(email), now)
    poison = update(SignupRequest).where(SignupRequest.email == "two@example.be")
    session.execute(poison.values(wording="gone-9.nl"))
    with caplog.at_level(logging.WARNING):
        assert signup.settle_requests(session, settings, now) == 3
    assert session.scalar(select(func.count()).select_from(Subscriber)) == 2
    assert not session.scalars(select(SignupRequest)).all()
    assert "two@" not in caplog.text


def test_a_request_interrupted_before_its_commit_is_settled_by_the_next_round(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        signup.request(session, form(), now)
    with Session(database.engine) as crashing:
        signup.settle_requests(crashing, settings, now)
    with database.write() as session:
        assert not session.scalars(select(Subscriber)).all()
        assert signup.settle_requests(session, settings, now) == 1
        assert kinds(session) == [NoticeKind.CONFIRM]


def test_a_cadence_that_was_abolished_becomes_the_default(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form(cadence="hourly"))
    assert only(session).cadence == "monthly"


def test_settling_takes_the_oldest_first_and_no_more_than_its_limit(
    session: Session, settings: Settings, now: datetime
) -> None:
    for number in range(5):
        signup.request(session, form(f"r{number}@example.be"), now)
    assert signup.settle_requests(session, settings, now, limit=3) == 3
    emails = session.scalars(select(Subscriber.email).order_by(Subscriber.id)).all()
    assert emails == ["r0@example.be", "r1@example.be", "r2@example.be"]


# --- the link -------------------------------------------------------------------------------------


def test_sec_02_looking_at_the_link_changes_nothing_however_often(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    link, before = link_of(session, settings, now), dump(session)
    for _time in range(100):
        assert signup.look(session, settings, link, now).result is Result.OPEN
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
    assert signup.look(session, settings, link, now).result is Result.ALREADY
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
        assert signup.look(session, settings, broken, now).result is Result.UNKNOWN


def test_who_left_is_not_brought_back_by_the_old_link(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = link_of(session, settings, now)
    preferences.leave(session, settings, someone, "one-click", now)
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


def test_two_clocks_at_once_settle_each_request_once(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        for number in range(20):
            signup.request(session, form(f"r{number % 5}@example.be"), now)
    barrier = threading.Barrier(2)

    def settle() -> None:
        barrier.wait()
        with database.write() as session:
            signup.settle_requests(session, settings, now)

    threads = [threading.Thread(target=settle) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert len(session.scalars(select(Subscriber)).all()) == 5
        assert len(kinds(session)) == 5


# --- the end of what nobody confirmed -------------------------------------------------------------


def test_prv_11_an_unconfirmed_sign_up_is_deleted_with_all_its_rows(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    session.execute(update(Notice).values(state=NoticeState.SENT, settled_at=now, email=None))
    assert signup.purge(session, now + 7 * DAY - timedelta(seconds=1), 7) == 0
    assert signup.purge(session, now + 7 * DAY, 7) == 1
    for table in (Subscriber, Consent, ConsentDetails, Notice):
        assert not session.scalars(select(table)).all()


def test_a_sign_up_stays_as_long_as_the_link_in_its_letter_works(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    assert signup.purge(session, now + 30 * DAY, 7) == 0  # the letter still waits
    sent = {"state": NoticeState.SENT, "settled_at": now + 3 * DAY, "email": None}
    session.execute(update(Notice).values(**sent))
    assert signup.purge(session, now + 8 * DAY, 7) == 0
    assert signup.purge(session, now + 10 * DAY, 7) == 1


def test_purging_takes_no_reader_and_returns_who_had_left_to_having_left(
    session: Session, settings: Settings, now: datetime
) -> None:
    stays = reader(session, settings, now, "stays@example.be")
    back = reader(session, settings, now, "back@example.be")
    preferences.leave(session, settings, back, "page", now)
    ask(session, settings, now + 2 * DAY, form("back@example.be"))
    session.execute(update(Notice).values(state=NoticeState.SENT, settled_at=now, email=None))
    assert signup.purge(session, now + 60 * DAY, 7) == 0
    session.expire_all()
    assert stays.state is SubscriberState.ACTIVE
    assert back.state is SubscriberState.LEFT


def test_who_confirmed_and_left_gets_a_fresh_letter_the_same_day(
    session: Session, settings: Settings, now: datetime
) -> None:
    """The goodbye letter says that signing up again is always possible."""
    ask(session, settings, now)
    link = link_of(session, settings, now)
    assert confirm(session, settings, link, now + timedelta(hours=1)) is Result.CONFIRMED
    left_at = now + timedelta(hours=2)
    preferences.leave(session, settings, only(session), "page", left_at)
    ask(session, settings, now + timedelta(hours=3))
    assert kinds(session).count(NoticeKind.CONFIRM) == 2
    ask(session, settings, now + timedelta(hours=4))
    assert kinds(session).count(NoticeKind.CONFIRM) == 2, "and no second one"


def test_who_left_unconfirmed_is_not_forgotten_because_a_stranger_asks(
    session: Session, settings: Settings, now: datetime
) -> None:
    """UNS-14: the proof of leaving stays, so that no import brings them back."""
    ask(session, settings, now)
    preferences.leave(session, settings, only(session), "command", now)
    ask(session, settings, now + 2 * DAY)
    session.execute(update(Notice).values(state=NoticeState.SENT, settled_at=now + 2 * DAY))
    signup.purge(session, now + 30 * DAY, settings.confirm_days)
    session.expire_all()
    assert only(session).state is SubscriberState.LEFT
