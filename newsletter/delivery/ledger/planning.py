"""Plan: who gets which edition, as rows; and the cursors of those who get nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from newsletter.delivery.ledger.rows import changed, closed, is_open, is_waiting
from newsletter.models import (
    AT_ONCE,
    Cursor,
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
    ItemNumber,
    Subscriber,
    SubscriberState,
)

MANY = 1000  # rows, of which a database should know at once
SCATTER = 7919  # a prime: neighbours in the table get moments far apart
IN_BULK = {"synchronize_session": False}  # a million rows are not to be loaded
COLUMNS = ["subscriber_id", "issue_number", "state", "attempts", "in_doubt", "edition_id", "due_at"]

# Groups and their editions, while they are planned.
_listed = Table(
    "listed_groups",
    MetaData(),
    Column("locale", String, primary_key=True),
    Column("topic_choice_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("edition_id", Integer),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Group:
    """Readers who get the same: one locale, one choice of topics, one cursor, as they are `now`."""

    locale: str
    topic_choice_id: int
    cursor: int
    now: datetime


def audience(session: Session, cadence: str | None, now: datetime) -> int:
    """How many readers of a cadence (None: of all) get mail `now`, whatever their topics."""
    return session.scalar(select(func.count()).where(*_readers(cadence, now))) or 0


def newest_number(session: Session) -> int:
    """The newest published item number, 0 before the first."""
    return session.scalar(select(func.max(ItemNumber.number))) or 0


def start_cursors(session: Session, subscriber_ids: Sequence[int]) -> None:
    """Set cursors to the newest published number: who confirms or comes back gets what is new."""
    newest = newest_number(session)
    session.execute(delete(Cursor).where(Cursor.subscriber_id.in_(subscriber_ids)))
    if subscriber_ids:
        rows = [{"subscriber_id": id, "number": newest} for id in subscriber_ids]
        session.execute(insert(Cursor), rows)


def start_new_cursors(session: Session, newcomers: Select[int]) -> None:
    """The same for subscribers without a cursor, by a query of their ids: an import's thousands."""
    starts = newcomers.add_columns(literal(newest_number(session)))
    session.execute(insert(Cursor).from_select(["subscriber_id", "number"], starts))


def take_stock(session: Session) -> None:
    """Right after many rows came or changed PostgreSQL knows nothing of it, and plans badly."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE subscribers, cursors, deliveries"))


def withdraw_older(session: Session, issue: Issue, now: datetime) -> int:
    """Withdraw older open rows of this issue's readers: its editions hold their items too.

    Only what was certainly not sent, or what a person stopped; claimed rows and rows in doubt are
    left to settle.
    """
    readers = select(Subscriber.id).where(*_audience(issue, now))
    stopped = select(Issue.number).where(Issue.state == IssueState.STOPPED)
    free = or_(Delivery.in_doubt == 0, Delivery.issue_number.in_(stopped))
    # Older by planning, not by number; an issue that reaches higher holds more than this one.
    lower = select(Issue.number).where(Issue.number != issue.number, Issue.top <= issue.top)
    older = and_(is_waiting(), free, Delivery.issue_number.in_(lower))
    change = update(Delivery).where(older, Delivery.subscriber_id.in_(readers))
    change = change.values(**closed(DeliveryState.WITHDRAWN, now))
    withdrawn = changed(session.execute(change, execution_options=IN_BULK))
    if withdrawn:  # else PostgreSQL expects as many open rows as before: minutes for a million
        take_stock(session)
    return withdrawn


def groups(session: Session, issue: Issue, top: int, now: datetime) -> list[Group]:
    """The readers still to be planned, by what they get; without those whose pause lasts."""
    columns = (Subscriber.locale, Subscriber.topic_choice_id, Cursor.number)
    query = (
        select(*columns)
        .join(Cursor, Cursor.subscriber_id == Subscriber.id)
        .where(*_to_plan(issue, top, now))
        .group_by(*columns)
        .order_by(*columns)
    )
    return [Group(*row, now) for row in session.execute(query)]


def plan(
    session: Session,
    issue: Issue,
    top: int,
    editions: Mapping[Group, int],
    due_at: ColumnElement[datetime],
) -> int:
    """Write one pending row for each reader of the groups, with their edition; returns how many.

    `due_at` is `at_once()`, `spread` over a window, or `engaged_first`.
    """
    if not editions:
        return 0
    _alone(session)
    _list(session, editions)
    readers = _listed_readers(issue, top, next(iter(editions)).now)
    readers = readers.add_columns(*_constants(issue.number), _listed.c.edition_id, due_at)
    # Who pauses or is erased at this moment holds their row: waited for, and looked at again.
    readers = readers.with_for_update(of=Subscriber, read=True, key_share=True)
    statement = insert(Delivery).from_select(COLUMNS, readers)
    written = changed(session.execute(statement, execution_options={"preserve_rowcount": True}))
    if written >= MANY:  # else each claim sorts a million rows until PostgreSQL looks by itself
        take_stock(session)
    return written


def skip(session: Session, issue: Issue, top: int, groups: Sequence[Group]) -> int:
    """Nothing new for these readers: no row, but their cursors move past the issue."""
    if not groups:
        return 0
    _list(session, dict.fromkeys(groups))
    readers = _listed_readers(issue, top, groups[0].now)
    change = update(Cursor).where(Cursor.subscriber_id.in_(readers), Cursor.number < top)
    return changed(session.execute(change.values(number=top), execution_options=IN_BULK))


def readers_waiting(session: Session, issue: Issue, top: int, now: datetime) -> bool:
    """Is there a reader whose older row must settle before this issue can be planned?"""
    query = select(Subscriber.id).join(Cursor, Cursor.subscriber_id == Subscriber.id)
    older = exists().where(Delivery.subscriber_id == Subscriber.id, is_open())
    waiting = (*_audience(issue, now), Cursor.number < top, older, ~_planned(issue))
    return session.scalar(query.where(*waiting).limit(1)) is not None


def waits_untouched(session: Session, issue_number: int) -> bool:
    """Are there rows of the issue to be sent, and was none of them ever tried?"""
    mine = Delivery.issue_number == issue_number
    tried = select(Delivery.id).where(mine, Delivery.first_tried_at.is_not(None)).limit(1)
    waiting = select(Delivery.id).where(mine, is_open()).limit(1)
    return session.scalar(waiting) is not None and session.scalar(tried) is None


def lowest_cursor(session: Session, cadence: str | None, now: datetime) -> int | None:
    """The lowest cursor among the readers of a cadence (None: of all) who get mail `now`."""
    query = select(func.min(Cursor.number)).join(Subscriber, Cursor.subscriber_id == Subscriber.id)
    return session.scalar(query.where(*_readers(cadence, now)))


def withdraw_unsent(session: Session, subscriber_id: int, now: datetime) -> int:
    """Withdraw what a reader who pauses was surely not sent; it comes with a later issue.

    What may have arrived is left to settle: else it would come twice.
    """
    unopened = or_(is_waiting(), Delivery.opened_at.is_(None))
    mine = (Delivery.subscriber_id == subscriber_id, is_open(), unopened, Delivery.in_doubt == 0)
    change = update(Delivery).where(*mine).values(**closed(DeliveryState.WITHDRAWN, now))
    return changed(session.execute(change))


def _readers(cadence: str | None, now: datetime) -> list[ColumnElement[bool]]:
    """Active, and not pausing: a pause moves no cursor, so that nothing is lost by it."""
    reading = or_(Subscriber.paused_until.is_(None), Subscriber.paused_until <= now)
    conditions: list[ColumnElement[bool]] = [Subscriber.state == SubscriberState.ACTIVE, reading]
    if cadence is not None:
        conditions.append(Subscriber.cadence == cadence)
    return conditions


def _audience(issue: Issue, now: datetime) -> list[ColumnElement[bool]]:
    return _readers(issue.cadence, now)


def _planned(issue: Issue) -> ColumnElement[bool]:
    mine = Delivery.issue_number == issue.number
    return exists().where(Delivery.subscriber_id == Subscriber.id, mine)


def _to_plan(issue: Issue, top: int, now: datetime) -> list[ColumnElement[bool]]:
    """Readers whose cursor lies below `top`, with no row of this issue and no open row at all."""
    has_open = exists().where(Delivery.subscriber_id == Subscriber.id, is_open())
    return [*_audience(issue, now), Cursor.number < top, ~has_open, ~_planned(issue)]


def _alone(session: Session) -> None:
    """Until the end of the transaction nobody else plans; senders and readers go on."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE deliveries IN SHARE UPDATE EXCLUSIVE MODE"))


