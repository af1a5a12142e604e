"""Issues that went out, and reports about them as they would come in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.bounces import intake
from newsletter.bounces.intake import Counts, Finding
from newsletter.bounces.report import Kind, Report
from newsletter.delivery.return_path import ReturnPath, Sent
from newsletter.models import (
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    IssueState,
    Notice,
    NoticeKind,
    Subscriber,
)
from newsletter.settings import Settings
from newsletter.tokens import Purpose, tokens_of
from tests.delivery.conftest import add_issue, add_readers

DAY = timedelta(days=1)
BOX = "bounce@nieuws.test"
NOBODY_HERE = "550 5.1.1 <r1@voorbeeld.example>: no such user"


@dataclass
class World:
    """Readers 1, 2 … and what came of their issues; `now` is when the first one was sent."""

    session: Session
    settings: Settings
    now: datetime

    def readers(self, count: int = 1) -> list[Subscriber]:
        """Active readers, confirmed long before the first issue."""
        made = add_readers(self.session, count, self.now - 365 * DAY)
        self.session.flush()
        return made

    def issue(self, number: int, at: datetime, **values: Any) -> list[Delivery]:
        """Issue `number`, accepted by the relay for every reader at that moment."""
        issue = add_issue(self.session, at, number)
        issue.state, issue.sent_at = IssueState.SENT, at
        edition = {"edition_id": issue_edition(self.session, issue)}
        columns = {"state": DeliveryState.ACCEPTED, "settled_at": at, "attempts": 1, "in_doubt": 0}
        rows = [
            Delivery(issue_number=number, subscriber_id=id, **(edition | columns | values))
            for id in self.session.scalars(select(Subscriber.id).order_by(Subscriber.id))
        ]
        self.session.add_all(rows)
        self.session.flush()
        return rows

    def verp(self, row: Delivery) -> str:
        """Where reports about a delivery come back."""
        return ReturnPath(self.settings).of(Sent.DELIVERY, row.id)

    def message_id(self, row: Delivery) -> str:
        """The Message-ID of a delivery, as its copies have it."""
        planned_at = self.session.get_one(Issue, row.issue_number).planned_at
        assert planned_at is not None
        token = tokens_of(self.settings).issue(Purpose.MESSAGE_ID, row.id, planned_at)
        return f"{row.issue_number}.{token}@nieuws.test"

    def bounce(self, row: Delivery, kind: Kind = Kind.HARD, **values: Any) -> Finding:
        """A report about a delivery, come back to its own address."""
        known = {"status": "5.1.1", "reason": NOBODY_HERE, "return_path": self.verp(row)}
        return intake.of_report(self.settings, Report(kind, **(known | values)))

    def returned_letter(self, kind: NoticeKind, reader: Subscriber) -> Report:
        """A letter to a reader that was sent, and comes back: there is no such mailbox."""
        letter = Notice(
            kind=kind, subscriber_id=reader.id, locale="nl", facts={}, state="sent",
            created_at=self.now, due_at=self.now, attempts=1,
        )  # fmt: skip
        self.session.add(letter)
        self.session.flush()
        path = ReturnPath(self.settings).of(Sent.NOTICE, letter.id)
        return Report(Kind.HARD, "5.1.1", return_path=path)

    def take(self, *findings: Finding, at: datetime | None = None) -> Counts:
        """Take them in."""
        counts = intake.take(self.session, self.settings, findings, at or self.now)
        self.session.flush()
        self.session.expire_all()
        return counts


def issue_edition(session: Session, issue: Issue) -> int:
    """The id of the one edition of an issue."""
    return session.scalars(select(Edition.id).where(Edition.issue_number == issue.number)).one()
