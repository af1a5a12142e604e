"""Other people's programs: tokens that open the API, answers kept for a day, endpoints and events;
all written by `programs`."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.db import Base
from newsletter.models.columns import BIG_ID, personal, words


class Scope(StrEnum):
    """What a token may do; each operation of the API needs one of them."""

    SUBSCRIBERS_READ = "subscribers:read"
    SUBSCRIBERS_WRITE = "subscribers:write"
    ITEMS_READ = "items:read"
    ISSUES_READ = "issues:read"
    ISSUES_WRITE = "issues:write"
    DELIVERIES_READ = "deliveries:read"
    STATISTICS_READ = "statistics:read"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"


class EventKind(StrEnum):
    """What an endpoint can be told of."""

    SUBSCRIBED = "subscriber.subscribed"
    LEFT = "subscriber.left"
    ISSUE_SENT = "issue.sent"


class AccessToken(Base):
    """What a program shows to be let in, as a hash; its secret was shown once and is not kept."""

    __tablename__ = "access_tokens"
    __table_args__ = ({"sqlite_autoincrement": True},)  # the log names tokens by their ids

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]  # of the program
    key_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256 of 256 random bits, hex
    scopes: Mapped[str]  # sorted, joined by a blank
    editor_id: Mapped[int] = mapped_column(ForeignKey("editors.id"))  # who made it
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]  # to within some minutes
    revoked_at: Mapped[datetime | None]


class Replay(Base):
    """What a request with an Idempotency-Key was answered, so that it happens once."""

    __tablename__ = "replays"
    __table_args__ = (Index("ix_replays_at", "at"),)

    token_id: Mapped[int] = mapped_column(ForeignKey("access_tokens.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]  # SHA-256 of method, path and body, hex
    status: Mapped[int]
    location: Mapped[str | None]
    body: Mapped[str]  # JSON; names nobody
    at: Mapped[datetime]


class Endpoint(Base):
    """Where a program wants to be told of events. Its secret is derived, and not kept."""

    __tablename__ = "endpoints"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    kinds: Mapped[str]  # sorted, joined by a blank
    with_address: Mapped[bool]  # are events of subscribers told with their address?
    nonce: Mapped[str]  # what the secret is derived from, beside SECRET_KEY
    created_at: Mapped[datetime]
    failures: Mapped[int]  # in a row
    rest_until: Mapped[
        datetime | None
    ]  # it did not take the last one: nothing is posted until then
    tried_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # of the last try: "200", "500", "no connection" …
    disabled_at: Mapped[datetime | None]


class Event(Base):
    """Something an endpoint is still to be told; the row goes when it was."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_due", "endpoint_id", "due_at"),
        {"sqlite_autoincrement": True},  # an id is told once
    )

    id: Mapped[int] = mapped_column(BIG_ID, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"))
    kind: Mapped[EventKind] = mapped_column(words(EventKind, 32))
    subscriber_id: Mapped[int | None] = mapped_column(
        info=personal("dat iemand zich in- of uitschreef, tot het doorgegeven is")
    )
    issue_number: Mapped[int | None]
    at: Mapped[datetime]
    due_at: Mapped[datetime]  # while it is being posted: when somebody else may
    attempts: Mapped[int]
