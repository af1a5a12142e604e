"""Approval is of every byte that readers get, and of nobody in particular who gets it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.editors import people
from newsletter.errors import FixRequest
from newsletter.issues import approving, blocks, holding, intros, publishing
from newsletter.issues.compiler import withdraw_drafts
from newsletter.models import (
    Approval,
    Edition,
    Intro,
    Issue,
    IssueState,
    Notice,
    Piece,
    Role,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled

SEEN = [
    *("slug", "locale", "language", "topics", "date", "deadline", "title", "summary"),
    *("facts", "html", "text", "position", "hash"),
]


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """What is changed within is as it was afterwards."""
    savepoint = session.begin_nested()
    yield
    session.flush()
    savepoint.rollback()
    session.expire_all()


def changed(value: Any, at: int, sign: str) -> Any:
    """The same value, but for one sign, day or place."""
    if isinstance(value, str):
        at %= len(value) + 1
        return value[:at] + sign + value[at:]
    if isinstance(value, dict):
        return value | {"municipality": f"{value.get('municipality', '')}{sign}"}
    if isinstance(value, date):
        return value + timedelta(days=1 + at % 300)
    return 9 if value is None else value + 100 + at


def approver(session: Session, name: str, now: datetime) -> int:
    email = f"{name}@voorbeeld.example"
    return people.create(session, email, name, Role.PUBLISHER, "nl", now).id


@pytest.fixture
def issue(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> Issue:
    """An issue of three items in four languages, with an intro, for one reader."""
    for slug in ("bron", "school", "bad"):
        shelf.put(slug)
    shelf.put("bron", "fr")
    add_reader(session, "lezer")
    made = compiled(session, settings, shelf, now)
    intros.write(session, made.number, "nl", "Een woord vooraf van de redactie.")
    session.flush()
    return made


@pytest.mark.sqlite("a fingerprint is of values, wherever they are kept")
@tries(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_one_changed_byte_of_a_piece_voids_it(
    session: Session, settings: Settings, issue: Issue, now: datetime, data: st.DataObject
) -> None:
    publishing.approve(session, settings, issue.number, now)
    assert approving.count(session, settings, issue) == 1
    with undone(session):
        pieces = session.query(Piece).filter_by(issue_number=issue.number).order_by(Piece.id).all()
        piece = data.draw(st.sampled_from(range(len(pieces))))
        column = data.draw(st.sampled_from(SEEN))
        at, sign = data.draw(st.integers(0, 999)), data.draw(st.sampled_from("aZé .\u200b\n"))
        value = getattr(pieces[piece], column)
        if column == "deadline" and value is None:
            value = date(2027, 1, 1)
        setattr(pieces[piece], column, changed(value, at, sign))
        session.flush()
        assert approving.count(session, settings, issue) == 0, column
        (one,) = approving.given(session, settings, issue)
        assert one.changed
    assert approving.count(session, settings, issue) == 1, "as it was"


@pytest.mark.parametrize("column", ["markdown", "html", "text", "hash", "locale"])
def test_one_changed_byte_of_an_intro_voids_it(
    session: Session, settings: Settings, issue: Issue, now: datetime, column: str
) -> None:
    publishing.approve(session, settings, issue.number, now)
    intro = session.query(Intro).one()
    setattr(intro, column, "de" if column == "locale" else getattr(intro, column) + ".")
    session.flush()
    assert approving.count(session, settings, issue) == 0


def swap(session: Session, _settings: Settings, issue: Issue, _now: datetime) -> None:
    for piece in session.query(Piece).filter_by(issue_number=issue.number):
        piece.position = 2 - piece.position


def take_out(session: Session, _settings: Settings, issue: Issue, _now: datetime) -> None:
    session.query(Piece).filter_by(issue_number=issue.number, position=2).delete()


def put_off(session: Session, settings: Settings, issue: Issue, now: datetime) -> None:
    publishing.schedule(session, settings, issue.number, now + timedelta(hours=1), now)


def write_intro(session: Session, _settings: Settings, issue: Issue, _now: datetime) -> None:
    intros.write(session, issue.number, "fr", "Un mot de la rédaction.")


def for_all(_session: Session, _settings: Settings, issue: Issue, _now: datetime) -> None:
    issue.cadence = None


@pytest.mark.parametrize("change", [swap, take_out, put_off, write_intro, for_all])
def test_another_order_time_intro_or_audience_voids_it(
    session: Session,
    settings: Settings,
    issue: Issue,
    now: datetime,
    change: Callable[[Session, Settings, Issue, datetime], None],
) -> None:
    publishing.approve(session, settings, issue.number, now)
    change(session, settings, issue, now)
    session.flush()
    assert approving.count(session, settings, issue) == 0
    assert session.query(Approval).count() == 1, "it stays as history"


def test_a_withdrawn_item_voids_it(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("een")
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    weekly = compiled(session, settings, shelf, now, "weekly")
    publishing.send(session, settings, weekly.number, now)
    shelf.put("twee")
    monthly = compiled(session, settings, shelf, now)
    publishing.approve(session, settings, monthly.number, now)
    shelf.put("een", status="draft")
    withdraw_drafts(session, shelf.library, now)
    assert approving.count(session, settings, monthly) == 0


@pytest.mark.parametrize("name", ["issue.html", "issue.txt", "issue.css"])
def test_one_changed_byte_of_a_template_voids_it(
    session: Session,
    settings: Settings,
    issue: Issue,
    now: datetime,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = tmp_path / "templates"
    shutil.copytree(blocks.TEMPLATES / "mail", copy / "mail")
    monkeypatch.setattr(approving, "TEMPLATES", copy)
    publishing.approve(session, settings, issue.number, now)
    assert approving.count(session, settings, issue) == 1
    (copy / "mail" / name).write_text((copy / "mail" / name).read_text("utf-8") + " ", "utf-8")
    assert approving.count(session, settings, issue) == 0


def test_what_the_settings_print_and_the_window_belong_to_it(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    publishing.approve(session, settings, issue.number, now)
    for change in ({"org_address": "Elders 1"}, {"base_url": "https://x.test"}, {"hold_hours": 9}):
        assert approving.count(session, replace(settings, **change), issue) == 0
    assert approving.count(session, replace(settings, delivery_connections=7), issue) == 1


def test_who_joins_or_leaves_and_later_editions_undo_nothing(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    add_reader: AddReader,
    issue: Issue,
    now: datetime,
) -> None:
    settings = replace(settings, approvals=1)
    publishing.approve(session, settings, issue.number, now)
    before = approving.fingerprint(session, settings, issue)
    leaver = add_reader(session, "weg", locale="fr")
    add_reader(session, "water", ("water",), locale="de")
    session.get_one(Subscriber, leaver.id).state = SubscriberState.LEFT
    session.flush()
    assert approving.fingerprint(session, settings, issue) == before
    assert publishing.send(session, settings, issue.number, now) == 2
    add_reader(session, "laat", ("water",), locale="en")
    publishing.finish(session, settings, now)
    accept_all(session, settings, now)
    assert session.query(Edition).count() == 2
    assert approving.fingerprint(session, settings, issue) == before


# --- how many it takes ----------------------------------------------------------------------------


def test_four_eyes_are_two_people(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    settings = replace(settings, approvals=2)
    a, b = approver(session, "an", now), approver(session, "bo", now)
    number = issue.number
    assert publishing.approve(session, settings, number, now, a) == 1
    assert publishing.approve(session, settings, number, now, a) == 1, "the same person again"
    assert issue.state is IssueState.COMPILED
    with pytest.raises(FixRequest, match="1 more approval"):
        publishing.send(session, settings, number, now)
    assert publishing.advance(session, settings, now + timedelta(days=1)) == []
    assert publishing.approve(session, settings, number, now, b) == 0
    assert publishing.send(session, settings, number, now) == 1
    assert session.query(Approval).count() == 2


def test_the_command_line_counts_as_one(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    settings = replace(settings, approvals=2)
    assert publishing.approve(session, settings, issue.number, now) == 1
    assert publishing.approve(session, settings, issue.number, now) == 1
    editor = approver(session, "an", now)
    assert publishing.approve(session, settings, issue.number, now, editor) == 0


def test_who_was_let_go_counts_no_more(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    settings = replace(settings, approvals=1)
    editor = approver(session, "an", now)
    publishing.approve(session, settings, issue.number, now, editor)
    people.get(session, editor).active = False
    session.flush()
    (one,) = approving.given(session, settings, issue)
    assert not one.counts
    assert not one.changed
    with pytest.raises(FixRequest, match="approval"):
        publishing.send(session, settings, issue.number, now)


def test_what_was_looked_at_is_what_is_approved(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    seen = approving.fingerprint(session, settings, issue)
    intros.write(session, issue.number, "fr", "Un mot de la rédaction.")
    with pytest.raises(FixRequest, match="changed meanwhile"):
        publishing.approve(session, settings, issue.number, now, None, seen)
    assert session.query(Approval).count() == 0


@pytest.mark.parametrize("approvals", [0, 1])
def test_a_voided_approval_holds_it_at_the_very_moment_of_planning(
    session: Session, settings: Settings, issue: Issue, now: datetime, approvals: int
) -> None:
    """Compiled by hand it went at once; the editors are told why it does not."""
    settings = replace(settings, approvals=approvals, editors=("redactie@voorbeeld.example",))
    publishing.approve(session, settings, issue.number, now)
    intros.write(session, issue.number, "nl", "Een ander woord vooraf.")
    assert publishing.advance(session, settings, now) == []
    assert issue.state is IssueState.HELD
    assert (issue.why or "").startswith("approval: ")
    assert [notice.facts for notice in session.query(Notice)] == [
        {"issue": issue.number, "what": "approval"}
    ]
    assert publishing.advance(session, settings, now + timedelta(days=3)) == [], "nor later"
    publishing.approve(session, settings, issue.number, now)
    assert publishing.advance(session, settings, now) == [issue.number]


def test_a_window_does_not_end_in_a_send_without_its_approval(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> None:
    settings = replace(settings, approvals=1)
    issue.slot = now
    holding.hold(session, settings, issue, now)
    after = now + timedelta(hours=settings.hold_hours)
    assert publishing.advance(session, settings, after) == []
    assert issue.state is IssueState.HELD
    publishing.approve(session, settings, issue.number, after)
    assert publishing.advance(session, settings, after) == [issue.number]


def test_two_who_approve_at_once_are_two(
    database: Database, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, approvals=2)
    shelf.put("bron")
    with database.write() as session:
        add_reader(session, "lezer")
        number = compiled(session, settings, shelf, now).number
        ids = [approver(session, name, now) for name in ("an", "bo")]
    lacking: list[int] = []

    def approve(editor_id: int) -> None:
        with database.write() as session:
            lacking.append(publishing.approve(session, settings, number, now, editor_id))

    threads = [threading.Thread(target=approve, args=(id,)) for id in [*ids, *ids]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lacking)[0] == 0
    with database.write() as session:
        assert len(session.scalars(select(Approval)).all()) == 2
        assert publishing.send(session, settings, number, now) == 1
