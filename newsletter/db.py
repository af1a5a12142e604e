"""Sessions on SQLite (embedded) or PostgreSQL, and the type that keeps times in UTC."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

import psycopg
from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DisconnectionError, InternalError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

POOL = 20  # connections to PostgreSQL that a process keeps: for its threads, and the clock's
IDLE_SECONDS = 1
CLOCK_LOCK = 0x46696162656C  # PostgreSQL's advisory lock of the one clock of all hosts
# A network that is cut says nothing: both sides must notice, well within the usual LEASE_SECONDS.
# Otherwise we wait for a quarter of an hour for an answer, and the server keeps the locks of a host
# that is gone for hours. Unless DATABASE_URL says otherwise.
NOTICE_A_CUT: dict[str, int | str] = {
    "connect_timeout": 10,  # seconds
    "tcp_user_timeout": 15_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "options": (
        "-c tcp_user_timeout=15000 -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
        " -c tcp_keepalives_count=2 -c client_connection_check_interval=10000"
    ),
}
# A database that is locked, restarted, read-only or full; from SQLAlchemy, or from a driver itself.
UNAVAILABLE = (
    OperationalError,
    InternalError,
    sqlite3.OperationalError,
    psycopg.OperationalError,
    psycopg.InternalError,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, in UTC. A naive one is a mistake and refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was about to be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}
    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={  # so that a later migration can name what it changes
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def connect(database_url: str) -> "Database":
    """Open the database at `database_url`; nothing is created yet (see `newsletter migrate`)."""
    if not database_url.startswith("sqlite"):
        known = {"connect_args": connection_options(database_url), "hide_parameters": True}
        engine = create_engine(database_url, pool_size=POOL, **known)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _ping_when_idle)
        return Database(engine)
    # Parameters hold addresses: they must not stand in an error that is logged.
    engine = create_engine(database_url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def connection_options(database_url: str) -> dict[str, int | str]:
    """What libpq is told beside the address of a PostgreSQL database."""
    chosen = make_url(database_url).query
    return {name: value for name, value in NOTICE_A_CUT.items() if name not in chosen}


class Database:
    """The one engine of a process; hands out sessions for work units."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Threads of one process queue here; SQLite itself would let them poll for its lock.
        self._turn = threading.RLock() if engine.name == "sqlite" else contextlib.nullcontext()
        self._reading = engine.execution_options(sqlite_begin="DEFERRED")

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that may write: committed by the door at the end, rolled back on an error."""
        with self._turn, Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()

    def forget(self) -> None:
        """After an erasure: no copy of what was deleted stays behind in SQLite's log.

        Waits for readers that still need the log. PostgreSQL keeps its own log, for recovery.
        """
        if self.engine.name == "sqlite":
            with self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None  # noqa: S101 (it is open)
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def transaction(self, connection: Connection, *, single: bool = False) -> Iterator[Connection]:
        """A transaction of `connection` that may write; committed at the end.

        `single`: of one statement on PostgreSQL, on the driver's own connection. The server commits
        it by itself, so that BEGIN and COMMIT need no journeys.
        """
        if not single or self.engine.name == "sqlite":
            with self._turn, connection.begin():
                yield connection
            return
        raw: Any = connection.connection.driver_connection
        raw.autocommit = True
        yield connection
        raw.autocommit = False

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads, and that a long write does not hold up."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session


Values = Sequence[object] | Mapping[str, object]


class Plain:
    """Plain SQL on the driver's own connection, in the session's transaction: for hot paths only.

    Statements built from expressions, and results that go through SQLAlchemy, cost ten times what
    the database does. Parameters are `?` on every database, values the drivers' own.
    """

    def __init__(self, session: Session) -> None:
        connection = session.connection()
        self.sqlite = connection.dialect.name == "sqlite"
        self._raw: Any = connection.connection.driver_connection
        self._pipeline: Any = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is told within travels with the next question: each journey takes time."""
        if self.sqlite:
            yield
            return
        with self._raw.pipeline() as self._pipeline:
            yield
        self._pipeline = None

    def tell(self, sql: str, values: Values) -> Any:
        """Run one statement whose rows nobody needs; the driver's cursor."""
        return self._raw.execute(sql if self.sqlite else sql.replace("?", "%s"), values)

    def run(self, sql: str, values: Values) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, if it has any."""
        cursor = self.tell(sql, values)
        if self._pipeline is not None:
            self._pipeline.sync()
        rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return rows

    def moment(self, at: datetime) -> object:
        """A time as this database keeps it."""
        if not self.sqlite:
            return at
        return at.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")


def moment(kept: object) -> datetime:
    """A time as `Plain` reads it from either database, aware, in UTC."""
    found = datetime.fromisoformat(kept) if isinstance(kept, str) else kept
    assert isinstance(found, datetime)  # noqa: S101 (there is no third way to keep a time)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def with_commit(
    session: Session,
    name: str,
    before: Callable[[Session, list[Any]], None] | None = None,
    after: Callable[[list[Any]], None] | None = None,
) -> list[Any]:
    """Do something right before this session's commit, or right after it, once for each `name`,
    with the notes that were added to what this returns; a rollback forgets both.

    What `before` raises ends the transaction; `after` must raise nothing. Savepoints do not count.
    """
    acts: _Acts = session.info.setdefault("with_commit", {})
    for moment, listener in (
        ("before_commit", _act_before),
        ("after_commit", _act_after),
        ("after_rollback", _forget_acts),
    ):
        if not event.contains(session, moment, listener):
            event.listen(session, moment, listener)
    return acts.setdefault(name, (before, after, []))[2]


_Acts = dict[
    str,
    tuple[
        Callable[[Session, list[Any]], None] | None, Callable[[list[Any]], None] | None, list[Any]
    ],
]


def _act_before(session: Session) -> None:
    if not session.in_nested_transaction():
        for before, _after, notes in list(session.info.get("with_commit", {}).values()):
            if before:
                before(session, notes)


def _act_after(session: Session) -> None:
    if not session.in_nested_transaction():
        for _before, after, notes in session.info.pop("with_commit", {}).values():
            if after:
                after(notes)


def _forget_acts(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop("with_commit", None)


def insertion(session: Session | Connection, table: type[Base]) -> Any:
    """An INSERT into `table` that can say `on_conflict_do_…`, on either database."""
    bound = session.get_bind() if isinstance(session, Session) else session
    make = sqlite_insert if bound.dialect.name == "sqlite" else postgresql_insert
    return make(table)


def new_rows(session: Session, table: type[Base]) -> Any:
    """An INSERT into `table` that leaves rows alone which are there already."""
    return insertion(session, table).on_conflict_do_nothing()


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_when_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """A connection that was not used lately may be cut: then the pool takes another.

    SQLAlchemy's own way (pool_pre_ping) asks each time, and each question is a journey.
    """
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < IDLE_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: its deferred ones lose updates (see begin).
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock first, so that what was read is still true when it is written.
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
