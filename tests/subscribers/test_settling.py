"""What the clock makes of what the forms wrote: subscribers, proofs, and few letters."""

import logging
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.jobs import tasks
from newsletter.models import (
    Consent,
    ConsentEvent,
    FormRequest,
    Limit,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from newsletter.subscribers import (
    leaving,
    posting,
    preferences,
    privacy,
    settling,
    signup,
    tallies,
)
from newsletter.subscribers.confirming import Result
from newsletter.subscribers.signup import Answer, LinkForm
from newsletter.tokens import Tokens
from tests.subscribers.people import (
    AGENT,
    IP,
    ask,
    confirm,
    dump,
    form,
    kinds,
    link_of,
    made,
    only,
    reader,
    request,
)

DAY = timedelta(days=1)


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
    assert not session.scalars(select(FormRequest)).all()


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
    again = form(locale="de", topics=("sdg",), cadence="weekly", wording="signup-1.de")
    ask(session, settings, now, again)
    someone = only(session)
    assert someone.locale == "nl", "until they confirm"
    wordings = session.scalars(select(Consent.wording).order_by(Consent.id)).all()
    assert wordings == ["signup-1.nl", "signup-1.de"]
    assert kinds(session) == [NoticeKind.CONFIRM]
    assert confirm(session, settings, link_of(session, settings, now), now) is Result.CONFIRMED
    assert (someone.locale, someone.cadence) == ("de", "weekly")
    assert preferences.topics_of(session, someone) == ("sdg",)


def test_what_a_reader_had_chosen_stays_until_they_confirm(
    session: Session, settings: Settings, now: datetime
) -> None:
    """A stranger who fills in the address of somebody who left changes nothing but the letter."""
    someone = reader(session, settings, now)
    preferences.change(session, someone, locale="fr", topics=["milieu"], cadence="weekly", now=now)
    leaving.leave(session, settings, someone, "page", now + DAY)
    later = now + 2 * DAY
    ask(session, settings, later, form("JAN@example.be", locale="de", topics=("sdg",)))
    session.refresh(someone)
    assert someone.state is SubscriberState.PENDING
    assert (someone.email, someone.locale, someone.cadence) == ("jan@example.be", "fr", "weekly")
    assert preferences.topics_of(session, someone) == ("milieu",)
    letter = session.scalars(select(Notice).order_by(Notice.id.desc())).first()
    assert letter is not None
    assert (letter.kind, letter.locale) == (NoticeKind.CONFIRM, "de")
    proof = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert proof is not None
    assert (proof.event, proof.locale, proof.topics) == (ConsentEvent.ASKED, "de", "sdg")
    assert confirm(session, settings, link_of(session, settings, later), later) is Result.CONFIRMED
    assert (someone.locale, someone.cadence) == ("de", "monthly")
    assert preferences.topics_of(session, someone) == ("sdg",)


def test_the_proof_says_what_was_shown_ticked_and_done(
    session: Session, settings: Settings, now: datetime
) -> None:
    shown = {"privacy": {"version": "2026-11-23", "sha256": "p"}, "template": "t"}
    ask(session, settings, now, form(topics=("sdg", "milieu"), facts=shown))
    assert session.scalars(select(Consent.facts)).one() == {
        **shown,
        "work": "done",
        "ticked": {"locale": "nl", "cadence": "monthly", "topics": ["milieu", "sdg"]},
        "controller": {"name": settings.org_name, "number": settings.org_number},
    }


def sent_after(session: Session, now: datetime) -> list[timedelta]:
    return [at - now for at in session.scalars(select(Notice.created_at).order_by(Notice.id))]


def test_sec_03_a_month_holds_three_letters_whatever_the_days(
    session: Session, settings: Settings, now: datetime
) -> None:
    for day in range(45):
        ask(session, settings, now + day * DAY, form(ip=f"192.0.2.{day}"))
    assert sent_after(session, now) == [0 * DAY, DAY, 2 * DAY, 30 * DAY, 31 * DAY, 32 * DAY]


def test_sec_03_purge_and_erasure_give_nobody_new_letters(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    privacy.erase(session, settings, only(session), now)
    suppression.lift(session, Tokens(settings.secret_key), "jan@example.be", now, "a test")
    ask(session, settings, now + timedelta(hours=1))
    assert not session.scalars(select(Subscriber).where(Subscriber.email.is_not(None))).all()
    ask(session, settings, now + DAY)
    letters = session.scalars(select(Notice).where(Notice.state == NoticeState.WAITING)).all()
    assert [letter.created_at for letter in letters] == [now + DAY]


@pytest.mark.parametrize("reason", ["bounced", "erased"])
def test_sec_03_who_must_not_be_mailed_is_asked_once_in_thirty_days(
    session: Session, settings: Settings, now: datetime, reason: str
) -> None:
    tokens = Tokens(settings.secret_key)
    suppression.add(session, tokens, "jan@example.be", SuppressionReason(reason), now)
    for day in range(60):
        ask(session, settings, now + day * DAY)
    assert sent_after(session, now) == [0 * DAY, 30 * DAY]


def test_sec_05_letters_to_one_domain_beyond_its_rate_wait(
    session: Session, settings: Settings, now: datetime
) -> None:
    slow = replace(settings, signup_domain_rate=Rate(4, 60))
    many = [form(f"r{number}@example.be", ip=f"192.0.2.{number}") for number in range(6)]
    ask(session, slow, now, *many, form("other@example.net"))
    due = session.scalars(select(Notice.due_at).order_by(Notice.due_at)).all()
    step = timedelta(seconds=20)
    assert due == [now, now, now, now + step, now + 2 * step, now + 3 * step, now + 4 * step]


def test_the_first_request_of_a_batch_decides_and_the_others_see_it(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form(), form("an@example.be"), form(locale="fr"), form())
    assert kinds(session) == [NoticeKind.CONFIRM, NoticeKind.CONFIRM]
    locales = session.scalars(select(Consent.locale).order_by(Consent.id)).all()
    assert locales == ["nl", "nl", "fr", "nl"]


# --- the link to one's preferences ----------------------------------------------------------------


def ask_for_link(session: Session, settings: Settings, now: datetime) -> None:
    easy = replace(settings, work_bits=0)
    asked = LinkForm(
        email="Jan@example.be",
        locale="fr",
        made=made(now),
        form_url="https://nieuws.test/fr/my-link",
        ip=IP,
        user_agent=AGENT,
    )
    assert signup.request(session, easy, asked, now).answer is Answer.TAKEN
    settling.settle_requests(session, settings, now)


def test_a_reader_gets_their_link_once_a_day(
    session: Session, settings: Settings, now: datetime
) -> None:
    reader(session, settings, now)
    for hours in (1, 2, 24, 25):
        ask_for_link(session, settings, now + timedelta(hours=hours))
    letters = session.scalars(select(Notice).where(Notice.kind == NoticeKind.PREFERENCES)).all()
    assert [letter.created_at - now for letter in letters] == [
        timedelta(hours=1),
        timedelta(hours=25),
    ]
    assert letters[0].locale == "nl"


@pytest.mark.parametrize("state", ["new", "pending", "left", "suppressed"])
def test_sec_07_nobody_else_gets_a_link(
    session: Session, settings: Settings, now: datetime, state: str
) -> None:
    if state == "pending":
        ask(session, settings, now)
    elif state != "new":
        someone = reader(session, settings, now)
        if state == "left":
            leaving.leave(session, settings, someone, "page", now)
        else:
            privacy.suppress(session, settings, "jan@example.be", SuppressionReason.COMPLAINT, now)
    before = dump(session)
    ask_for_link(session, settings, now)
    after = dump(session)
    assert {name for name in after if after[name] != before[name]} <= {"limits", "tallies"}


# --- what is counted ------------------------------------------------------------------------------


def test_sec_19_roles_and_disposable_addresses_sign_up_and_are_counted(
    session: Session, settings: Settings, now: datetime
) -> None:
    names = ("info@stad.be", "info+fiabel@stad.be", "jan@yopmail.com", "info@yopmail.com")
    ask(session, settings, now, *[form(name) for name in (*names, "jan@stad.be")])
    assert len(kinds(session)) == 5
    counted = {
        name: tallies.count(session, name, now.date()) for name in ("asked", "role", "disposable")
    }
    assert counted == {"asked": 5, "role": 3, "disposable": 2}


def test_the_slow_lane_and_links_are_counted(
    session: Session, settings: Settings, now: datetime
) -> None:
    signup.request(session, settings, form(made=made(now)), now)
    settling.settle_requests(session, settings, now)
    ask_for_link(session, settings, now)
    names = ("asked", "slow_lane", "link")
    assert [tallies.count(session, name, now.date()) for name in names] == [1, 1, 1]


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
    assert not session.scalars(select(FormRequest)).all()


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
    leaving.leave(session, settings, someone, "page", now)
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
        request(session, settings, form(email), now)
    poison = update(FormRequest).where(FormRequest.email == "two@example.be")
    session.execute(poison.values(wording="gone-9.nl"))
    with caplog.at_level(logging.WARNING):
        assert settling.settle_requests(session, settings, now) == 3
    assert session.scalar(select(func.count()).select_from(Subscriber)) == 2
    assert not session.scalars(select(FormRequest)).all()
    assert "two@" not in caplog.text


def test_a_request_interrupted_before_its_commit_is_settled_by_the_next_round(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        request(session, settings, form(), now)
    with Session(database.engine) as crashing:
        settling.settle_requests(crashing, settings, now)
    with database.write() as session:
        assert not session.scalars(select(Subscriber)).all()
        assert settling.settle_requests(session, settings, now) == 1
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
        request(session, settings, form(f"r{number}@example.be"), now)
    assert settling.settle_requests(session, settings, now, limit=3) == 3
    emails = session.scalars(select(Subscriber.email).order_by(Subscriber.id)).all()
    assert emails == ["r0@example.be", "r1@example.be", "r2@example.be"]


def test_two_clocks_at_once_settle_each_request_once(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        for number in range(20):
            request(session, settings, form(f"r{number % 5}@example.be"), now)
    barrier = threading.Barrier(2)

    def settle() -> None:
        barrier.wait()
        with database.write() as session:
            settling.settle_requests(session, settings, now)

    threads = [threading.Thread(target=settle) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert len(session.scalars(select(Subscriber)).all()) == 5
        assert len(kinds(session)) == 5


def test_who_confirmed_and_left_gets_a_fresh_letter_the_same_day(
    session: Session, settings: Settings, now: datetime
) -> None:
    """The goodbye letter says that signing up again is always possible."""
    ask(session, settings, now)
    link = link_of(session, settings, now)
    assert confirm(session, settings, link, now + timedelta(hours=1)) is Result.CONFIRMED
    left_at = now + timedelta(hours=2)
    leaving.leave(session, settings, only(session), "page", left_at)
    ask(session, settings, now + timedelta(hours=3))
    assert kinds(session).count(NoticeKind.CONFIRM) == 2
    ask(session, settings, now + timedelta(hours=4))
    assert kinds(session).count(NoticeKind.CONFIRM) == 2, "and no second one"


def test_a_flood_is_settled_batch_by_batch_in_one_go(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SETTLED_TOGETHER", 2)
    with database.write() as session:
        for number in range(5):
            request(session, settings, form(f"jan{number}@example.be"), now)
    stopped = threading.Event()
    stopped.set()
    assert tasks.settle_signups(database, settings, stopped) == 0
    assert tasks.settle_signups(database, settings, threading.Event()) == 5
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 5


def test_a_high_limit_for_everybody_is_kept_in_several_rows(
    session: Session, settings: Settings, now: datetime
) -> None:
    high = replace(settings, signup_rate=Rate(8 * 2000, 3600), signup_ip_rate=None)
    for number in range(40):
        request(session, high, form(f"jan{number}@example.be"), now)
    rows = session.scalars(select(Limit.name).where(Limit.name.startswith("all-fast"))).all()
    assert 1 < len(rows) <= signup.SHARES


def test_sec_03_variants_of_one_mailbox_get_few_letters_together(
    session: Session, settings: Settings, now: datetime
) -> None:
    variants = [form(f"jan+{number}@gmail.com") for number in range(9)]
    dotted = [form(f"j.a.n+{number}@googlemail.com") for number in range(9)]
    ask(session, settings, now, *variants, *dotted, form("jan+1@example.be"))
    assert len(kinds(session)) == posting.VARIANTS_PER_DAY + 1
    ask(session, settings, now + DAY, *(form(f"jan+x{number}@gmail.com") for number in range(20)))
    assert len(kinds(session)) == 2 * posting.VARIANTS_PER_DAY + 1


def test_who_was_erased_and_comes_back_the_same_day_waits_for_the_limit_of_the_day_only(
    session: Session, settings: Settings, now: datetime
) -> None:
    privacy.erase(session, settings, reader(session, settings, now), now)
    ask(session, settings, now + DAY / 8)
    assert kinds(session)[-1:] != [NoticeKind.CONFIRM]
    ask(session, settings, now + DAY + DAY / 8)
    assert kinds(session)[-1:] == [NoticeKind.CONFIRM]
