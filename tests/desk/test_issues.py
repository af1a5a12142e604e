"""Issues on the desk: made, put in order, approved, sent, stopped, and looked after."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.db import Database
from newsletter.delivery import ledger, warming
from newsletter.issues import publishing
from newsletter.models import (
    Approval,
    Delivery,
    DeliveryState,
    Entry,
    Intro,
    Issue,
    IssueState,
    Notice,
    Role,
    SeedPlace,
    Sighting,
    Subscriber,
    SubscriberState,
)
from newsletter.subscribers.preferences import choice
from newsletter.web.desk.issues.pace import pace
from tests.desk.conftest import Build, Client, Desk
from tests.issues.conftest import Shelf
from tests.issues.test_publishing import compiled

OURS = "550 5.7.26 this mail is not authenticated"


@dataclass
class Newsroom:
    """A desk with a shelf of its own and two readers."""

    desk: Desk
    shelf: Shelf
    database: Database

    def issue(self) -> int:
        """An issue of two items, which nobody has approved of."""
        with self.database.write() as session:
            now = datetime.now(UTC)
            return compiled(session, self.desk.settings, self.shelf, now).number

    def state(self, number: int = 1) -> IssueState:
        with self.database.read() as session:
            return session.get_one(Issue, number).state

    def rows(self) -> list[Delivery]:
        with self.database.read() as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.id)))

    def did(self) -> list[str]:
        """What the log says was done, in order."""
        with self.database.read() as session:
            return list(session.scalars(select(Entry.action).order_by(Entry.number)))


Open = Callable[..., Newsroom]


@pytest.fixture
def open_newsroom(build_desk: Build, database: Database, tmp_path: Path) -> Open:
    def build(**changes: object) -> Newsroom:
        shelf = Shelf(tmp_path / "content")
        shelf.put("bron")
        shelf.put("school")
        desk = build_desk(content_dir=shelf.folder, **changes)
        with database.write() as session:
            for name in ("an", "bo"):
                add_reader(session, name)
        return Newsroom(desk, shelf, database)

    return build


@pytest.fixture
def room(open_newsroom: Open) -> Newsroom:
    return open_newsroom()


def add_reader(session: Session, name: str) -> None:
    """Somebody who reads every topic, once a month."""
    now = datetime.now(UTC)
    reader = Subscriber(
        email=f"{name}@voorbeeld.example",
        canonical=f"{name}@voorbeeld.example",
        locale="nl",
        cadence="monthly",
        topic_choice_id=choice(session, ()).id,
        state=SubscriberState.ACTIVE,
        created_at=now,
        confirmed_at=now,
    )
    session.add(reader)
    session.flush()
    ledger.start_cursors(session, [reader.id])


def seen(client: Client, number: int = 1) -> str:
    """The fingerprint that the page of an issue shows."""
    page = client.get(f"/desk/issues/{number}").text
    return page.partition('name="seen" value="')[2].partition('"')[0]


def test_what_comes_is_seen_and_made_into_an_issue(room: Newsroom) -> None:
    client = room.desk(Role.EDITOR)
    room.shelf.put("klad", status="draft")
    assert "/desk/issues/next/monthly" in client.get("/desk/issues").text
    page = client.get("/desk/issues/next/monthly").text
    assert "Een bericht over bron" in page
    assert "nog een kladversie" in page
    assert "/desk/items/klad/nl" in page, "who reads why it is left out can mend that"
    made = client.send("/desk/issues/compile", cadence="monthly")
    assert made.location == "/desk/issues/1"
    page = client.get("/desk/issues/1").text
    assert "Het nummer is gemaakt" in page
    assert "Er gebeurt niets vanzelf" in page
    again = client.send("/desk/issues/compile", cadence="monthly")
    assert again.location == "/desk/issues/1"
    page = client.get("/desk/issues/1").text
    assert "Het nummer is gemaakt" not in page
    assert "Er is niets nieuws sinds nummer 1: dat is dit." in page
    assert "/desk/issues/1" in client.get("/desk/").text, "the first page says what waits"
    assert "/desk/issues/1" not in room.desk(Role.WRITER).get("/desk/").text
    assert "Keur dit nummer goed" not in page, "that is a publisher's"
    assert client.get("/desk/issues/next/never").status_code == 404
    assert client.send("/desk/issues/compile", cadence="never").status_code == 404
    assert client.get("/desk/issues/9").status_code == 404
    assert room.did() == ["issue.compile"]


def test_faults_and_nothing_new_are_said(room: Newsroom) -> None:
    client = room.desk(Role.EDITOR)
    room.shelf.put("fout", topics="bestaatniet")
    client.send("/desk/issues/compile", cadence="monthly")
    page = client.get("/desk/issues/next/monthly").text
    assert "Er zijn fouten in de artikels" in page
    assert "Er kan nu geen nummer gemaakt worden" in page
    for slug in ("fout", "bron", "school"):
        room.shelf.path(slug).unlink()
    client.send("/desk/issues/compile", cadence="monthly")
    assert "Er is niets nieuws" in client.get("/desk/issues/next/monthly").text
    assert room.did() == []


def test_order_is_changed_with_buttons_and_by_dragging(room: Newsroom) -> None:
    client, number = room.desk(Role.EDITOR), room.issue()
    page = client.get(f"/desk/issues/{number}/order").text
    first, second = (
        ("bron", "school")
        if page.find("item-bron") < page.find("item-school")
        else (
            "school",
            "bron",
        )
    )
    moved = client.send(f"/desk/issues/{number}/order", slug=second, to="0")
    assert moved.location == f"/desk/issues/{number}/order#item-{second}", "focus goes with it"
    page = client.get(f"/desk/issues/{number}/order").text
    assert page.find(f"item-{second}") < page.find(f"item-{first}")
    client.send(f"/desk/issues/{number}/order", order=f"{first}\n{second}")
    page = client.get(f"/desk/issues/{number}/order").text
    assert page.find(f"item-{first}") < page.find(f"item-{second}")
    client.send(f"/desk/issues/{number}/order", order="iets anders")
    assert "Dat kan nu niet meer" in client.get(f"/desk/issues/{number}").text
    assert room.did() == ["issue.order"] * 2


def test_an_intro_is_written_and_nobodys_is_lost(room: Newsroom) -> None:
    client, number = room.desk(Role.EDITOR), room.issue()
    page = client.get(f"/desk/issues/{number}/intro").text
    was = page.partition('name="was" value="')[2].partition('"')[0]
    path = f"/desk/issues/{number}/intro/nl"
    assert client.send(path, text="Dag lezer.", was=was).status_code == 303
    late = client.send(path, text="Iets heel anders.", was=was)
    assert late.status_code == 422
    assert "Iemand anders veranderde dit" in late.text
    assert "Iets heel anders." in late.text, "what was typed is not lost"
    assert "Dag lezer." in late.text, "nor is what somebody else wrote overwritten unseen"
    with room.database.read() as session:
        assert session.scalars(select(Intro.markdown)).all() == ["Dag lezer."]
    wrong = client.send(path, text="<script>", was="x")
    assert wrong.status_code == 422


def test_an_issue_stopped_before_its_plan_waits_for_approval_again(open_newsroom: Open) -> None:
    room = open_newsroom(approvals=1)
    client, number = room.desk(Role.PUBLISHER), room.issue()
    path = f"/desk/issues/{number}"
    client.send(f"{path}/stop")
    assert "wacht opnieuw op goedkeuring, 1 keer" in client.get(f"{path}/resume").text
    client.send(f"{path}/resume")
    assert room.state() is IssueState.COMPILED, "so that it can be approved and sent"
    assert "wacht opnieuw op goedkeuring" in client.get(path).text
    client.send(f"{path}/approve", seen=seen(client))
    client.send(f"{path}/send")
    assert room.state() is IssueState.SENDING


def test_the_preflight_and_a_proof(room: Newsroom) -> None:
    client, number = room.desk(Role.EDITOR), room.issue()
    colleague = room.desk.editor(Role.PUBLISHER)
    assert "Nagekeken" in client.get(f"/desk/issues/{number}/preflight").text
    client.send(f"/desk/issues/{number}/proof", to=[client.editor.id, colleague.id], language="fr")
    with room.database.read() as session:
        proofs = session.scalars(select(Notice).order_by(Notice.id)).all()
        assert {one.email for one in proofs} == {client.editor.email, colleague.email}
        assert {one.locale for one in proofs} == {"fr"}
        facts = session.scalars(select(Entry.facts)).one()
    assert "@" not in str(facts)
    client.send(f"/desk/issues/{number}/proof", language="nl")
    assert "Kies wie de proef krijgt" in client.get(f"/desk/issues/{number}").text
    assert room.did() == ["issue.proof"]


def test_four_eyes_approve_what_they_see(open_newsroom: Open) -> None:
    room = open_newsroom(approvals=2)
    number = room.issue()
    pol, an = room.desk(Role.PUBLISHER), room.desk(Role.ADMINISTRATOR)
    at_once = "Dan vertrekt het meteen."
    assert at_once not in pol.get(f"/desk/issues/{number}").text
    pol.send(f"/desk/issues/{number}/approve", seen=seen(pol))
    page = pol.get(f"/desk/issues/{number}").text
    assert "Nog te gaan: 1." in page
    assert "Keur dit nummer goed" not in page, "it was"
    assert at_once in an.get(f"/desk/issues/{number}").text, "the last approval lets it go"
    assert "Dit lukt nog niet" in pol.get(f"/desk/issues/{number}/send").text
    pol.send(f"/desk/issues/{number}/send")
    assert room.state() is IssueState.COMPILED
    stale = seen(an)
    page = pol.get(f"/desk/issues/{number}/order").text
    last = "school" if page.find("item-bron") < page.find("item-school") else "bron"
    pol.send(f"/desk/issues/{number}/order", slug=last, to="0")
    page = pol.get(f"/desk/issues/{number}").text
    assert "vervallen: het nummer is daarna veranderd" in page
    an.send(f"/desk/issues/{number}/approve", seen=stale)
    assert "moet nog goedgekeurd worden" in an.get(f"/desk/issues/{number}").text
    for client in (pol, an):
        client.send(f"/desk/issues/{number}/approve", seen=seen(client))
    assert room.state() is IssueState.APPROVED
    pol.send(f"/desk/issues/{number}/send")
    assert room.state() is IssueState.SENDING
    page = pol.get(f"/desk/issues/{number}").text
    assert "An Beheerder" in page
    assert page.count("vervallen: ") == 1, "what did not count is not shown as if it had"


def test_scheduling_says_the_moment_in_words_first(room: Newsroom) -> None:
    client, number = room.desk(Role.PUBLISHER), room.issue()
    path = f"/desk/issues/{number}/schedule"
    assert 'type="datetime-local"' in client.get(path).text
    for wrong in ("", "morgen", "2020-01-01T09:00", "2031-03-30T02:30"):
        answer = client.send(path, at=wrong)
        assert answer.status_code == 422, wrong
    assert "Dat uur bestaat niet" in answer.text
    twice = client.send(path, at="2031-10-26T02:30")
    assert "Dat uur komt die nacht twee keer" in twice.text
    said = client.send(path, at="2031-12-01T09:00")
    assert "maandag 1 december 2031 om 09:00" in said.text
    assert room.state() is IssueState.COMPILED, "nothing was done yet"
    client.send(path, at="2031-12-01T09:00", sure="2031-12-01T09:00")
    assert room.state() is IssueState.SCHEDULED
    assert "Het vertrekt op maandag 1 december 2031" in client.get(f"/desk/issues/{number}").text
    with room.database.read() as session:
        at = session.get_one(Issue, number).send_at
    assert at == datetime(2031, 12, 1, 8, tzinfo=UTC)


def test_send_stop_and_resume_say_what_they_will_do(room: Newsroom) -> None:
    client, number = room.desk(Role.PUBLISHER), room.issue()
    path = f"/desk/issues/{number}"
    assert "hoogstens 2 lezers" in client.get(f"{path}/send").text
    assert room.state() is IssueState.COMPILED, "looking does nothing"
    client.send(f"{path}/send")
    assert room.state() is IssueState.SENDING
    assert len(room.rows()) == 2
    found = client.get(f"{path}/progress").get_json()
    assert (found["planned"], found["waiting"], found["key"]) == ("2", "2", "sending")
    assert "nog niet vertrokken zijn, blijven staan: 2" in client.get(f"{path}/stop").text
    client.send(f"{path}/stop")
    client.send(f"{path}/stop")
    assert room.state() is IssueState.STOPPED
    assert client.get(f"{path}/send").location == path, "not possible any more"
    assert "Dat kan nu niet meer" in client.get(path).text
    assert "vertrekken vanaf nu: 2" in client.get(f"{path}/resume").text
    client.send(f"{path}/resume")
    assert room.state() is IssueState.SENDING
    assert client.get(f"{path}/order").location == path, "its order is fixed"
    assert "issue.stop" in room.did()
    with room.database.read() as session:
        assert audit.verify(session, room.desk.settings).broken is None


@pytest.mark.sqlite("arithmetic")
def test_how_fast_it_goes_is_told_from_the_last_minutes(desk: Desk) -> None:
    start = datetime(2026, 12, 1, 9, tzinfo=UTC)
    issue = Issue(number=7, state=IssueState.SENDING, planned_at=start)

    def look(accepted: int, waiting: int, seconds: int) -> tuple[float, timedelta | None]:
        found = ledger.Progress(1000, accepted, waiting, 0, 0, 0, 0)
        with desk.app.app_context():
            return pace(issue, found, start + timedelta(seconds=seconds))

    assert look(0, 1000, 1) == (0.0, None), "nobody can tell"
    rate, left = look(100, 900, 60)
    assert (round(rate), left and round(left / timedelta(minutes=1))) == (102, 9)
    assert look(500, 500, 400)[0] == pytest.approx(75), "the average, as nothing else is known"
    assert look(700, 300, 520) == (100.0, timedelta(minutes=3))
    issue.state = IssueState.PAUSED
    assert look(700, 300, 530) == (0.0, None)


def test_where_an_issue_arrived_at_our_own_readers_is_said(room: Newsroom) -> None:
    room.issue()
    now = datetime.now(UTC)
    with room.database.write() as session:
        session.execute(update(Issue).values(planned_at=now, state=IssueState.SENDING))
        for reader, (place, seen_at) in enumerate(
            [(SeedPlace.INBOX, now + timedelta(minutes=2)), (SeedPlace.MISSING, None)]
        ):
            key = {"issue_number": 1, "subscriber_id": reader, "provider": f"mail{reader}.example"}
            session.add(Sighting(**key, place=place, sent_at=now, seen_at=seen_at))
    page = room.desk(Role.EDITOR).get("/desk/issues/1").text
    assert "mail0.example: in de inbox na 2 minuten; mail1.example: niet aangekomen" in page


def test_what_the_preflight_stops_is_not_sent_and_leads_there(room: Newsroom) -> None:
    room.shelf.put("school", title="HET IS NU OF NOOIT VOOR ALLE GEMEENTEN")
    client, number = room.desk(Role.PUBLISHER), room.issue()
    answer = client.send(f"/desk/issues/{number}/send")
    assert answer.location == f"/desk/issues/{number}/preflight"
    assert "Dit nummer kan zo niet vertrekken" in client.get(answer.location).text
    assert room.did() == []


def test_did_she_get_it_what_was_refused_and_what_is_in_doubt(room: Newsroom) -> None:
    client, number = room.desk(Role.PUBLISHER), room.issue()
    path = f"/desk/issues/{number}"
    client.send(f"{path}/send")
    ours, doubt = room.rows()
    refused: dict[str, object] = {"state": DeliveryState.REFUSED, "reply": OURS, "due_at": None}
    refused |= {"settled_at": datetime.now(UTC)}
    with room.database.write() as session:
        session.execute(update(Delivery).where(Delivery.id == ours.id).values(**refused))
        held = {"due_at": None, "in_doubt": 1}
        session.execute(update(Delivery).where(Delivery.id == doubt.id).values(**held))
        mail = {one.id: str(one.email) for one in session.scalars(select(Subscriber))}
    assert "door onze fout" in client.get(f"{path}/refused").text
    page = client.send("/desk/issues/deliveries", email=mail[doubt.subscriber_id], number="1")
    assert "niemand weet het" in page.text
    page = client.send("/desk/issues/deliveries", email=mail[ours.subscriber_id].upper())
    assert "geweigerd door de mailserver" in page.text
    page = client.send("/desk/issues/deliveries", email=mail[ours.subscriber_id], number="12")
    assert "Nee: nummer 12" in page.text
    page = client.send("/desk/issues/deliveries", email="niemand@voorbeeld.example")
    assert "kennen dit adres niet" in page.text
    assert client.send("/desk/issues/deliveries", email="x").status_code == 422
    assert mail[doubt.subscriber_id] in client.get(f"{path}/doubt").text
    assert client.send(f"{path}/doubt/{doubt.id}/leave").status_code == 303
    client.send(f"{path}/doubt/{doubt.id}/again")
    assert "Daarover is al beslist" in client.get(f"{path}/doubt").text
    assert room.rows()[1].state is DeliveryState.WITHDRAWN
    assert "geweigerd werden, vertrekken opnieuw: 1" in client.get(f"{path}/retry").text
    client.send(f"{path}/retry")
    assert room.rows()[0].state is DeliveryState.PENDING
    assert room.did() == ["issue.send", "delivery.decide", "issue.retry"]


def both(*acts: Callable[[], object]) -> None:
    """Do these at the same moment."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        start.wait()
        act()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_warm_up_says_before_and_while_it_runs_until_when_it_takes(
    open_newsroom: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "START", 1)
    room = open_newsroom(warmup_days=7, late_hours=1.0)
    today = datetime.now(room.desk.settings.timezone)  # items have days of our own zone
    room.shelf.put("bron", deadline=f"{today:%Y-%m-%d}")
    client, path = room.desk(Role.PUBLISHER), f"/desk/issues/{room.issue()}"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    pages = [
        client.get(f"{path}/send").text,
        client.send(f"{path}/schedule", at=tomorrow).text,
        client.get(path).text,
    ]
    client.send(f"{path}/send")
    for page in (*pages, client.get(path).text):
        assert "Met de opwarming duurt dit nummer tot" in page
        assert "Dat is meer dan 1 uur na het begin.</strong>" in page
        assert "WARMUP_DAYS=0" in page
    assert "<strong>Sommige lezers krijgen het pas na" in pages[0]


