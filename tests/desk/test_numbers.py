"""The numbers on the desk: each chart with its table, and a CSV that no spreadsheet would run."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from sqlalchemy import event, select

from newsletter.jobs import counting
from newsletter.models import (
    ConsentEvent,
    Delivery,
    DeliveryState,
    IssueState,
    Role,
    Setback,
    SubscriberState,
)
from newsletter.web.desk import charts, sheets
from newsletter.web.desk.numbers import NEWEST
from newsletter.web.desk.sheets import OF_ISSUE, OVERVIEW, Sheet
from tests.desk.conftest import Desk
from tests.statistics.world import DAY, NOW, Readers


@pytest.fixture
def counted(desk: Desk) -> Desk:
    """A desk with readers, leavers and two issues, counted by the clock."""
    fill(desk)
    return desk


def fill(desk: Desk) -> None:
    """Readers of two months, and an issue that was sent and one that runs."""
    with desk.database.write() as session:
        readers = Readers(session)
        sent, running = readers.issue(1), readers.issue(2, IssueState.SENDING)
        for number in range(12):
            joined = NOW - (40 if number % 2 else 3) * DAY
            one = readers.add("groot.example", topics="klimaat", confirmed_at=joined)
            readers.prove(one, ConsentEvent.ASKED, joined)
            readers.prove(one, ConsentEvent.CONFIRMED, joined)
            state = DeliveryState.ACCEPTED if number else DeliveryState.REFUSED
            status = "2.0.0" if number else "5.1.1"
            readers.deliver(1, sent, one, state, status=status)
            readers.deliver(2, running, one, DeliveryState.PENDING, due_at=NOW)
        left = readers.add(state=SubscriberState.LEFT, left_at=NOW)
        readers.prove(left, ConsentEvent.WITHDRAWN, NOW, "one-click")
    counting.count(desk.database, desk.settings)


def rows(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:]), delimiter=";"))


def test_each_chart_has_its_table_and_its_file(counted: Desk) -> None:
    client = counted(Role.EDITOR)
    page = client.get("/desk/numbers").text
    for name in ("readers", "growth", "confirmations", "leaving", "languages", "topics", "issues"):
        assert f'id="{name}-chart-title"' in page
        assert f"/desk/numbers/{name}.csv" in page
    assert page.count("<svg") == page.count("<table")
    assert "groot.example" not in page
    for name in (*OVERVIEW, *NEWEST):
        answer = client.get(f"/desk/numbers/{name}.csv")
        assert answer.content_type == "text/csv; charset=utf-8"
        assert len(rows(answer.text)[0]) >= 2
    assert rows(client.get("/desk/numbers/leaving.csv").text)[1][1] == "1"
    for name in ("readers", "growth", "confirmations"):  # a spreadsheet can sort them
        for row in rows(client.get(f"/desk/numbers/{name}.csv").text)[1:]:
            assert re.fullmatch(r"\d{4}-\d\d(-\d\d)?", row[0])
    assert rows(client.get("/desk/numbers/issues.csv").text)[1:] == [
        ["2", "12", "0", "0", "0", "0", "12"],
        ["1", "12", "11", "1", "0", "0", "0"],
    ]


@pytest.mark.parametrize("path", ["/desk/numbers", "/desk/issues/2", "/desk/numbers/issues/2"])
def test_a_page_goes_once_through_the_rows_that_wait(counted: Desk, path: str) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "count(" in statement and "IN ('pending', 'deferred')" in statement:
            asked.append(statement)

    client = counted(Role.EDITOR)
    event.listen(counted.database.engine, "before_cursor_execute", note)
    assert client.get(path).status_code == 200
    event.remove(counted.database.engine, "before_cursor_execute", note)
    whole = [one for one in asked if "due_at" not in one]
    assert len(whole) == 1, "half a million rows may wait"


def test_an_issue_by_domain_and_reply(counted: Desk) -> None:
    client = counted(Role.EDITOR)
    page = client.get("/desk/numbers/issues/1").text
    assert "groot.example" in page
    assert "8,3 %" in page
    assert "het adres" in page
    assert "loopt nog" in client.get("/desk/numbers/issues/2").text
    for name in OF_ISSUE:
        assert client.get(f"/desk/numbers/issues/1/{name}.csv").status_code == 200
    assert client.get("/desk/numbers/issues/9").status_code == 404
    assert client.get("/desk/numbers/issues/9/domains.csv").status_code == 404
    replies = rows(client.get("/desk/numbers/issues/1/replies.csv").text)
    assert replies[1] == ["5.1.1", "het adres", "Geweigerd", "1"]


def test_how_our_mail_was_received_is_shown_by_issue_and_by_domain(counted: Desk) -> None:
    with counted.database.write() as session:
        row = session.scalars(select(Delivery).where(Delivery.issue_number == 1)).all()[5]
        about = {"sent": "d", "sent_id": row.id, "subscriber_id": row.subscriber_id}
        session.add(Setback(kind="complaint", issue_number=1, at=NOW, **about))
    counting.count(counted.database, counted.settings)
    client = counted(Role.EDITOR)
    shares = ["12", "1", "8,33 %", "1", "8,33 %"]
    whole = rows(client.get("/desk/numbers/reception.csv").text)[1:]
    assert whole == [["2", "0", "0", "–", "0", "–"], ["1", *shares]]
    apart = rows(client.get("/desk/numbers/issues/1/reception.csv").text)[1:]
    assert apart == [["groot.example", *shares]]
    for path in ("/desk/numbers/issues/1", "/desk/issues/1"):
        page = client.get(path).text
        assert "Niet aangekomen: 8,33 %. Spam genoemd: 8,33 %." in page
        assert "te veel" not in page  # of twelve readers a share says nothing
    assert "Boven 5 % of 0,3 % pauzeert het nummer." in client.get("/desk/numbers").text
    strict = replace(counted.settings, reputation_sample=10)
    known = counted.app.extensions["newsletter"]
    counted.app.extensions["newsletter"] = replace(known, settings=strict)
    assert "Dat is te veel." in client.get("/desk/issues/1").text


def test_nothing_to_count_is_said(desk: Desk) -> None:
    page = desk(Role.EDITOR).get("/desk/numbers")
    assert page.status_code == 200
    assert "nog niets te tellen" in page.text


def test_nobody_below_an_editor_sees_numbers(desk: Desk) -> None:
    assert desk(Role.WRITER).get("/desk/numbers").status_code == 403


@pytest.mark.parametrize("cell", ["=1+1", "+32", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    sheet = Sheet("x", "x", ("naam", "keer"), ((cell, -3),))
    [_head, row] = rows(sheets.as_csv(sheet))
    assert row == [f"'{cell}", "-3"]


def test_charts_keep_within_their_frame() -> None:
    names = [f"maand {number}" for number in range(30)]
    values = [number * 1000 for number in range(30)]
    drawn = charts.columns(names, [("erbij", values), ("weg", values[::-1])])
    assert len(drawn.boxes) == 60
    assert {box.sort for box in drawn.boxes} == {0, 1}
    for box in drawn.boxes:
        assert 0 <= box.x <= box.x + box.width <= drawn.width
        assert 0 <= box.y <= box.y + box.height <= drawn.height
    assert drawn.words[-1].text == "maand 29"
    assert len(drawn.words) <= charts.LABELS
    assert charts.line([], "lezers", []).line == ""
    assert charts.bars([("niets", 0, "0")]).boxes[0].width == 1


def test_a_chart_is_sound_xml(counted: Desk) -> None:
    page = counted(Role.EDITOR).get("/desk/numbers").text
    for part in page.split("<svg")[1:]:
        drawn = ET.fromstring("<svg" + part.partition("</svg>")[0] + "</svg>")  # noqa: S314
        assert drawn.find("title") is not None
        assert drawn.find("desc") is not None
