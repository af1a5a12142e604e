"""The door of every public form: one row of one shape, and who has to wait."""

import logging
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.errors import FixRequest
from newsletter.models import FormRequest, Notice, NoticeKind, RequestKind, SuppressionReason
from newsletter.notices import writing
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from newsletter.subscribers import leaving, signup, tallies, work
from newsletter.subscribers.signup import Answer, Answered, LinkForm
from newsletter.tokens import Purpose, Tokens
from tests.subscribers.people import AGENT, IP, ask, dump, form, made, reader

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
EASY = 4  # bits


def link_form(**values: Any) -> LinkForm:
    sent = {"email": "jan@example.be", "locale": "nl", "form_url": "https://nieuws.test/nl/my-link"}
    sent |= {"ip": IP, "user_agent": AGENT}
    return LinkForm(**(sent | values))


def send(
    session: Session, settings: Settings, now: datetime, email: str = "jan@example.be", **how: Any
) -> Answered:
    """The form, sent by a browser that did its work; `how` changes what it sent."""
    token = how.pop("made", made(now))
    done = work.solve(token, email, settings.work_bits) if settings.work_bits else ""
    sent = form(email, **({"made": token, "work": done} | how))
    return signup.request(session, settings, sent, now)


def rows(session: Session) -> list[FormRequest]:
    return list(session.scalars(select(FormRequest).order_by(FormRequest.id)))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, work_bits=EASY)


# --- one row of one shape -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", ["new", "pending", "active", "left", "bounced", "complaint", "never", "erased"]
)
def test_sec_07_the_form_writes_one_row_of_one_shape_whoever_asks(
    session: Session, settings: Settings, now: datetime, state: str
) -> None:
    if state == "pending":
        ask(session, settings, now)
    elif state in ("active", "left"):
        someone = reader(session, settings, now)
        if state == "left":
            leaving.leave(session, settings, someone, "page", now)
    elif state != "new":
        reason = SuppressionReason(state)
        suppression.add(session, Tokens(settings.secret_key), "jan@example.be", reason, now)
    send(session, settings, now, ip="198.51.100.1")  # makes the rows of the limits
    session.execute(delete(FormRequest))
    before = dump(session)
    facts = {"template": "t"}
    assert send(session, settings, now, facts=facts) == Answered(Answer.TAKEN)
    after = dump(session)
    added = {name: rows for name, rows in after.items() if rows != before[name]}
    assert set(added) == {"requests", "limits"}
    (row,) = rows(session)
    values = [getattr(row, column.key) for column in FormRequest.__table__.columns]
    assert values[1:] == [
        RequestKind.SIGNUP,
        "jan@example.be",
        "jan@example.be",
        "nl",
        "monthly",
        "",
        "signup-1.nl",
        "https://nieuws.test/nl/",
        IP,
        AGENT,
        {"template": "t", "work": "done"},
        now,
    ]


def test_sec_07_asking_for_ones_link_writes_a_row_of_the_same_shape(
    session: Session, settings: Settings, now: datetime
) -> None:
    token = made(now)
    done = work.solve(token, "jan@example.be", EASY)
    asked = link_form(made=token, work=done)
    assert signup.request(session, settings, asked, now) == Answered(Answer.TAKEN)
    (row,) = rows(session)
    assert (row.kind, row.email, row.facts) == (
        RequestKind.LINK,
        "jan@example.be",
        {"work": "done"},
    )


def test_the_form_refuses_what_is_no_address_and_writes_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    before = dump(session)
    for wrong in ("", "jan", "jan@", "j\x00n@example.be", "jän@example.be", "a@b.be\nBcc: c@d.be"):
        with pytest.raises(FixRequest):
            send(session, settings, now, wrong)
    assert dump(session) == before


@pytest.mark.parametrize("wrong", [{"locale": "es"}, {"topics": ("a|b",)}])
def test_the_form_refuses_choices_that_do_not_exist(
    session: Session, settings: Settings, now: datetime, wrong: dict[str, Any]
) -> None:
    with pytest.raises(FixRequest):
        send(session, settings, now, **wrong)


@pytest.mark.parametrize("wording", ["../consent.py", "signup-0.nl", ""])
def test_who_saw_another_sentence_is_shown_the_one_in_force(
    session: Session, settings: Settings, now: datetime, wording: str
) -> None:
    assert send(session, settings, now, wording=wording).answer is Answer.OUTDATED
    assert not rows(session)


def test_sec_13_what_a_browser_sends_is_stored_harmless_and_short(
    session: Session, settings: Settings, now: datetime
) -> None:
    agent = "x\x00\r\n\ud800" + "y" * 1000
    send(session, settings, now, user_agent=agent, form_url="https://n.test/nl/?e=j@x.be")
    (row,) = rows(session)
    assert row.user_agent == "x    " + "y" * 295
    assert row.form_url == "https://n.test/nl/"


# --- machines -------------------------------------------------------------------------------------


