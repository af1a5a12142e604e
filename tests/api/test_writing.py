"""What programs change: by the rules of the desk, with a line in the log, and a reason for a no."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from newsletter.issues import publishing
from newsletter.models import (
    Consent,
    ConsentEvent,
    Entry,
    Issue,
    IssueState,
    Notice,
    NoticeKind,
    SubscriberState,
)
from newsletter.programs import access
from tests.api.conftest import Program, token
from tests.web.conftest import Build, World

JAN = {"email": "jan@voorbeeld.be", "source": "beurs"}
LONG_AGO = "2026-01-01T09:00:00+01:00"


def log(world: World) -> list[tuple[str, str, str]]:
    with world.database.read() as session:
        return [(one.actor, one.action, one.subject) for one in session.scalars(select(Entry))]


def test_somebody_without_proof_is_pending_and_gets_the_letter(
    world: World, program: Program
) -> None:
    answer = program.post("/subscribers", JAN | {"topics": ["sdg"], "locale": "fr"})
    assert answer.status_code == 201
    assert answer.get_json() == {"id": 1, "state": "pending", "changed": True}
    with world.database.read() as session:
        proof = session.scalars(select(Consent)).one()
        letter = session.scalars(select(Notice)).one()
    assert (proof.event, proof.source) == (ConsentEvent.ASKED, "beurs")
    assert letter.kind is NoticeKind.CONFIRM
    assert log(world) == [(access.actor(program.id), "subscriber.add", "subscriber 1")]
    assert program.post("/subscribers", JAN).get_json()["changed"] is False
    assert len(log(world)) == 1


def test_without_an_invitation_nobody_is_mailed(world: World, program: Program) -> None:
    program.post("/subscribers", JAN | {"invite": False})
    with world.database.read() as session:
        assert session.scalars(select(Notice)).all() == []


def test_who_confirmed_elsewhere_is_active(world: World, program: Program) -> None:
    answer = program.post("/subscribers", JAN | {"confirmed_at": LONG_AGO})
    assert answer.get_json()["state"] == "active"
    one = program.get("/subscribers/1").get_json()
    assert (one["email"], one["confirmed_at"]) == ("jan@voorbeeld.be", "2026-01-01T08:00:00Z")
    found = program.post("/subscribers/find", {"email": "Jan@VOORBEELD.be"}).get_json()
    assert found == {"data": [one], "next": None}
    assert program.post("/subscribers/find", {"email": "an@voorbeeld.be"}).get_json()["data"] == []


def test_who_left_or_is_suppressed_stays_so(world: World, program: Program) -> None:
    world.add("weg", SubscriberState.LEFT)
    world.suppress("klacht@voorbeeld.example")
    for name in ("weg", "klacht"):
        sent = {"email": f"{name}@voorbeeld.example", "source": "x", "confirmed_at": LONG_AGO}
        answer = program.post("/subscribers", sent)
        assert answer.status_code == 409
        assert "voorbeeld" not in answer.text
    assert log(world) == []


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"email": "geen adres"}, "/email"),
        ({"email": 5}, "/email"),
        ({"email": "jan@xn--a.be"}, "/email"),
        ({"email": f"{'x' * 65}@voorbeeld.be"}, "/email"),
        ({"source": " "}, "/source"),
        ({"source": "a\nb"}, "/source"),
        ({"topics": ["sdg", "onzin"]}, "/topics/1"),
        ({"cadence": "hourly"}, "/cadence"),
        ({"locale": "es"}, "/locale"),
        ({"confirmed_at": "2026-01-01T00:00:00"}, "/confirmed_at"),
        ({"confirmed_at": 5}, "/confirmed_at"),
        ({"confirmed_at": "2999-01-01T00:00:00Z"}, "/confirmed_at"),
        ({"invite": "yes"}, "/invite"),
        ({"state": "active"}, "/state"),
    ],
)
def test_what_is_wrong_is_pointed_at(
    world: World, program: Program, wrong: dict[str, Any], pointer: str
) -> None:
    answer = program.post("/subscribers", JAN | wrong)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]
    assert log(world) == []


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[" * 30_000, "application/json", 400),
        ("email=x", "application/x-www-form-urlencoded", 415),
        ('"' + "x" * 70_000 + '"', "application/json", 413),
        ('{"email": "\\ud800@x.be", "source": "x"}', "application/json", 422),
        ("[]", "application/json", 422),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    program: Program, data: str, kind: str, status: int
) -> None:
    headers = program.headers()
    path = "/api/v1/subscribers"
    answer = program.world.client.post(path, data=data, content_type=kind, headers=headers)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"


def test_leaving_is_at_once_with_its_proof(world: World, program: Program) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    path, why = f"/subscribers/{jan.id}/leave", {"why": "belde; jan@voorbeeld.example"}
    assert program.post(path, why).get_json() == {"id": 1, "state": "left", "changed": True}
    assert program.post(path, why).get_json()["changed"] is False
    with world.database.read() as session:
        proof = session.scalars(select(Consent)).one()
    assert (proof.event, proof.route) == (ConsentEvent.WITHDRAWN, "api")
    assert "jan" not in str(proof.facts)
    assert len(log(world)) == 1
    assert program.post("/subscribers/99/leave", why).status_code == 404


def test_suppressions_are_added_and_lifted_with_a_reason(world: World, program: Program) -> None:
    jan = world.add("jan", SubscriberState.ACTIVE)
    sent = {"email": "jan@voorbeeld.example", "why": "vroeg het"}
    assert program.post("/suppressions", sent).status_code == 201
    assert program.get(f"/subscribers/{jan.id}").get_json()["state"] == "suppressed"
    assert program.post("/suppressions/lift", sent).get_json() == {"suppressed": False}
    assert program.post("/suppressions/lift", sent).status_code == 409
    assert [action for _who, action, _what in log(world)] == ["suppression.add", "suppression.lift"]


@pytest.mark.parametrize(
    "email",
    ["jan@xn--exmple-cua.be", "jan@voorbeeld.xn--p1ai", f"jan@{'x' * 60}.{'y' * 60}.be"],
)
def test_whom_a_file_brings_a_program_can_name(program: Program, email: str) -> None:
    sent = {"email": email, "why": "vroeg het"}
    assert program.post("/subscribers", {"email": email, "source": "x"}).status_code == 201
    assert program.post("/subscribers/find", {"email": email}).get_json()["data"][0]["id"] == 1
    assert program.post("/suppressions", sent).status_code == 201


def test_an_issue_is_scheduled_and_stopped(issued: World) -> None:
    program, later = token(issued), datetime.now(UTC) + timedelta(days=3)
    path = "/issues/2"
    answer = program.post(f"{path}/schedule", {"at": later.isoformat()})
    assert answer.get_json()["state"] == "scheduled"
    assert program.post(f"{path}/stop").get_json()["state"] == "stopped"
    assert program.post(f"{path}/schedule", {"at": later.isoformat()}).status_code == 409
    assert program.post("/issues/9/stop").status_code == 404
    assert [action for _who, action, _what in log(issued)] == ["issue.schedule", "issue.stop"]


def test_approvals_stay_required(issued: World, build: Build) -> None:
    """A program plans; what plans the deliveries asks for the approvals, whoever scheduled."""
    site = build(approvals=1)
    program, later = token(site), datetime.now(UTC) + timedelta(seconds=5)
    assert program.post("/issues/2/schedule", {"at": later.isoformat()}).status_code == 200
    with site.database.write() as session:
        assert publishing.advance(session, site.settings, later + timedelta(minutes=1)) == []
        assert session.get_one(Issue, 2).state is IssueState.HELD


def test_a_token_may_do_nothing_beyond_the_table(program: Program) -> None:
    for path in ("/issues/2/approve", "/issues/2/send", "/subscribers/1/erase", "/tokens"):
        assert program.post(path, {}).status_code == 404