def test_two_publishers_send_at_once_and_everybody_gets_it_once(room: Newsroom) -> None:
    number = room.issue()
    clients = [room.desk(Role.PUBLISHER), room.desk(Role.ADMINISTRATOR)]
    both(*(lambda one=one: one.send(f"/desk/issues/{number}/send") for one in clients))
    assert room.state() is IssueState.SENDING
    assert len(room.rows()) == 2


def test_one_sends_while_another_stops(room: Newsroom) -> None:
    """Whoever comes second is told, and nothing is half done."""
    number = room.issue()
    pol, an = room.desk(Role.PUBLISHER), room.desk(Role.ADMINISTRATOR)
    both(
        lambda: pol.send(f"/desk/issues/{number}/send"),
        lambda: an.send(f"/desk/issues/{number}/stop"),
    )
    assert room.state() is IssueState.STOPPED
    assert len(room.rows()) in (0, 2)


def test_somebody_changes_the_order_while_another_sends(open_newsroom: Open) -> None:
    """What is sent is what was approved, or it is not sent."""
    room = open_newsroom(approvals=1)
    number = room.issue()
    pol, els = room.desk(Role.PUBLISHER), room.desk(Role.EDITOR)
    pol.send(f"/desk/issues/{number}/approve", seen=seen(pol))
    page = els.get(f"/desk/issues/{number}/order").text
    last = "school" if page.find("item-bron") < page.find("item-school") else "bron"
    both(
        lambda: pol.send(f"/desk/issues/{number}/send"),
        lambda: els.send(f"/desk/issues/{number}/order", slug=last, to="0"),
    )
    with room.database.read() as session:
        issue = session.get_one(Issue, number)
        reordered = "issue.order" in room.did()
        assert (issue.state is IssueState.SENDING) is not reordered
        assert len(session.scalars(select(Approval)).all()) == 1


def test_the_clock_goes_at_the_time_that_was_chosen(room: Newsroom) -> None:
    client, number = room.desk(Role.PUBLISHER), room.issue()
    at = (datetime.now(UTC) + timedelta(days=2)).replace(second=0, microsecond=0)
    text = at.astimezone(room.desk.settings.timezone).strftime("%Y-%m-%dT%H:%M")
    client.send(f"/desk/issues/{number}/schedule", at=text, sure=text)
    with room.database.write() as session:
        assert publishing.advance(session, room.desk.settings, at - timedelta(minutes=1)) == []
        assert publishing.advance(session, room.desk.settings, at) == [number]
