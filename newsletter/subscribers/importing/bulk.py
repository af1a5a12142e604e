"""The bulk writer of the people's tables: ten thousand newcomers in a few statements.

They go into a temporary table by the driver's quickest way, with ids that are reserved for them,
and from there into `subscribers`, `consents` and `consent_details`, and through the ledger into
`cursors`. What a proof holds is `consent.rows`' business. A database that commits each batch keeps
SQLite's write lock for a fraction of a second.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    any_,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from newsletter import notices
from newsletter.db import Plain, UtcDateTime
from newsletter.delivery import ledger
from newsletter.models import ConsentEvent, NoticeKind, Subscriber, SubscriberState
from newsletter.subscribers import consent
from newsletter.subscribers.consent import CONSENTS, DETAILS, Person, Proof
from newsletter.subscribers.importing.entries import Entry

SUBSCRIBERS = cast("Table", Subscriber.__table__)
TIME = UtcDateTime(timezone=True)
ARRIVALS = Table(
    "arrivals",
    MetaData(),
    Column("id", Integer),
    Column("consent_id", Integer),
    Column("email", String),
    Column("canonical", String),
    Column("locale", String),
    Column("cadence", String),
    Column("topics", String),
    Column("topic_choice_id", Integer),
    Column("confirmed_at", TIME),
    Column("salt", LargeBinary),
    Column("details_hash", String),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
CONFIRMED: ColumnElement[bool] = ARRIVALS.c.confirmed_at.is_not(None)
CACHE_KILOBYTES = 8_000
LOG_PAGES = 16_000  # of 4 kB: what several batches change is copied once
LOOKED_UP = 5000  # addresses in one query; SQLite has room for some 32,000
Item = TypeVar("Item")


@contextmanager
def roomy(session: Session) -> Iterator[None]:
    """SQLite's own limits are made for small transactions; a batch changes pages by thousands.

    New addresses fall all over their index, and each page would be copied from the log into the
    database after each batch.
    """
    if session.get_bind().dialect.name != "sqlite":
        yield
        return
    raw: Any = session.connection().connection.driver_connection
    names = ("cache_size", "wal_autocheckpoint")
    before = {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
    raw.execute(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")
    raw.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    try:
        yield
    finally:
        for name, value in before.items():
            raw.execute(f"PRAGMA {name} = {value}")
        if not raw.in_transaction:  # else the next visitor's commit would copy it all
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)")


class Known(NamedTuple):
    """Somebody we know: may a row with a time of consent make them active?"""

    id: int
    state: SubscriberState
    may_start: bool


def known(session: Session, canonicals: Sequence[str]) -> dict[str, Known]:
    """Those of the addresses that have a row, by canonical address."""
    found: dict[str, Known] = {}
    untouched = Subscriber.left_at.is_(None) & Subscriber.confirmed_at.is_(None)
    pending = Subscriber.state == SubscriberState.PENDING
    may_start = (pending & untouched).label("may_start")
    query = select(Subscriber.canonical, Subscriber.id, Subscriber.state, may_start)
    for some in parts(canonicals):
        for row in session.execute(query.where(among(session, Subscriber.canonical, some))):
            found[row[0] or ""] = Known(row[1], row[2], row[3])
    return found


def parts(values: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """So many at once as one query may ask for."""
    for start in range(0, len(values), LOOKED_UP):
        yield values[start : start + LOOKED_UP]


def among(session: Session, column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    """Is the column one of thousands? For PostgreSQL's driver one parameter, since each costs."""
    if session.get_bind().dialect.name == "sqlite":
        return cast("ColumnElement[bool]", column.in_(values))
    return cast("ColumnElement[bool]", column == any_(literal(values, ARRAY(column.type))))


def add(
    session: Session,
    entries: Sequence[Entry],
    topic_choices: Mapping[str, int],
    source: str,
    now: datetime,
    invite: bool,
) -> None:
    """Write people nobody knows yet, with their proofs and the cursors of the active ones.

    The pending ones get a confirm notice when we `invite`.
    Raises IntegrityError when somebody signed up, or was imported, at this very moment.
    """
    people = _people(session, entries)
    session.connection().execute(CreateTable(ARRIVALS, if_not_exists=True))
    _fill(session, list(_rows(session, people, entries, topic_choices, source, now)))
    for statement in (_subscribers(now), _consents(source, now), _details()):
        session.connection().execute(statement)
    ledger.start_new_cursors(session, select(ARRIVALS.c.id).where(CONFIRMED))
    if invite:
        pending = select(ARRIVALS.c.id, ARRIVALS.c.email, ARRIVALS.c.locale).where(~CONFIRMED)
        facts = {"asked_at": now.isoformat(), "source": source}
        notices.queue_for(session, NoticeKind.CONFIRM, pending, facts, now)
    session.connection().execute(delete(ARRIVALS))


