"""Subscribers on the desk: looked up, unsubscribed, blocked, exported and erased, all on record."""

import json
import logging
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from newsletter import audit
from newsletter.models import (
    Consent,
    ConsentEvent,
    Entry,
    Notice,
    NoticeKind,
    Role,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers import privacy
from tests.desk.conftest import Client, Desk
from tests.subscribers.people import reader

EMAIL = "jan@example.be"


@pytest.fixture
def known(desk: Desk) -> int:
    """The number of an active reader."""
    with desk.database.write() as session:
        return reader(session, desk.settings, datetime.now(UTC), EMAIL).id


def one(desk: Desk, number: int) -> Subscriber:
    with desk.database.read() as session:
        return session.get_one(Subscriber, number)


def lines(desk: Desk) -> list[Entry]:
    """The log; no line holds an address."""
    with desk.database.read() as session:
        found = list(session.scalars(select(Entry).order_by(Entry.number)))
        assert audit.verify(session, desk.settings).broken is None
    assert not [line for line in found if "@" in f"{line.subject} {line.facts}"]
    return found


def page_of(client: Client, number: int) -> str:
    return client.get(f"/desk/subscribers/{number}").text


def test_somebody_is_looked_up_by_a_form_that_puts_no_address_in_a_url(
    desk: Desk, known: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = desk(Role.PUBLISHER)
    answer = client.send("/desk/subscribers", email=" Jan@Example.BE ")
    assert answer.status_code == 303
    assert answer.location == f"/desk/subscribers/{known}"
    shown = client.get(answer.location)
    assert EMAIL in shown.text
    assert "ingeschreven" in shown.text
    assert "bevestigde, via" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert "jan@" not in caplog.text.lower()


def test_an_address_that_nobody_has_and_one_that_is_none(desk: Desk) -> None:
    client = desk(Role.PUBLISHER)
    with desk.database.write() as session:
        reason = SuppressionReason.COMPLAINT
        privacy.suppress(session, desk.settings, "weg@example.be", reason, datetime.now(UTC))
    assert "geen abonnee" in client.send("/desk/subscribers", email=EMAIL).text
    assert "klacht" in client.send("/desk/subscribers", email="weg@example.be").text
    answer = client.send("/desk/subscribers", email="geen adres")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text


def test_unsubscribing_on_request_needs_a_reason_that_stands_in_the_proof(
    desk: Desk, known: int
) -> None:
    client, path = desk(Role.PUBLISHER), f"/desk/subscribers/{known}/leave"
    assert "Schrijf op waarom." in client.get(client.send(path, why=" ").location).text
    assert one(desk, known).state is SubscriberState.ACTIVE
    client.send(path, why=f"belde op 3 maart, {EMAIL}")
    assert one(desk, known).state is SubscriberState.LEFT
    with desk.database.read() as session:
        proof = session.scalars(
            select(Consent).where(Consent.event == ConsentEvent.WITHDRAWN)
        ).one()
    assert (proof.route, proof.facts) == ("desk", {"reason": "belde op 3 maart, <address>"})
    assert "door de redactie" in page_of(client, known)
    assert [line.action for line in lines(desk)] == ["subscriber.leave"]
    again = client.send(path, why="nog eens")
    assert "al uitgeschreven" in client.get(again.location).text
    assert len(lines(desk)) == 1


def test_blocking_and_lifting(desk: Desk, known: int) -> None:
    client, path = desk(Role.ADMINISTRATOR), f"/desk/subscribers/{known}"
    client.send(f"{path}/suppress", why="scheldt ons uit")
    assert one(desk, known).state is SubscriberState.SUPPRESSED
    shown = page_of(client, known)
    assert "scheldt ons uit" in shown
    assert "Hef op" in shown
    client.send(f"{path}/lift", why="bood excuses aan")
    assert "bood excuses aan" in page_of(client, known)
    twice = client.send(f"{path}/lift", why="nog eens")
    assert "niet geblokkeerd" in client.get(twice.location).text
    assert [line.action for line in lines(desk)] == ["subscriber.suppress", "subscriber.lift"]


def test_a_copy_of_all_we_hold(desk: Desk, known: int) -> None:
    answer = desk(Role.ADMINISTRATOR).send(f"/desk/subscribers/{known}/export")
    assert json.loads(answer.text)["email"] == EMAIL
    assert EMAIL not in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert [line.action for line in lines(desk)] == ["subscriber.export"]


def test_erasing_takes_two_steps(desk: Desk, known: int) -> None:
    client, path = desk(Role.ADMINISTRATOR), f"/desk/subscribers/{known}/erase"
    assert EMAIL in client.get(path).text
    assert client.send(path).status_code == 422
    assert one(desk, known).email == EMAIL
    answer = client.send(path, sure="yes", why=f"vroeg {EMAIL}", tell="yes")
    assert EMAIL not in client.get(answer.location).text
    assert one(desk, known).state is SubscriberState.ERASED
    with desk.database.read() as session:
        kinds = session.scalars(select(Notice.kind)).all()
    assert NoticeKind.ERASED in kinds
    assert client.get(path).status_code == 404
    assert [line.action for line in lines(desk)] == ["subscriber.erase"]


def test_only_who_proved_themselves_lately_exports_and_erases(desk: Desk, known: int) -> None:
    client = desk(Role.ADMINISTRATOR, fs_paa=0)
    for action in ("export", "erase"):
        answer = client.send(f"/desk/subscribers/{known}/{action}", sure="yes")
        assert "/desk/again" in answer.location
    assert one(desk, known).email == EMAIL


def test_a_publisher_is_not_shown_what_only_an_administrator_may(desk: Desk, known: int) -> None:
    assert "/export" not in page_of(desk(Role.PUBLISHER), known)
    assert "/export" in page_of(desk(Role.ADMINISTRATOR), known)


def test_adding_by_hand_makes_somebody_pending_who_gets_one_letter(desk: Desk) -> None:
    client, sent = desk(Role.PUBLISHER), {"new_email": EMAIL, "source": "op papier", "locale": "fr"}
    answer = client.send("/desk/subscribers/add", **sent)
    number = int(answer.location.rpartition("/")[2])
    found = one(desk, number)
    assert (found.state, found.locale, found.confirmed_at) == (SubscriberState.PENDING, "fr", None)
    with desk.database.read() as session:
        assert session.scalars(select(Notice.kind)).all() == [NoticeKind.CONFIRM]
    assert "op papier" in page_of(client, number)
    assert [line.action for line in lines(desk)] == ["subscriber.invite"]
    again = client.send("/desk/subscribers/add", **sent)
    assert again.status_code == 422
    assert "kreeg al een brief" in again.text
    without = client.send("/desk/subscribers/add", new_email="an@example.be", source=" ")
    assert "Schrijf op hoe" in without.text


def test_nobody_who_left_or_is_blocked_comes_back_by_hand(desk: Desk, known: int) -> None:
    client = desk(Role.PUBLISHER)
    client.send(f"/desk/subscribers/{known}/leave", why="belde")
    client.send("/desk/suppressions/add", blocked="weg@example.be", blocked_why="belde")
    for email in (EMAIL, "weg@example.be"):
        form = {"new_email": email, "source": "op papier", "locale": "nl"}
        assert client.send("/desk/subscribers/add", **form).status_code == 422


def test_the_list_of_who_must_not_be_mailed(desk: Desk) -> None:
    client, path = desk(Role.ADMINISTRATOR), "/desk/suppressions"
    wrong = client.send(f"{path}/add", blocked=EMAIL, blocked_why=" ")
    assert wrong.status_code == 422
    for number in range(52):
        client.send(f"{path}/add", blocked=f"r{number}@example.be", blocked_why=f"reden {number}.")
    first = client.get(path).text
    assert "reden 51." in first
    assert "reden 1." not in first
    older = first.partition("/desk/suppressions?before=")[2].partition('"')[0]
    second = client.get(f"{path}?before={older}").text
    assert "reden 1." in second
    assert "reden 2." not in second
    assert client.get(f"{path}?before=nonsense").status_code == 200
    assert "reden 7." in client.send(path, email="R7@example.be").text
    client.send(f"{path}/lift", lifted="r7@example.be", lifted_why="vergissing")
    assert "vergissing" in client.send(path, email="r7@example.be").text
    answer = client.send(f"{path}/lift", lifted="r7@example.be", lifted_why="vergissing")
    assert "niet geblokkeerd" in answer.text
    assert "@" not in "".join(line.subject for line in lines(desk))


def test_a_number_that_nobody_has(desk: Desk) -> None:
    client = desk(Role.ADMINISTRATOR)
    assert client.get("/desk/subscribers/7").status_code == 404
    assert client.send("/desk/subscribers/7/leave", why="x").status_code == 404
    assert client.get("/desk/subscribers/99999999999999999999").status_code == 404
