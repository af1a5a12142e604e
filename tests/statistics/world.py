"""Readers, proofs and an issue with deliveries, written row by row."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from newsletter.models import (
    Consent,
    ConsentEvent,
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    IssueState,
    Lease,
    Subscriber,
    SubscriberState,
)
from newsletter.subscribers import preferences

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Readers:
    """Writes people and what happened to them."""

    session: Session
    choices: dict[str, int] = field(default_factory=dict)
    number: int = 0

    def add(
        self,
        domain: str = "example.be",
        topics: str = "",
        state: SubscriberState = SubscriberState.ACTIVE,
        **values: Any,
    ) -> int:
        """One reader; their id."""
        self.number += 1
        gone = state is SubscriberState.ERASED
        email = None if gone else f"r{self.number}@{domain}"
        columns: dict[str, Any] = {
            "locale": "nl",
            "cadence": "monthly",
            "created_at": NOW - 9 * DAY,
            "confirmed_at": NOW - 9 * DAY,
        }
        columns |= {"email": email, "canonical": email, "state": state}
        columns |= {"topic_choice_id": self._choice(topics)}
        made = insert(Subscriber).values(columns | values).returning(Subscriber.id)
        return self.session.scalars(made).one()

    def _choice(self, topics: str) -> int:
        if topics not in self.choices:
            known = preferences.choice(self.session, topics.split("|") if topics else [])
            self.choices[topics] = known.id
        return self.choices[topics]

    def prove(self, reader: int, event: ConsentEvent, at: datetime, route: str = "form") -> None:
        """Something that happened to a consent."""
        self.session.add(
            Consent(
                subscriber_id=reader,
                event=event,
                at=at,
                route=route,
                locale="nl",
                cadence="monthly",
                topics="",
                facts={},
                details_hash="x",
            )
        )
        self.session.flush()

    def issue(self, number: int, state: IssueState = IssueState.SENT) -> int:
        """A planned issue with one edition; the edition's id."""
        sent = NOW - DAY if state is IssueState.SENT else None
        self.session.add(
            Issue(
                number=number,
                state=state,
                by_clock=True,
                compiled_at=NOW - 2 * DAY,
                planned_at=NOW - 2 * DAY,
                sent_at=sent,
            )
        )
        self.session.flush()
        edition = Edition(
            issue_number=number,
            locale="nl",
            piece_ids="1",
            subject="",
            html="",
            text="",
            hash=f"hash {number}",
        )
        self.session.add(edition)
        self.session.flush()
        return edition.id

    def deliver(
        self, number: int, edition: int, reader: int, state: DeliveryState, **values: Any
    ) -> None:
        """One row of the ledger."""
        lease = None
        if state is DeliveryState.CLAIMED:
            held = Lease(owner="x", expires_at=NOW)
            self.session.add(held)
            self.session.flush()
            lease = held.id
        self.session.add(
            Delivery(
                issue_number=number,
                subscriber_id=reader,
                edition_id=edition,
                state=state,
                attempts=1,
                in_doubt=0,
                lease_id=lease,
                **values,
            )
        )
        self.session.flush()
