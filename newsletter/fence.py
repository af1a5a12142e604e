"""The fence: a copy of the server, or a restored backup, plans, claims and sends nothing by itself.

A counter is raised with each plan, each batch that is claimed and each lease that ends: in the
database first, committed, then in a file outside the backups (OUTSIDE_DIR); only then is what was
claimed used. So the file is never ahead of its database, unless that went back in time. The row
says besides where the database is at home. docs/RECOVERY.md tells what cannot be seen even so.

A database on SQLite is at home on one machine, at one path, in one file. One on PostgreSQL is at
home in one database of one server, on one timeline; each host of many has a file of its own, and a
new one joins without a person while another works there. A host whose file is ahead marks the row,
so that all are held. Each host raises the counter every minute (`keep`), so that whatever database
is put back between two issues is behind, too. Only this file writes `fence`.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sqlalchemy import URL, Connection, bindparam, select, text, update
from sqlalchemy.orm import Session, aliased

from newsletter import owners
from newsletter.db import Database, insertion, with_commit
from newsletter.errors import AdoptFirst, TryLater
from newsletter.i18n import Said
from newsletter.models import Fence
from newsletter.settings import Settings

log = logging.getLogger(__name__)
NAME = "fence"
AWAY = "away"  # begins the identity of a copy that is at home nowhere
LEAP = 1_000_000_000  # when it is adopted: past the files of all hosts
WORKING = timedelta(minutes=3)  # since the counter was raised: some host works there
LINEAGE, DIGITS = 32, 20  # characters in the file
MACHINE_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
# Rights that a role of PostgreSQL may lack with some providers; what it may not ask is left out.
ASKED = {
    "pg_control_system()": "(SELECT system_identifier::text FROM pg_control_system())",
    "pg_walfile_name(pg_lsn)": "left(pg_walfile_name(pg_current_wal_lsn()), 8)",  # the timeline
}


_before = aliased(Fence)  # on PostgreSQL, the row as it was before
# Built once: it runs with each batch that is claimed.
RAISE = (
    update(Fence)
    .values(counter=Fence.counter + 1, host=bindparam("name"), raised_at=bindparam("now"))
    .returning(
        Fence.lineage,
        Fence.counter,
        Fence.identity,
        Fence.host,
        select(_before.raised_at).where(_before.id == 1).scalar_subquery(),
    )
)
RESTORED = Said("de databank is een teruggezette reservekopie")
MOVED = Said("de databank is een kopie, of verhuisd van een andere machine of plaats")
OTHER = Said("de map OUTSIDE_DIR hoort bij een andere databank")
MISSING = Said("het bestand fence ontbreekt in de map OUTSIDE_DIR")


@dataclass(frozen=True, slots=True)
class Mark:
    """A counter of a lineage, as the file has it."""

    lineage: str
    counter: int


@dataclass(frozen=True, slots=True)
class Stand:
    """What the row says."""

    lineage: str
    counter: int
    identity: str | None = None
    host: str | None = None
    raised_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Why nothing is sent, and how far the file is ahead of the database (0: it is not)."""

    why: Said
    ahead: int = 0

    @property
    def said(self) -> Said:
        """The one sentence for people, with what to do."""
        return Said(
            "Er wordt niets verstuurd, want %(why)s: voer `newsletter adopt` uit op de server.",
            why=self.why,
        )


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a connection leads to; `shared`: several hosts work there."""

    identity: str
    shared: bool


def look(session: Session, settings: Settings) -> Held | None:
    """Why everything is held, or None. Reads only; the first thing in its session, so that the
    file is not newer than what is read."""
    noted = _noted(settings)
    row = stand(session)
    return _judge(row, noted, _home(session.connection(), settings)) if row else None


def require(session: Session, settings: Settings) -> None:
    """Raises AdoptFirst when everything is held; see `look`."""
    if held := look(session, settings):
        raise AdoptFirst(held.said)


def require_home(database: Database, settings: Settings) -> None:
    """The same, in a session of its own."""
    with database.read() as session:
        held = look(session, settings)
    if held:
        if held.ahead:
            _hold_all(database, settings)
        raise AdoptFirst(held.said)


def keep(database: Database, settings: Settings, *, raising: bool, anyhow: bool) -> None:
    """What each host does regularly: raise the counter and note it; or hold all hosts, when the
    file is ahead. `anyhow`: also before anything was sent. Raises TryLater."""
    with database.read() as session:
        held, row = look(session, settings), stand(session)
    if held and held.ahead:
        _hold_all(database, settings)
    if held or not raising or not (anyhow or (row and row.identity)):
        return
    try:
        with database.write() as session:
            mark = advance(session.connection(), settings)
        note(settings, mark)
    except OSError as error:
        raise TryLater(f"The fence (OUTSIDE_DIR) cannot be written now: {error}.") from error


def _hold_all(database: Database, settings: Settings) -> None:
    """Say in the row that the database went back, for hosts whose files do not know."""
    noted = _noted(settings)
    with database.write() as session:
        row = session.get(Fence, 1, with_for_update=True)  # an adoption meanwhile counts
        ahead = noted and row and noted.lineage == row.lineage and noted.counter > row.counter
        if row and ahead and not (row.identity or "").startswith(AWAY):
            row.identity = f"{AWAY} behind the file of {_host()}"


def stand(session: Session) -> Stand | None:
    """What the row says; None before anything was ever sent."""
    row = session.get(Fence, 1, populate_existing=True)
    return Stand(row.lineage, row.counter, row.identity, row.host, row.raised_at) if row else None


def advance(connection: Connection, settings: Settings) -> Mark:
    """Raise the counter, last in a transaction, since others wait for its row. Once that is
    committed, `note` what it returns. Raises AdoptFirst when everything is held."""
    row, home = _raise(connection), _home(connection, settings)
    before = replace(row, counter=row.counter - 1)
    if held := _judge(before, _noted(settings), home):
        raise AdoptFirst(held.said)
    if row.identity is None:
        # This once the file comes first: a crash in between must not leave a database that says
        # there is a file. It is not ahead.
        _begin(settings, Mark(before.lineage, before.counter), home.identity)
        connection.execute(update(Fence).values(identity=home.identity))
    return Mark(row.lineage, row.counter)


def advance_with(session: Session, settings: Settings) -> None:
    """Do both around the commit of this session, for what a file may stay behind of."""

    def before(session: Session, marks: list[Mark]) -> None:
        session.flush()
        marks.append(advance(session.connection(), settings))

    def after(marks: list[Mark]) -> None:
        try:
            note(settings, marks[-1])
        except OSError as error:
            log.error("The fence cannot be written: %s.", error)

    with_commit(session, NAME, before, after)


def note(settings: Settings, mark: Mark) -> None:
    """Write in the file what was committed; one that is further already stays. Raises OSError."""
    try:
        descriptor = os.open(_file(settings), os.O_RDWR)
    except FileNotFoundError:
        return _write(settings, mark)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of several processes, the highest counts
        known = _read(os.pread(descriptor, LINEAGE + 1 + DIGITS, 0))
        if known is None or known.lineage != mark.lineage:
            return _write(settings, mark)
        if known.counter < mark.counter:
            # In place, within one sector, which is written whole or not at all.
            os.pwrite(descriptor, f"{mark.counter:0{DIGITS}d}".encode(), LINEAGE + 1)
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return None


def hold(connection: Connection, why: str) -> None:
    """Make a copy one that is at home nowhere; `why` is kept instead, for people."""
    _raise(connection)
    connection.execute(update(Fence).values(identity=f"{AWAY} {why}"))


def adopt(session: Session, settings: Settings) -> None:
    """Make this machine and place the home of the database, further than every file there is; the
    file follows the commit."""
    noted, row = _noted(settings), _raise(session.connection())
    counter = max(row.counter, noted.counter if noted else 0) + LEAP
    home = _home(session.connection(), settings)
    session.execute(update(Fence).values(counter=counter, identity=home.identity))
    marks = with_commit(session, NAME, after=lambda all: _begin(settings, all[-1], home.identity))
    marks.append(Mark(row.lineage, counter))


def _raise(connection: Connection) -> Stand:
    """Raise the counter of the row, which is made when a test has taken it away."""
    values = {"name": _host(), "now": datetime.now(UTC)}
    row = connection.execute(RAISE, values).one_or_none()
    if row is None:
        made = {"id": 1, "lineage": secrets.token_hex(LINEAGE // 2), "counter": 0}
        connection.execute(insertion(connection, Fence).on_conflict_do_nothing(), made)
        row = connection.execute(RAISE, values).one()
    return Stand(*row)


@lru_cache(1)
def _host() -> str:
    return socket.gethostname()


def _judge(row: Stand, noted: Mark | None, home: _Home) -> Held | None:
    ours = noted is not None and noted.lineage == row.lineage
    foreign = noted is not None and not ours
    if noted and ours and noted.counter > row.counter:
        return Held(RESTORED, noted.counter - row.counter)
    why = None
    if row.identity is None:  # it never sent anything; a file of a database that is gone is old
        why = OTHER if foreign and row.counter else None
    elif row.identity.startswith(AWAY):
        why = RESTORED
    elif row.identity != home.identity:
        why = MOVED
    elif not (ours or (home.shared and _works(row))):
        why = OTHER if foreign else MISSING
    return Held(why) if why else None


def _works(row: Stand) -> bool:
    """Did some host raise the counter just now? One without a file may then join it."""
    return row.raised_at is not None and abs(datetime.now(UTC) - row.raised_at) < WORKING


def _home(connection: Connection, settings: Settings) -> _Home:
    if connection.dialect.name == "postgresql":
        return _Home(str(connection.execute(text(_question(connection))).scalar()), shared=True)
    path = Path(connection.engine.url.database or "").resolve()
    inode = path.stat().st_ino if path.exists() else 0
    return _Home(f"{_machine(settings.machine_id)} {inode} {path}", shared=False)


def _question(connection: Connection) -> str:
    """Database, table (restoring a dump makes another one), port, server and timeline."""
    url = connection.engine.url
    if url not in _questions:
        may = text("SELECT has_function_privilege(:name, 'execute')")
        asked = [
            part for name, part in ASKED.items() if connection.execute(may, {"name": name}).scalar()
        ]
        own = "(SELECT oid::text FROM pg_database WHERE datname = current_database())"
        parts = [own, "'fence'::regclass::oid::text", "current_setting('port')", *asked]
        _questions[url] = f"SELECT concat_ws(' ', {', '.join(parts)})"
    return _questions[url]


_questions: dict[URL, str] = {}


@lru_cache(8)
def _machine(chosen: str) -> str:
    """A name for this machine that says nothing of it (machine-id(5) asks for that)."""
    found = chosen
    for file in MACHINE_FILES:
        with contextlib.suppress(OSError):
            found = found or Path(file).read_text("ascii").strip()
    return hashlib.sha256(b"newsletter/" + found.encode()).hexdigest()[:16]


def _file(settings: Settings) -> Path:
    return settings.outside_dir / NAME


def _noted(settings: Settings) -> Mark | None:
    """What the file says; None when there is none. One that cannot be read stops everything."""
    try:
        found = _read(_file(settings).read_bytes()[: LINEAGE + 1 + DIGITS])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TryLater(f"The fence cannot be read: {error}.") from error
    return found or Mark("", 0)


def _read(octets: bytes) -> Mark | None:
    lineage, _blank, counter = octets.decode("ascii", "replace").partition(" ")
    whole = len(lineage) == LINEAGE and len(counter) == DIGITS and counter.isdecimal()
    return Mark(lineage, int(counter)) if whole else None


def _begin(settings: Settings, mark: Mark, identity: str) -> None:
    try:
        _write(settings, mark, identity)
    except OSError as error:
        raise TryLater(f"The fence cannot be written in OUTSIDE_DIR: {error}.") from error


def _write(settings: Settings, mark: Mark, identity: str = "") -> None:
    """A whole file, in one step; the host and the identity in it are for people."""
    owners.make(settings.outside_dir, settings.instance_dir)
    with tempfile.NamedTemporaryFile("w", dir=settings.outside_dir, delete=False) as fresh:
        fresh.write(f"{mark.lineage} {mark.counter:0{DIGITS}d}\n{_host()} {identity}\n")
        fresh.flush()
        owners.give(fresh.fileno(), settings.outside_dir)
        os.fsync(fresh.fileno())
    Path(fresh.name).replace(_file(settings))
