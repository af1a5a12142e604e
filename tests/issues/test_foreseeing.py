"""The warm-up never breaks a deadline silently: people are told before it does, once."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from newsletter.delivery import warming
from newsletter.issues import foreseeing, publishing
from newsletter.models import Notice, NoticeKind
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_holding import letters
from tests.issues.test_publishing import compiled, held

DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    """A Monday."""
    return datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """One message on each of the first days."""
    monkeypatch.setattr(warming, "START", 1)
    return replace(settings, warmup_days=7, editors=("redactie@voorbeeld.example",))


@pytest.fixture
def three(session: Session, add_reader: AddReader) -> None:
    for name in ("an", "bo", "cis"):
        add_reader(session, name)


@pytest.mark.usefixtures("three")
def test_a_deadline_that_passes_meanwhile_is_told_before_it_begins_and_once(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("oproep", deadline="2026-11-24")
    shelf.put("later", deadline="2026-12-24")
    issue = held(session, settings, shelf, now)
    told = letters(session, settings, now)
    assert len(told) == 1
    assert "Nummer 1 komt bij sommige lezers te laat" in told[0][1]
    assert "pas na dinsdag 24 november 2026, de eerste datum" in told[0][1]
    assert "niemand wordt overgeslagen" in told[0][1]
    assert "newsletter issues stop 1" in told[0][1]
    assert publishing.send(session, settings, issue.number, now) == 3
    assert len(letters(session, settings, now)) == 1, "they know"
    foreseen = foreseeing.foresee(session, settings, issue, now)
    assert foreseen is not None
    assert foreseen.deadline == date(2026, 11, 24)
    assert now + 2 * DAY <= foreseen.until <= now + 3 * DAY


@pytest.mark.usefixtures("three")
def test_an_event_counts_and_so_does_late_hours(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    event = "\n  start: 2026-11-24 10:00\n  end: 2026-11-24 12:00\n  place: Gent"
    shelf.put("dag", event=event)
    issue = compiled(session, settings, shelf, now)
    foreseen = foreseeing.foresee(session, settings, issue, now)
    assert foreseen is not None
    assert (foreseen.deadline, foreseen.late) == (date(2026, 11, 24), True)
    patient = replace(settings, late_hours=24 * 14)
    at = now + 3 * DAY
    foreseen = foreseeing.foresee(session, patient, issue, now, at)
    assert foreseen is not None
    assert not foreseen.misses, "it is over before it begins: nobody expects it"
    publishing.send(session, settings, issue.number, now)
    assert "meer dan 12 uur na het begin" in letters(session, settings, now)[0][1]


@pytest.mark.usefixtures("three")
def test_nobody_is_told_when_nothing_comes_too_late(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("oproep", deadline="2026-12-24")
    issue = compiled(session, settings, shelf, now)
    patient = replace(settings, late_hours=24 * 14)
    publishing.send(session, patient, issue.number, now)
    off = replace(settings, warmup_days=0)
    assert foreseeing.foresee(session, off, issue, now) is None
    assert letters(session, settings, now) == []


@pytest.mark.usefixtures("three")
def test_what_the_relay_says_is_told_although_the_warm_up_was(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("bron")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    publishing.warn(session, settings, issue.number, "550 5.7.1 no", now)
    publishing.warn(session, settings, issue.number, "550 5.7.1 no", now)
    session.flush()
    assert session.query(Notice).filter_by(kind=NoticeKind.TROUBLE).count() == 2
