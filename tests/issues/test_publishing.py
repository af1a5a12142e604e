"""Compile, plan and send: each item once to each reader of its topics, whatever happens between."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Settled
from newsletter.delivery.outcomes import Outcome, Reply, Stage
from newsletter.errors import FixContent, FixRequest
from newsletter.issues import holding, publishing
from newsletter.issues.compiler import compile_issue
from newsletter.models import (
    Cursor,
    Delivery,
    Edition,
    Issue,
    IssueState,
    ItemNumber,
    Notice,
    NoticeState,
    Piece,
    Subscriber,
)
from newsletter.settings import Settings
from tests.delivery.conftest import claim
from tests.issues.conftest import AddReader, Shelf

OK = Reply(Stage.CONTENT, 250, "2.0.0 ok")


def compiled(
    session: Session,
    settings: Settings,
    shelf: Shelf,
    now: datetime,
    cadence: str | None = "monthly",
    slugs: tuple[str, ...] = (),
) -> Issue:
    issue = compile_issue(session, settings, shelf.library, now, cadence, slugs)
    assert issue is not None
    return issue


def accept_all(session: Session, settings: Settings, now: datetime) -> dict[str, list[str]]:
    """Work the ledger as the sender would; returns the slugs each reader got, by name."""
    lease = ledger.take_lease(session, settings, "test", now)
    got: dict[str, list[str]] = {}
    while batch := claim(session, settings, lease, now, 100):
        for row in batch:
            assert ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
            done = [Settled(row.id, Outcome.ACCEPTED, OK)]
            ledger.settle_and_open(session.connection(), settings, lease, done, [], now)
            got.setdefault(row.email.split("@")[0], []).extend(slugs_of(session, row.edition_id))
    ledger.release_lease(session, settings, lease, now)
    publishing.finish(session, settings, now)
    return got


def slugs_of(session: Session, edition_id: int) -> list[str]:
    ids = session.get_one(Edition, edition_id).piece_ids.rstrip("+").split(",")
    return [session.get_one(Piece, int(id)).slug for id in ids]


def test_each_reader_gets_the_items_of_their_topics(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron", topics="water")
    shelf.put("school", topics="jeugd")
    shelf.put("bad", topics="water, jeugd")
    add_reader(session, "alles")
    add_reader(session, "water", ("water",))
    add_reader(session, "jeugd", ("jeugd",), locale="fr")
    issue = compiled(session, settings, shelf, now)
    assert publishing.send(session, settings, issue.number, now) == 3
    got = accept_all(session, settings, now)
    assert {name: sorted(slugs) for name, slugs in got.items()} == {
        "alles": ["bad", "bron", "school"],
        "water": ["bad", "bron"],
        "jeugd": ["bad", "school"],
    }
    assert issue.state is IssueState.SENT
    assert set(session.scalars(select(Cursor.number))) == {3}


def test_nothing_new_compiles_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    assert compile_issue(session, settings, shelf.library, now, "monthly") is None
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    assert compiled(session, settings, shelf, now) is issue, "waiting with the same pieces"
    publishing.send(session, settings, issue.number, now)
    assert publishing.send(session, settings, issue.number, now) == 0, "pressed twice"
    accept_all(session, settings, now)
    assert compile_issue(session, settings, shelf.library, now, "monthly") is None


def test_the_next_issue_holds_only_what_is_new(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    accept_all(session, settings, now)
    add_reader(session, "nieuw")
    shelf.put("school", topics="jeugd")
    shelf.put("bron", title="Een ander bericht over de bron")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    assert accept_all(session, settings, now) == {"lezer": ["school"], "nieuw": ["school"]}


def test_weekly_and_monthly_readers_each_get_everything_once(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand", cadence="monthly")
    seen: dict[str, list[str]] = {}
    for week, slug in enumerate(["een", "twee", "drie"]):
        shelf.put(slug)
        later = now + timedelta(weeks=week)
        issue = compiled(session, settings, shelf, later, "weekly")
        publishing.send(session, settings, issue.number, later)
        for name, slugs in accept_all(session, settings, later).items():
            seen.setdefault(name, []).extend(slugs)
    issue = compiled(session, settings, shelf, now, "monthly")
    publishing.send(session, settings, issue.number, now)
    got = accept_all(session, settings, now)
    assert seen == {"week": ["een", "twee", "drie"]}
    assert sorted(got["maand"]) == ["drie", "een", "twee"]
    assert list(got) == ["maand"]


def test_what_another_cadence_published_meanwhile_is_not_jumped_over(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand", cadence="monthly")
    shelf.put("een")
    monthly = compiled(session, settings, shelf, now, "monthly")
    shelf.put("twee")
    weekly = compiled(session, settings, shelf, now, "weekly", ())
    publishing.send(session, settings, weekly.number, now)
    accept_all(session, settings, now)
    publishing.send(session, settings, monthly.number, now)
    got = accept_all(session, settings, now)
    assert sorted(got["maand"]) == ["een", "twee"]
    assert list(got) == ["maand"]


def test_who_was_refused_gets_the_items_with_the_next_issue(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "vol")
    shelf.put("een")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    lease = ledger.take_lease(session, settings, "test", now)
    (row,) = claim(session, settings, lease, now, 10)
    no = Settled(row.id, Outcome.REFUSED, Reply(Stage.RCPT, 552, "5.2.2 full"))
    ledger.settle_and_open(session.connection(), settings, lease, [no], [], now)
    publishing.finish(session, settings, now)
    assert compile_issue(session, settings, shelf.library, now, "monthly") is None, "not new"
    shelf.put("twee")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    assert {k: sorted(v) for k, v in accept_all(session, settings, now).items()} == {
        "vol": ["een", "twee"]
    }


def test_at_most_backlog_issues_are_carried(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, backlog=1)
    reader = add_reader(session, "traag")
    add_reader(session, "trouw")
    for month, slug in enumerate(["een", "twee", "drie", "vier"]):
        shelf.put(slug)
        later = now + timedelta(days=30 * month)
        issue = compiled(session, settings, shelf, later)
        publishing.send(session, settings, issue.number, later)
        if slug != "vier":
            session.query(Delivery).filter_by(subscriber_id=reader.id, state="pending").delete()
        got = accept_all(session, settings, later)
    assert sorted(got["traag"]) == ["drie", "vier"]
    assert got["trouw"] == ["vier"]
    late = session.query(Edition).filter_by(issue_number=issue.number)
    edition = late.filter(Edition.piece_ids.like("%+")).one()
    usual = session.query(Edition).filter_by(issue_number=1).first()
    assert usual is not None
    assert edition.html.count("/nl/issues/") > usual.html.count("/nl/issues/")


def test_translations_and_the_dutch_text_where_there_is_none(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    shelf.put("bron", "fr")
    shelf.put("school")
    add_reader(session, "fr", locale="fr")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    (edition,) = session.query(Edition).filter_by(issue_number=issue.number)
    assert "Een bericht over bron (fr)" in edition.html
    assert "Een bericht over bron (nl)" not in edition.html
    assert "Een bericht over school (nl)" in edition.html
    assert 'lang="nl"' in edition.html


def test_a_call_past_its_deadline_is_left_out_also_when_planned_later(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("oproep", deadline="2026-11-24")
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    later = now + timedelta(days=3)
    publishing.send(session, settings, issue.number, later)
    assert accept_all(session, settings, later) == {"lezer": ["bron"]}


def test_drafts_and_future_items_stay_on_the_shelf(
    session: Session, settings: Settings, shelf: Shelf, now: datetime
) -> None:
    shelf.put("klad", status="draft")
    shelf.put("later", date="2026-11-24")
    assert compile_issue(session, settings, shelf.library, now, "monthly") is None
    shelf.put("oud", deadline="2026-11-22")
    for slug, why in (
        ("klad", "it is a draft; set its status to ready"),
        ("later", "it is dated 2026-11-24, later than today"),
        ("oud", "its deadline was 2026-11-22"),
    ):
        with pytest.raises(FixRequest, match=f"{slug}' cannot be sent: {why}"):
            compile_issue(session, settings, shelf.library, now, None, (slug,))
    with pytest.raises(FixRequest, match="no item 'niets'"):
        compile_issue(session, settings, shelf.library, now, None, ("niets",))


def test_a_vanished_published_item_stops_the_compile(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    shelf.path("bron").rename(shelf.path("bron-nieuw"))
    with pytest.raises(FixContent, match="'bron' has vanished"):
        compile_issue(session, settings, shelf.library, now, "monthly")


def test_chosen_items_go_to_readers_of_every_cadence(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("een")
    shelf.put("twee")
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    issue = compiled(session, settings, shelf, now, None, ("twee",))
    publishing.send(session, settings, issue.number, now)
    assert accept_all(session, settings, now) == {"week": ["twee"], "maand": ["twee"]}
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    assert accept_all(session, settings, now) == {"maand": ["een"]}


def test_an_item_keeps_its_number_for_ever(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    shelf.put("een")
    publishing.send(
        session, settings, compiled(session, settings, shelf, now, "weekly").number, now
    )
    accept_all(session, settings, now)
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    (number,) = session.query(ItemNumber)
    assert (number.number, number.slug) == (1, "een")


def test_editions_are_shared(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    for index in range(20):
        add_reader(session, f"r{index}", ("water",) if index % 2 else ())
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    assert session.query(Edition).count() == 1
    assert ledger.counts(session, issue.number)["planned"] == 20


def test_who_wants_other_topics_gets_no_row_and_misses_nothing_later(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron", topics="water")
    reader = add_reader(session, "jeugd", ("jeugd",))
    add_reader(session, "water")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    assert session.get_one(Cursor, reader.id).number == 1
    assert accept_all(session, settings, now) == {"water": ["bron"]}


# --- by itself ------------------------------------------------------------------------------------


def held(session: Session, settings: Settings, shelf: Shelf, now: datetime) -> Issue:
    issue = compiled(session, settings, shelf, now)
    issue.slot = now
    holding.hold(session, settings, issue, now)
    return issue


def test_silence_in_the_hold_window_approves(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    assert publishing.advance(session, settings, now + timedelta(minutes=119)) == []
    assert publishing.advance(session, settings, now + timedelta(minutes=120)) == [issue.number]
    assert issue.state is IssueState.SENDING
    assert issue.by_clock


def test_the_window_starts_when_the_relay_has_the_proof(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, editors=("redactie@voorbeeld.example",))
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    later = now + timedelta(hours=3)
    assert publishing.advance(session, settings, later) == []
    proof = session.query(Notice).one()
    proof.state, proof.settled_at = NoticeState.SENT, later
    assert publishing.advance(session, settings, later) == []
    assert publishing.advance(session, settings, later + timedelta(hours=2)) == [issue.number]


def test_a_stopped_issue_is_not_sent_and_blocks_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    publishing.stop(session, issue.number, now)
    assert publishing.advance(session, settings, now + timedelta(hours=9)) == []
    following = compiled(session, settings, shelf, now)
    publishing.send(session, settings, following.number, now)
    assert accept_all(session, settings, now) == {"lezer": ["bron"]}


def test_an_issue_that_others_overtook_is_not_published_once_more(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    stopped = held(session, settings, shelf, now)
    publishing.stop(session, stopped.number, now)
    following = compiled(session, settings, shelf, now)
    publishing.send(session, settings, following.number, now)
    accept_all(session, settings, now)
    savepoint = session.begin_nested()
    with pytest.raises(FixContent, match="went out in other issues"):
        publishing.resume(session, settings, stopped.number, now)
    savepoint.rollback()
    assert session.get_one(Issue, stopped.number).state is IssueState.STOPPED


def test_required_approvals_are_never_skipped(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    settings = replace(settings, approvals=1)
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    later = now + timedelta(hours=3)
    assert publishing.advance(session, settings, later) == []
    with pytest.raises(FixRequest, match="approval"):
        publishing.send(session, settings, issue.number, later)
    publishing.approve(session, settings, issue.number, now)
    assert publishing.advance(session, settings, later) == [issue.number]


def test_too_late_is_held_for_a_person(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    late = now + timedelta(hours=settings.hold_hours + settings.late_hours, minutes=1)
    assert publishing.advance(session, settings, late) == []
    assert issue.state is IssueState.HELD
    assert "late" in (issue.why or "")
    assert publishing.advance(session, settings, late + timedelta(days=1)) == []
    assert publishing.send(session, settings, issue.number, late) == 1


def test_a_preflight_finding_holds_it(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron", title="HET IS NU OF NOOIT VOOR ALLE GEMEENTEN")
    add_reader(session, "lezer")
    issue = held(session, settings, shelf, now)
    assert issue.state is IssueState.HELD
    assert "preflight" in (issue.why or "")
    assert publishing.advance(session, settings, now + timedelta(hours=9)) == []
    with pytest.raises(FixContent):
        publishing.send(session, settings, issue.number, now)


def test_schedule_sends_at_its_time(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "lezer")
    issue = compiled(session, settings, shelf, now)
    with pytest.raises(FixRequest, match="past"):
        publishing.schedule(session, settings, issue.number, now, now)
    publishing.schedule(session, settings, issue.number, now + timedelta(hours=5), now)
    assert publishing.advance(session, settings, now + timedelta(hours=4)) == []
    assert publishing.advance(session, settings, now + timedelta(hours=5)) == [issue.number]


def test_stop_and_resume_in_mid_send(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "a")
    add_reader(session, "b")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    publishing.stop(session, issue.number, now)
    assert accept_all(session, settings, now) == {}
    assert issue.state is IssueState.STOPPED
    with pytest.raises(FixRequest, match="resume"):
        publishing.send(session, settings, issue.number, now)
    publishing.resume(session, settings, issue.number, now)
    assert sorted(accept_all(session, settings, now)) == ["a", "b"]
    with pytest.raises(FixRequest, match="nothing left to stop"):
        publishing.stop(session, issue.number, now)


def test_an_issue_is_never_sent_while_something_is_open(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    shelf.put("bron")
    add_reader(session, "a")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    assert publishing.finish(session, settings, now) == []
    assert issue.state is IssueState.SENDING


def test_changed_mind_between_planning_and_sending_changes_nothing_twice(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """A reader who changes cadence after a row was planned still gets each item once."""
    reader = add_reader(session, "lezer")
    shelf.put("een")
    publishing.send(session, settings, compiled(session, settings, shelf, now).number, now)
    session.get_one(Subscriber, reader.id).cadence = "weekly"
    session.flush()
    assert accept_all(session, settings, now) == {"lezer": ["een"]}
    shelf.put("twee")
    weekly = compiled(session, settings, shelf, now, "weekly")
    publishing.send(session, settings, weekly.number, now)
    assert accept_all(session, settings, now) == {"lezer": ["twee"]}


def test_a_row_in_doubt_of_a_stopped_issue_holds_up_nothing(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """Its connection broke after the stop; the reader gets the items with the next issue."""
    add_reader(session, "lezer")
    shelf.put("een")
    stopped = compiled(session, settings, shelf, now)
    publishing.send(session, settings, stopped.number, now)
    lease = ledger.take_lease(session, settings, "test", now)
    (row,) = claim(session, settings, lease, now, 10)
    ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
    publishing.stop(session, stopped.number, now)
    ledger.release_lease(session, settings, lease, now)
    shelf.put("twee")
    following = compiled(session, settings, shelf, now)
    publishing.send(session, settings, following.number, now)
    got = accept_all(session, settings, now)
    assert {name: sorted(slugs) for name, slugs in got.items()} == {"lezer": ["een", "twee"]}
    assert following.state is IssueState.SENT