def _list(session: Session, editions: Mapping[Group, int | None]) -> None:
    """Write the groups into a temporary table, so that one pass over the readers serves all."""
    _listed.create(session.connection(), checkfirst=True)
    session.execute(delete(_listed))
    rows = [
        {
            "locale": group.locale,
            "topic_choice_id": group.topic_choice_id,
            "number": group.cursor,
            "edition_id": edition_id,
        }
        for group, edition_id in editions.items()
    ]
    session.execute(insert(_listed), rows)
    if session.get_bind().dialect.name == "postgresql":
        # It takes a table it knows nothing about for a small one, and looks up millions of cursors.
        session.execute(text("ANALYZE listed_groups"))


def _listed_readers(issue: Issue, top: int, now: datetime) -> Select[int]:
    """Readers of the listed groups, as they are at this moment: who changed since is in none."""
    is_theirs = and_(
        _listed.c.locale == Subscriber.locale,
        _listed.c.topic_choice_id == Subscriber.topic_choice_id,
        _listed.c.number == Cursor.number,
    )
    # An outer join, so that the groups are looked up for each reader: a planner that went through
    # the readers for each group would take hours, and SQLite's does when it may choose.
    return (
        select(Subscriber.id)
        .join(Cursor, Cursor.subscriber_id == Subscriber.id)
        .outerjoin(_listed, is_theirs)
        .where(*_to_plan(issue, top, now), _listed.c.number.is_not(None))
        .order_by(Subscriber.id)
    )


def at_once() -> ColumnElement[datetime]:
    """For every reader as soon as possible."""
    return literal(AT_ONCE, Delivery.due_at.type)


def spread(session: Session, now: datetime, window: timedelta) -> ColumnElement[datetime]:
    """For each reader another moment of the window; for one reader always the same."""
    second = cast(Subscriber.id, BigInteger) * SCATTER % int(window.total_seconds())
    return after(session, now, second)


def after(
    session: Session, start: datetime, seconds: ColumnElement[int]
) -> ColumnElement[datetime]:
    """So many seconds after a moment, for each reader."""
    if session.get_bind().dialect.name == "sqlite":
        from_start = start.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        shift = cast(seconds, String) + " seconds"
        return func.strftime("%Y-%m-%d %H:%M:%S", from_start, shift) + ".000000"
    return literal(start) + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _constants(issue_number: int) -> list[ColumnElement[object]]:
    return [
        literal(issue_number),
        literal(DeliveryState.PENDING, Delivery.state.type),
        literal(0),
        literal(0),
    ]
