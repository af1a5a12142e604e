"""`export --all`: everybody's copy, read together, is the copy each would get alone."""

import json
from datetime import datetime

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.models import Subscriber, SuppressionReason
from newsletter.settings import Settings
from newsletter.subscribers import exporting, importing, leaving, privacy
from newsletter.subscribers.importing import Order
from newsletter.tokens import tokens_of
from tests.subscribers.people import ask, form, reader


def crowd(session: Session, settings: Settings, now: datetime) -> None:
    """Readers, one who asked, one who left, one who bounced, one who was erased."""
    reader(session, settings, now, "Els@example.be")
    ask(session, settings, now, form("asked@example.be", topics=("sdg",)))
    gone = reader(session, settings, now, "gone@example.be")
    leaving.leave(session, settings, gone, "page", now)
    reader(session, settings, now, "bounced@example.be")
    bounced = ("bounced@example.be", SuppressionReason.BOUNCED, now)
    suppression.add(session, tokens_of(settings), *bounced)
    privacy.erase(session, settings, reader(session, settings, now, "erased@example.be"), now)
    order, lines = Order("list", now, ("sdg",)), ["email,topics", "new@example.be,sdg"]
    importing.take_in(session, settings, importing.read(lines), order)
    session.flush()


def test_prv_13_everybodys_copies_are_those_of_each(
    session: Session, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PEOPLE", 2)
    crowd(session, settings, now)
    together = list(exporting.everybody(session, settings))
    known = select(Subscriber).where(Subscriber.email.is_not(None)).order_by(Subscriber.id)
    alone = [privacy.export(session, settings, one) for one in session.scalars(known).all()]
    assert together == alone
    assert [json.loads(json.dumps(one)) for one in together] == together
    found = {one["email"]: one for one in together}
    assert list(found) == [
        *("Els@example.be", "asked@example.be", "gone@example.be"),
        *("bounced@example.be", "new@example.be"),
    ]
    for email, one in found.items():
        assert {proof["email"] for proof in one["consents"]} == {email}
    assert [one["topics"] for one in together] == [[], ["sdg"], [], [], ["sdg"]]
    assert found["bounced@example.be"]["suppression"]["reason"] == "bounced"
    assert found["asked@example.be"]["suppression"] is None


def test_everybody_takes_no_more_questions_than_one(
    session: Session, settings: Settings, now: datetime
) -> None:
    asked: list[str] = []
    crowd(session, settings, now)

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", count)
    list(exporting.everybody(session, settings))
    everybody, asked[:] = len(asked), []
    privacy.export(session, settings, session.scalars(select(Subscriber).limit(1)).one())
    event.remove(connection, "before_cursor_execute", count)
    assert everybody <= len(asked) + 2  # who there is, and that there are no more
