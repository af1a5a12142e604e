"""Held for a person: an issue that is late or has faults, and the letter that says so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.errors import FixContent
from newsletter.i18n import LOCALES
from newsletter.issues import holding, publishing, trouble
from newsletter.jobs import tasks
from newsletter.jobs.timetable import Clock
from newsletter.models import IssueState, Notice, NoticeKind, NoticeState
from newsletter.notices import writing
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, held

EDITORS = ("redactie@voorbeeld.example", "chef@voorbeeld.example")
SHOUTED = "HET IS NU OF NOOIT VOOR ALLE GEMEENTEN"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, editors=EDITORS)


def letters(session: Session, settings: Settings, now: datetime) -> list[tuple[str | None, str]]:
    """Whom the letters about trouble go to, and what they say."""
    session.flush()
    found = session.query(Notice).filter_by(kind=NoticeKind.TROUBLE).order_by(Notice.id)
    told = [(one.email, writing.write(settings, one, None, now).text) for one in found]
    return [(to, " ".join(text.split())) for to, text in told]


def latest(settings: Settings, now: datetime) -> datetime:
    """The first minute at which an issue with the slot `now` is too late."""
    return now + timedelta(hours=settings.hold_hours + settings.late_hours, minutes=1)


def prove(session: Session, at: datetime) -> None:
    """The relay accepts the proofs."""
    session.query(Notice).filter_by(kind=NoticeKind.PROOF).update(
        {"state": NoticeState.SENT, "settled_at": at}
    )


def test_editors_are_told_at_once_and_once_that_an_issue_is_held_for_lateness(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    prove(session, now)
    late = latest(settings, now)
    for later in (late, late + timedelta(minutes=1), late + timedelta(days=2)):
        assert publishing.advance(session, settings, later) == []
    assert issue.state is IssueState.HELD
    told = letters(session, settings, late)
    assert [to for to, _text in told] == list(EDITORS)
    for _to, text in told:
        assert "Nummer 1 is te laat en wacht op jou" in text
        assert "23 november 2026" in text
        assert "newsletter issues send 1" in text
        assert "newsletter issues stop 1" in text
        assert "geweigerd" not in text, "nobody refused anything"
    assert publishing.send(session, settings, issue.number, late) == 1
    assert publishing.advance(session, settings, late) == []
    assert len(letters(session, settings, late)) == 2


def test_editors_are_told_once_that_a_planned_issue_is_paused_for_lateness(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """The relay was away from the moment it was planned."""
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    prove(session, now)
    assert publishing.advance(session, settings, now + timedelta(hours=2)) == [issue.number]
    late = latest(settings, now)
    assert holding.hold_late(session, settings, late) == [issue.number]
    assert holding.hold_late(session, settings, late) == []
    told = letters(session, settings, late)
    assert [to for to, _text in told] == list(EDITORS)
    assert "newsletter issues resume 1" in told[0][1]
    publishing.resume(session, settings, issue.number, late)
    assert accept_all(session, settings, late) == {"lezer": ["bron"]}
    assert len(letters(session, settings, late)) == 2


def test_nobody_is_told_of_an_issue_that_is_on_time_or_scheduled_by_a_person(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    at = now + timedelta(days=9)
    publishing.schedule(session, settings, issue.number, at, now)
    assert publishing.advance(session, settings, at) == [issue.number]
    assert letters(session, settings, at) == []


def test_editors_are_told_what_preflight_found_and_what_to_do(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron", title=SHOUTED)
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    assert (issue.why or "").startswith("preflight: ")
    assert session.query(Notice).filter_by(kind=NoticeKind.PROOF).count() == 0
    for later in (now + timedelta(hours=2), now + timedelta(days=2)):
        assert publishing.advance(session, settings, later) == []
    told = letters(session, settings, now)
    assert [to for to, _text in told] == list(EDITORS)
    assert "Nummer 1 heeft fouten en vertrekt niet" in told[0][1]
    assert "nl, fr, en, de: SUBJECT-CALM, onderwerp: Het roept" in told[0][1], "once for all"
    assert "SUBJECT-CALM, subject: It shouts" in (issue.why or ""), "as commands print it"
    assert "newsletter issues compile --cadence monthly" in told[0][1]


def test_a_long_list_of_faults_is_cut_in_the_letter(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    issue = held(session, settings, shelf, now)
    faults = FixContent(*(f"RULE-{n}, subject: mend {n}." for n in range(50)))
    trouble.tell_of_faults(session, settings, issue, faults, now, planned=True)
    text = letters(session, settings, now)[0][1]
    assert "RULE-19, " in text
    assert "RULE-20, " not in text
    assert "En nog 30." in text
    assert "newsletter issues resume 1" in text


def test_without_editors_nobody_is_told(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, editors=())
    shelf.put("bron")
    add_reader(session, "lezer")
    held(session, settings, shelf, now)
    publishing.advance(session, settings, latest(settings, now))
    assert letters(session, settings, now) == []


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("locale", LOCALES)
def test_the_letter_about_slots_names_each_of_them(
    session: Session, settings: Settings, now: datetime, locale: str, gone: bool
) -> None:
    slots = [now - timedelta(days=days) for days in (14, 7)]
    trouble.tell_of_slots(session, settings, "weekly", slots, now, gone=gone)
    session.flush()
    (first, _second) = session.query(Notice).order_by(Notice.id)
    first.locale = locale
    text = " ".join(writing.write(settings, first, None, now).text.lower().split())
    assert "weekly" in text
    for day in ("9", "16"):
        assert f"{day} nov" in text or f"{day}. nov" in text
    assert "newsletter items check" in text


def test_the_clock_tells_of_a_slot_that_errors_on_the_shelf_hold_up(
    database: Database,
    settings: Settings,
    shelf: Shelf,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = replace(settings, cadences={"weekly": "0 9 * * thu"}, default_cadence="weekly")
    clock = _Clock(database, settings, shelf, monkeypatch)
    clock.at(now)
    shelf.put("bron", date="gisteren")
    slot = datetime.fromisoformat("2026-11-26T08:00:00+00:00")
    for minutes in (1, 16, 17):
        with pytest.raises(FixContent):
            clock.at(slot + timedelta(minutes=minutes))
    with database.read() as session:
        assert len(letters(session, settings, now)) == len(EDITORS)
    shelf.put("bron")
    clock.at(slot + timedelta(minutes=30))
    with database.read() as session:
        assert publishing.get(session, 1).slot == slot


class _Clock:
    """What the clock does for cadences, at a time of the test's own."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        shelf: Shelf,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.clock, self.monkeypatch = Clock(settings, database), monkeypatch
        self.run: Callable[[], None] = self.clock.compile_due
        self.told: Callable[[], None] = self.clock.tell_of_slots

    def at(self, now: datetime) -> None:
        self.monkeypatch.setattr(tasks, "utcnow", lambda: now)
        try:
            self.run()
        finally:
            self.told()