def test_sec_04_a_filled_trap_is_counted_and_not_kept(
    session: Session, settings: Settings, now: datetime
) -> None:
    assert send(session, settings, now, trap="http://spam").answer is Answer.TRAPPED
    trapped = link_form(made=made(now), trap="x")
    assert signup.request(session, settings, trapped, now).answer is Answer.TRAPPED
    assert tallies.count(session, "trapped", now.date()) == 2
    assert not rows(session)


def test_sec_04_only_a_form_of_ours_of_a_day_is_taken(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    for wrong in (
        "",
        "A" * 36,
        Tokens("another key").issue(Purpose.FORM, 0, now),
        tokens.issue(Purpose.CONFIRM, 0, now),
        tokens.issue(Purpose.FORM, 0, now - DAY - SECOND),
    ):
        assert send(session, settings, now, made=wrong).answer is Answer.OUTDATED
    assert not rows(session)
    old = tokens.issue(Purpose.FORM, 0, now - DAY)
    assert send(session, settings, now, made=old).answer is Answer.TAKEN


@pytest.mark.parametrize(
    ("how", "lane"),
    [
        ({}, "done"),
        ({"work": ""}, "slow lane"),
        ({"work": "-1"}, "slow lane"),
        ({"work": "9" * 17}, "slow lane"),
        ({"haste": True}, "slow lane"),
    ],
)
def test_sec_04_without_work_or_in_haste_it_goes_the_slow_way(
    session: Session, settings: Settings, now: datetime, how: dict[str, Any], lane: str
) -> None:
    token = Tokens(settings.secret_key).issue(Purpose.FORM, 0, now)
    sent = {"made": token} if "haste" in how else how
    assert send(session, settings, now, **sent).answer is Answer.TAKEN
    assert rows(session)[0].facts["work"] == lane


def test_sec_04_the_work_of_one_address_does_not_serve_another(
    session: Session, settings: Settings, now: datetime
) -> None:
    hard = replace(settings, work_bits=16)
    token = made(now)
    done = work.solve(token, "jan@example.be", 16)
    for email in ("jan@example.be", "an@example.be"):
        signup.request(session, hard, form(email, made=token, work=done), now)
    assert [row.facts["work"] for row in rows(session)] == ["done", "slow lane"]


def test_without_bits_there_is_no_work(session: Session, settings: Settings, now: datetime) -> None:
    send(session, replace(settings, work_bits=0), now)
    assert rows(session)[0].facts["work"] == "done"


# --- limits ---------------------------------------------------------------------------------------


def test_sec_16_the_limit_of_an_ip_holds_for_every_address_alike(
    session: Session, settings: Settings, now: datetime
) -> None:
    strict = replace(settings, signup_ip_rate=Rate(4, 3600))
    reader(session, settings, now, "lezer@example.be")
    before = len(rows(session))
    names = ("a", "b", "lezer", "c")
    office = "198.51.100.1"
    answers = [send(session, strict, now, f"{name}@example.be", ip=office) for name in names]
    assert [one.answer for one in answers] == [Answer.TAKEN] * 2 + [Answer.LIMITED] * 2
    assert {one.retry_after for one in answers[2:]} == {1200}
    assert tallies.count(session, "limited", now.date()) == 2
    assert send(session, strict, now, ip="198.51.100.2").answer is Answer.TAKEN
    assert len(rows(session)) == before + 3
    assert send(session, strict, now + timedelta(seconds=1200), ip=office).answer is Answer.TAKEN


def test_sec_16_no_hour_holds_more_than_the_limit(
    session: Session, settings: Settings, now: datetime
) -> None:
    strict = replace(settings, signup_ip_rate=Rate(10, 3600))
    taken = []
    for minute in range(180):
        moment = now + timedelta(minutes=minute)
        if send(session, strict, moment).answer is Answer.TAKEN:
            taken.append(moment)
    for start in taken:
        assert len([one for one in taken if start <= one < start + HOUR]) <= 10
    assert len(taken) > 20


def test_sec_16_the_slow_lane_is_a_tenth_and_apart(
    session: Session, settings: Settings, now: datetime
) -> None:
    strict = replace(settings, signup_ip_rate=Rate(20, 3600))
    for _time in range(10):
        assert send(session, strict, now).answer is Answer.TAKEN
    assert send(session, strict, now).answer is Answer.LIMITED
    slow = [send(session, strict, now, work="").answer for _time in range(2)]
    assert slow == [Answer.TAKEN, Answer.LIMITED]


@pytest.mark.parametrize(
    ("ip", "same", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("fe80::1%eth0", "fe80::2", "2001:db8::1"),
        ("", "not an ip", "192.0.2.7"),
    ],
)
def test_sec_16_an_ip_is_one_of_v4_and_a_64_of_v6(
    session: Session, settings: Settings, now: datetime, ip: str, same: str, other: str
) -> None:
    strict = replace(settings, signup_ip_rate=Rate(1, 3600))
    answers = [send(session, strict, now, ip=one).answer for one in (ip, same, other)]
    assert answers == [Answer.TAKEN, Answer.LIMITED, Answer.TAKEN]


def test_sec_05_when_the_limit_for_all_is_used_up_the_editors_hear_once_a_day(
    session: Session, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    editors = ("een@vvsg.example", "twee@vvsg.example")
    strict = replace(settings, signup_rate=Rate(4, 60), editors=editors)
    with caplog.at_level(logging.WARNING):
        answers = [send(session, strict, now, ip=f"192.0.2.{number}").answer for number in range(5)]
    assert answers == [Answer.TAKEN] * 2 + [Answer.LIMITED] * 3
    alarms = select(Notice).where(Notice.kind == NoticeKind.ALARM)
    found = session.scalars(alarms).all()
    assert [notice.email for notice in found] == list(editors)
    assert found[0].facts == {
        "lane": "fast",
        "count": 4,
        "seconds": 60,
        "at": now.isoformat(),
    }
    letter = writing.write(settings, found[0], None, now)
    assert "4 aanvragen in 1 minuut" in letter.text
    assert caplog.text.count("SIGNUP_RATE") == 1
    assert "@" not in caplog.text
    for later, times in ((now + DAY - SECOND, 2), (now + DAY, 4)):
        for number in range(3):
            send(session, strict, later, ip=f"192.0.2.{number}")
        assert len(session.scalars(alarms).all()) == times


def test_sec_16_limits_hold_across_processes(
    database: Database, settings: Settings, now: datetime
) -> None:
    strict = replace(settings, signup_ip_rate=Rate(6, 3600), signup_rate=Rate(7, 3600))
    answers = []
    for number in range(6):  # a process each: nothing is remembered but the rows
        with Session(database.engine) as process:
            answers.append(send(process, strict, now, f"r{number}@example.be").answer)
            process.commit()
    assert answers.count(Answer.TAKEN) == 3


def test_prv_12_no_limit_names_an_address_or_an_ip(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    for row in dump(session)["limits"]:
        assert "jan" not in row
        assert "example" not in row
        assert IP not in row


def test_what_is_limited_is_no_work_for_the_database(
    session: Session, settings: Settings, now: datetime
) -> None:
    strict = replace(settings, signup_ip_rate=Rate(1, 3600))
    for _time in range(50):
        send(session, strict, now)
    assert session.scalar(select(func.count()).select_from(FormRequest)) == 1


def test_sec_16_those_who_come_together_are_counted_together(
    session: Session, settings: Settings, now: datetime
) -> None:
    easy = replace(settings, work_bits=0, signup_ip_rate=Rate(2, 60), signup_rate=Rate(6, 60))
    fresh = made(now)
    forms: list[LinkForm] = [
        form("a@example.be", made=fresh, ip="192.0.2.9"),
        form("geen adres", made=fresh, ip="192.0.2.9"),
        link_form(made=fresh, ip="192.0.2.9"),  # its IP is used up
        form("b@example.be", made=fresh, ip="192.0.2.1"),
        form("c@example.be", made="", ip="192.0.2.2"),
        form("d@example.be", made=fresh, ip="192.0.2.3", trap="x"),
        link_form(made=fresh, ip="192.0.2.4"),
        form("e@example.be", made=fresh, ip="192.0.2.5"),  # everybody's is used up
    ]
    answers = signup.request_all(session, easy, forms, now)
    found = ["mistake" if isinstance(one, FixRequest) else one.answer for one in answers]
    assert found == [
        Answer.TAKEN,
        "mistake",
        Answer.LIMITED,
        Answer.TAKEN,
        Answer.OUTDATED,
        Answer.TRAPPED,
        Answer.TAKEN,
        Answer.LIMITED,
    ]
    kept = [(row.kind, row.email) for row in rows(session)]
    assert kept == [
        ("signup", "a@example.be"),
        ("signup", "b@example.be"),
        ("link", "jan@example.be"),
    ]
    assert tallies.count(session, "limited", now.date()) == 2
    assert tallies.count(session, "trapped", now.date()) == 1


def test_two_processes_never_wait_for_each_other(
    database: Database, settings: Settings, now: datetime
) -> None:
    """The same IPs in another order, with the limit of everybody in between."""
    easy = replace(settings, work_bits=0)
    fresh, ips = made(now), [f"192.0.2.{number}" for number in range(20)]
    start, taken = threading.Barrier(2), []

    def process(order: list[str]) -> None:
        start.wait()
        for turn in range(5):
            forms = [form(f"r{turn}@{ip}.example", made=fresh, ip=ip) for ip in order]
            with Session(database.engine) as session:
                taken.extend(signup.request_all(session, easy, forms, now))
                session.commit()

    threads = [threading.Thread(target=process, args=(order,)) for order in (ips, ips[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [Answered(Answer.TAKEN)] * 200