def _people(session: Session, entries: Sequence[Entry]) -> list[Person]:
    ids = _reserve(session, SUBSCRIBERS, len(entries))
    return [
        Person(id, entry.email, entry.locale, entry.cadence, entry.topics)
        for id, entry in zip(ids, entries, strict=True)
    ]


def _reserve(session: Session, table: Table, count: int) -> Sequence[int]:
    """Ids that nobody else takes: SQLite has its write lock already, PostgreSQL its sequences."""
    if session.get_bind().dialect.name == "sqlite":
        highest = session.scalar(select(func.max(table.c.id))) or 0
        return range(highest + 1, highest + 1 + count)
    ids = "SELECT nextval(pg_get_serial_sequence(:name, 'id')) AS id FROM generate_series(1, :n)"
    order = text(f"SELECT array_agg(id) FROM ({ids}) AS ids")  # noqa: S608 # nosec B608 # no value
    return cast("list[int]", session.scalar(order, {"name": table.name, "n": count}))


def _rows(
    session: Session,
    people: Sequence[Person],
    entries: Sequence[Entry],
    topic_choices: Mapping[str, int],
    source: str,
    now: datetime,
) -> Iterator[tuple[Any, ...]]:
    made = consent.rows(people, ConsentEvent.IMPORTED, _proof(source), now)
    ids = _reserve(session, CONSENTS, len(people))
    halves = zip(made.consents, made.details, strict=True)
    for entry, person, consent_id, (row, details) in zip(entries, people, ids, halves, strict=True):
        yield (
            person.subscriber_id,
            consent_id,
            *entry[1:6],
            topic_choices[entry.topics],
            entry.confirmed_at,
            details["salt"],
            row["details_hash"],
        )


def _proof(source: str) -> Proof:
    return Proof("import", source=source)


def _fill(session: Session, rows: Iterable[tuple[Any, ...]]) -> None:
    """By the driver's own quickest way; SQLAlchemy's costs more than all the rest."""
    raw: Any = session.connection().connection.driver_connection
    names = ", ".join(ARRIVALS.columns.keys())
    if session.get_bind().dialect.name == "sqlite":
        marks = ", ".join("?" * len(ARRIVALS.columns))
        place = list(ARRIVALS.columns.keys()).index("confirmed_at")
        stored = Plain(session).moment  # as SQLAlchemy writes a time
        kept = (
            (*row[:place], stored(row[place]) if row[place] else None, *row[place + 1 :])
            for row in rows
        )
        into = f"INSERT INTO arrivals ({names}) VALUES ({marks})"  # noqa: S608 # nosec B608 # ours
        raw.executemany(into, kept)
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY arrivals ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _subscribers(now: datetime) -> Any:
    given = ("id", "email", "canonical", "locale", "cadence", "topic_choice_id", "confirmed_at")
    state = case((CONFIRMED, SubscriberState.ACTIVE.value), else_=SubscriberState.PENDING.value)
    columns = [ARRIVALS.c[name] for name in given]
    rows = select(*columns, state, literal(now, TIME))
    return insert(SUBSCRIBERS).from_select([*given, "state", "created_at"], rows)


def _consents(source: str, now: datetime) -> Any:
    event = case((CONFIRMED, ConsentEvent.IMPORTED.value), else_=ConsentEvent.ASKED.value)
    proof = _proof(source)
    values: dict[str, ColumnElement[Any]] = {
        "id": ARRIVALS.c.consent_id,
        "subscriber_id": ARRIVALS.c.id,
        "event": event,
        "at": literal(now, TIME),
        "route": literal(proof.route),
        "locale": ARRIVALS.c.locale,
        "cadence": ARRIVALS.c.cadence,
        "topics": ARRIVALS.c.topics,
        "source": literal(proof.source),
        "facts": literal({}, JSON()),
        "details_hash": ARRIVALS.c.details_hash,
    }
    rows = select(*values.values())
    return insert(CONSENTS).from_select([*values], rows)


def _details() -> Any:
    columns = [ARRIVALS.c[name] for name in ("consent_id", "salt", "email")]
    rows = select(*columns)
    return insert(DETAILS).from_select(["consent_id", "salt", "email"], rows)
