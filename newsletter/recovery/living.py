"""Who works at a database right now, on whichever host: a restore would pull it from under them."""

import os
import socket
from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from newsletter.db import CLOCK_LOCK, Database
from newsletter.models import Lease
from newsletter.recovery import copying, tables
from newsletter.seeing import workers
from newsletter.settings import Settings

LEASES = "leases"


def look(database: Database, settings: Settings) -> list[str]:
    """In words, each with its host where it is known. A database that cannot be read says nothing:
    that is what a backup is for."""
    if database.engine.name == "sqlite" and not copying.path_of(settings).exists():
        return []
    try:
        with database.read() as session:
            return _look(session, settings)
    except DatabaseError:
        return []


def _look(session: Session, settings: Settings) -> list[str]:
    there = set(tables.names(session.connection()))
    found = list[str]()
    if LEASES in there:
        live = select(Lease).where(Lease.expires_at > datetime.now(UTC)).order_by(Lease.id)
        for one in filter(_may_live, session.scalars(live)):
            found.append(f"{one.owner} mails (its lease ends {one.expires_at:%H:%M:%S} UTC)")
    if session.get_bind().dialect.name != "postgresql":
        return found
    silent = workers.silence(session) if workers.TABLE in there else None
    if silent is not None and silent < settings.lease_seconds:
        found.append("a `newsletter worker` lives")
    clock = {"clock": CLOCK_LOCK}
    if session.scalar(text("SELECT pg_try_advisory_xact_lock(:clock)"), clock) is False:
        found.append("`newsletter serve` runs the clock on some host")
    return found


def _may_live(lease: Lease) -> bool:
    """A process of this host that was killed keeps its lease for a while."""
    host, _colon, pid = lease.owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)  # only asks
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
