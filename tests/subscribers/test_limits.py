"""Limits as rows: exact to the microsecond, by one statement, on both databases."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import limits
from newsletter.db import Database
from newsletter.models import Limit
from newsletter.settings.parsing import Rate

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def test_half_comes_at_once_and_the_rest_by_turns(session: Session, now: datetime) -> None:
    rate = Rate(6, 60)  # three at once, then one in fifteen seconds
    waits = [limits.admit(session, "x", rate, now) for _time in range(5)]
    assert waits == [0, 0, 0, 15, 15]
    almost = now + 15 * SECOND - timedelta(microseconds=1)
    assert limits.admit(session, "x", rate, almost) == 1
    assert limits.admit(session, "x", rate, now + 15 * SECOND) == 0
    assert limits.admit(session, "y", rate, now) == 0


def test_a_fast_rate_loses_no_microsecond(session: Session, now: datetime) -> None:
    rate = Rate(100_000, 1)
    moment = now.replace(microsecond=999_990)
    for _time in range(100):
        assert limits.admit(session, "x", rate, moment) == 0
    step = SECOND / 50_001
    used = session.scalars(select(Limit.used_until)).one()
    assert abs(used - moment - 100 * step) <= timedelta(microseconds=100)


def test_a_clock_that_was_wrong_blocks_nobody_for_long(session: Session, now: datetime) -> None:
    rate = Rate(1, 60)
    limits.admit(session, "x", rate, now + 365 * DAY)
    assert limits.take(session, ["a"], 1, DAY, now + 365 * DAY) == {"a"}
    assert limits.admit(session, "x", rate, now) == 0
    assert limits.take(session, ["a"], 1, DAY, now) == {"a"}
    assert limits.admit(session, "x", rate, now) == 60


def test_what_is_given_back_was_never_counted(session: Session, now: datetime) -> None:
    rate = Rate(6, 60)
    for moment in (now, now + SECOND / 3, now + DAY):
        waits = []
        for name in ("x", "y"):
            limits.admit(session, name, rate, moment)
        for _time in range(9):
            waits.append(limits.admit(session, "x", rate, moment))
            if not waits[-1]:
                limits.give_back(session, "x", rate, moment)
        assert waits == [0] * 9, "one stays, and the other eight came and went"
    first, second = session.scalars(select(Limit.used_until).order_by(Limit.name)).all()
    assert first == second
    limits.give_back(session, "z", rate, now)
    assert [limits.admit(session, "z", rate, now) for _time in range(4)] == [0, 0, 0, 15]


def test_so_many_in_a_span_is_exact(session: Session, now: datetime) -> None:
    taken = [
        hour
        for hour in range(100)
        if limits.take(session, ["a"], 3, DAY, now + timedelta(hours=hour))
    ]
    assert taken == [0, 1, 2, 24, 25, 26, 48, 49, 50, 72, 73, 74, 96, 97, 98]


def test_many_names_are_taken_at_once(session: Session, now: datetime) -> None:
    assert limits.take(session, ["b"], 1, DAY, now) == {"b"}
    names = [f"n{number}" for number in range(300)]
    assert limits.take(session, [*names, "b"], 1, DAY, now) == set(names)
    assert limits.take(session, [], 1, DAY, now) == set()
    assert limits.take(session, ["c"], 0, DAY, now) == set()


def test_booking_puts_off_and_loses_nothing(session: Session, now: datetime) -> None:
    rate = Rate(2, 60)  # one, then one in thirty seconds
    first = limits.book(session, "x", rate, now, 3)
    assert [moment - now for moment in first] == [0 * SECOND, 30 * SECOND, 60 * SECOND]
    assert limits.book(session, "x", rate, now, 1) == [now + 90 * SECOND]
    later = now + DAY
    assert limits.book(session, "x", rate, later, 1) == [later]


def test_what_is_not_used_is_swept_away(session: Session, now: datetime) -> None:
    limits.admit(session, "x", Rate(60, 60), now)
    limits.take(session, ["a"], 2, DAY, now)
    assert limits.sweep(session, now) == 0
    assert limits.sweep(session, now + timedelta(hours=1)) == 1
    assert limits.sweep(session, now + 2 * DAY) == 1
    assert session.scalar(select(func.count()).select_from(Limit)) == 0


def test_sec_16_many_at_once_pass_no_more_than_the_limit(database: Database, now: datetime) -> None:
    rate, passed, start = Rate(11, 3600), list[int](), threading.Barrier(4)

    def process() -> None:
        start.wait()
        for _time in range(5):
            with Session(database.engine) as session:  # without the turn of one process
                passed.append(limits.admit(session, "x", rate, now))
                session.commit()

    threads = [threading.Thread(target=process) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20
    assert passed.count(0) == 6
