"""Slots: each due moment once, also on the two DST days, after sleep, and with two clocks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter.db import Database, connect
from newsletter.issues import slots
from newsletter.models import Notice, NoticeKind, Slot
from newsletter.settings import Settings


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("rule", "now", "slot"),
    [
        ("0 9 * * tue#1", utc(2026, 11, 23, 9), utc(2026, 11, 3, 8)),
        ("0 9 * * tue#1", utc(2026, 11, 3, 8, 0), utc(2026, 11, 3, 8)),
        ("0 9 * * tue#1", utc(2026, 11, 3, 7, 59, 58), utc(2026, 10, 6, 7)),
        ("0 9 * * mon", utc(2026, 11, 23, 12), utc(2026, 11, 23, 8)),
        ("30 2 * * sun", utc(2026, 10, 25, 6), utc(2026, 10, 25, 0, 30)),
        ("30 2 * * sun", utc(2026, 3, 29, 6), utc(2026, 3, 29, 1, 0)),
    ],
)
def test_the_latest_due_moment(
    settings: Settings, rule: str, now: datetime, slot: datetime
) -> None:
    settings = replace(settings, cadences={"monthly": rule})
    assert slots.latest(settings, "monthly", now) == slot


@pytest.mark.parametrize("day", [utc(2026, 10, 25), utc(2026, 3, 29)])
def test_half_past_two_runs_once_on_dst_days(
    session: Session, settings: Settings, day: datetime
) -> None:
    settings = replace(settings, cadences={"monthly": "30 2 * * *"})
    start = day - timedelta(hours=12)
    slots.due(session, settings, "monthly", start)
    runs = 0
    for minutes in range(0, 24 * 60, 5):
        now = start + timedelta(minutes=minutes)
        if slot := slots.due(session, settings, "monthly", now):
            slots.take(session, "monthly", slot, now)
            runs += 1
    assert runs == 1


def test_a_fresh_server_runs_no_old_slot(
    session: Session, settings: Settings, now: datetime
) -> None:
    assert slots.due(session, settings, "monthly", now) is None
    assert slots.due(session, settings, "monthly", now) is None
    assert session.query(Slot).one().outcome == "before the first start"
    assert slots.due(session, settings, "monthly", now + timedelta(days=20)) == utc(2026, 12, 1, 8)


def test_asleep_over_several_slots_runs_the_last_only(
    session: Session, settings: Settings, now: datetime
) -> None:
    slots.due(session, settings, "weekly", now)
    later = now + timedelta(days=40)
    slot = slots.due(session, settings, "weekly", later)
    assert slot is not None
    slots.take(session, "weekly", slot, later)
    assert slots.due(session, settings, "weekly", later) is None


def test_to_ask_which_slots_have_come_writes_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    """Who only asks, before a copy is adopted, tells no editor of what the clock slept through."""
    settings = replace(settings, cadences={"monthly": "0 9 * * *", "weekly": "0 9 * * mon"})
    slots.due(session, settings, "monthly", now)
    before = session.query(Slot).count()
    assert slots.come(session, settings, now + timedelta(days=5)) == ["monthly"]
    assert (session.query(Slot).count(), session.query(Notice).count()) == (before, 0)


def test_a_clock_set_back_runs_nothing_again(
    session: Session, settings: Settings, now: datetime
) -> None:
    slots.due(session, settings, "weekly", now)
    slot = slots.due(session, settings, "weekly", now + timedelta(days=7))
    assert slot is not None
    slots.take(session, "weekly", slot, now)
    assert slots.due(session, settings, "weekly", now - timedelta(days=30)) is None


def takers(settings: Settings, slot: datetime, now: datetime) -> int:
    """How many of four clocks get the slot that they all reach for."""

    def take(_: int) -> bool:
        one = connect(settings.database_url)
        try:
            with one.write() as session:
                slots.take(session, "monthly", slot, now)
            return True
        except IntegrityError:
            return False
        finally:
            one.engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(take, range(4)))


def test_two_clocks_get_one_slot(database: Database, settings: Settings, now: datetime) -> None:
    assert takers(settings, utc(2026, 12, 1, 8), now) == 1


def test_a_clock_a_year_ahead_silences_no_cadence(
    session: Session, settings: Settings, now: datetime
) -> None:
    slots.due(session, settings, "weekly", now)
    year = now + timedelta(days=365)
    slot = slots.due(session, settings, "weekly", year)
    assert slot is not None
    slots.take(session, "weekly", slot, year)
    assert slots.due(session, settings, "weekly", now + timedelta(days=8)) is not None


def test_slots_that_never_ran_are_noted_and_found(
    session: Session, settings: Settings, now: datetime
) -> None:
    """Nothing ran for 20 days: the last slot runs now, and the two before it are told."""
    slots.due(session, settings, "weekly", now)
    later = now + timedelta(days=20)
    slot = slots.due(session, settings, "weekly", later)
    assert slot == utc(2026, 12, 10, 8)
    slots.take(session, "weekly", slot, later)
    assert slots.due(session, settings, "weekly", later) is None
    missed = slots.never_ran(session, settings, later)
    assert [one.slot for one in missed] == [utc(2026, 11, 26, 8), utc(2026, 12, 3, 8)]
    assert {one.outcome for one in missed} == {slots.NEVER_RAN}


def test_a_slot_that_is_overdue_is_found_too(
    session: Session, settings: Settings, now: datetime
) -> None:
    """No clock runs, or the shelf has errors: nothing has been written down about it."""
    slots.due(session, settings, "weekly", now)
    slot = utc(2026, 11, 26, 8)
    assert slots.never_ran(session, settings, slot + timedelta(minutes=14)) == []
    (missed,) = slots.never_ran(session, settings, slot + timedelta(minutes=16))
    assert (missed.slot, missed.outcome) == (slot, slots.OVERDUE)


def test_a_fresh_server_has_missed_nothing(
    session: Session, settings: Settings, now: datetime
) -> None:
    assert slots.never_ran(session, settings, now) == []


# --- telling the editors --------------------------------------------------------------------------

EDITORS = ("redactie@voorbeeld.example", "chef@voorbeeld.example")


def told(session: Session) -> list[tuple[str, list[str], bool]]:
    """Cadence, slots and whether they are gone, of each letter to the first editor."""
    session.flush()
    letters = session.query(Notice).filter_by(kind=NoticeKind.TROUBLE, email=EDITORS[0])
    facts = [letter.facts for letter in letters.order_by(Notice.id)]
    return [(one["cadence"], one["slots"], one["gone"]) for one in facts]


def test_editors_hear_once_of_a_slot_that_has_not_run(
    session: Session, settings: Settings, now: datetime
) -> None:
    settings = replace(settings, editors=EDITORS, cadences={"weekly": "0 9 * * thu"})
    slots.due(session, settings, "weekly", now)
    slot = utc(2026, 11, 26, 8)
    early, later = slot + timedelta(minutes=14), slot + timedelta(minutes=16)
    assert slots.overdue(session, settings, early) == {}
    assert slots.overdue(session, settings, later) == {"weekly": [slot]}
    for _again in range(2):
        slots.tell_overdue(session, settings, later)
    assert told(session) == [("weekly", [slot.isoformat()], False)]
    assert session.query(Notice).count() == len(EDITORS)
    assert slots.overdue(session, settings, later) == {}
    assert [one.slot for one in slots.never_ran(session, settings, later)] == [slot]


def test_a_slot_that_editors_heard_of_still_runs_once(
    session: Session, settings: Settings, now: datetime
) -> None:
    settings = replace(settings, editors=EDITORS, cadences={"weekly": "0 9 * * thu"})
    slots.due(session, settings, "weekly", now)
    slot = utc(2026, 11, 26, 8)
    later = slot + timedelta(hours=1)
    slots.tell_overdue(session, settings, later)
    assert slots.due(session, settings, "weekly", later) == slot
    record = slots.take(session, "weekly", slot, later)
    assert record.outcome == slots.NOTHING_NEW
    assert slots.due(session, settings, "weekly", later) is None
    assert slots.never_ran(session, settings, later) == []


def test_slots_slept_through_are_told_in_one_letter_and_not_again(
    session: Session, settings: Settings, now: datetime
) -> None:
    """The first of three was told of before the sleep; the third runs now."""
    settings = replace(settings, editors=EDITORS, cadences={"weekly": "0 9 * * thu"})
    slots.due(session, settings, "weekly", now)
    slots.tell_overdue(session, settings, utc(2026, 11, 26, 9))
    later = utc(2026, 12, 17, 9)
    assert slots.due(session, settings, "weekly", later) == utc(2026, 12, 17, 8)
    slots.take(session, "weekly", utc(2026, 12, 17, 8), later)
    slots.tell_overdue(session, settings, later)
    slept = [utc(2026, 12, 3, 8).isoformat(), utc(2026, 12, 10, 8).isoformat()]
    assert told(session) == [
        ("weekly", [utc(2026, 11, 26, 8).isoformat()], False),
        ("weekly", slept, True),
    ]


def test_two_clocks_take_a_slot_that_editors_heard_of_once(
    database: Database, settings: Settings, now: datetime
) -> None:
    slot = utc(2026, 12, 1, 8)
    with database.write() as session:
        session.add(Slot(cadence="monthly", slot=slot, ran_at=now, outcome=slots.OVERDUE))
    assert takers(settings, slot, now) == 1
