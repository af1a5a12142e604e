"""Answers that are kept for a day, so that a request which is sent again does nothing again.

As draft-ietf-httpapi-idempotency-key-header says. The answer is written in the transaction of what
the request did: after a crash there are both or neither.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from newsletter.models import Replay

KEPT = timedelta(hours=24)
_RUNNING: set[tuple[int, str]] = set()
_GUARD = threading.Lock()


class Clash(StrEnum):
    """Why a request with a key is not done."""

    RUNNING = "running"  # the same one is being done at this moment
    OTHER = "other"  # the key was used for another request


@contextmanager
def turn(token_id: int, key: str) -> Iterator[bool]:
    """Is this the only request of this process with the key? Held until the end, commit and all."""
    mine = (token_id, key)
    with _GUARD:
        first = mine not in _RUNNING
        _RUNNING.add(mine)
    try:
        yield first
    finally:
        if first:
            with _GUARD:
                _RUNNING.discard(mine)


def find(
    session: Session, token_id: int, key: str, fingerprint: str, now: datetime
) -> Replay | Clash | None:
    """The answer this request got before, or why it cannot be done; None: it is a new one.

    On PostgreSQL other hosts are kept off until the transaction ends; on SQLite the transaction,
    which may write, keeps off other processes: they wait, and find the answer.
    """
    if session.get_bind().dialect.name == "postgresql":
        digest = hashlib.sha256(f"{token_id} {key}".encode()).digest()
        lock = {"turn": int.from_bytes(digest[:8], "big", signed=True)}
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:turn)"), lock):
            return Clash.RUNNING
    mine = (Replay.token_id == token_id, Replay.key == key)
    known = session.scalar(select(Replay).where(*mine))
    if known is not None and known.at <= now - KEPT:
        session.execute(delete(Replay).where(*mine))
        session.expunge(known)
        known = None
    if known is not None and known.fingerprint != fingerprint:
        return Clash.OTHER
    return known


def keep(session: Session, replay: Replay) -> None:
    """Keep an answer, in the transaction of what it tells."""
    session.add(replay)
    session.flush()


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What makes two requests the same: SHA-256 of method, path and body, in hex."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def forget(session: Session, now: datetime, limit: int) -> int:
    """Delete at most so many answers that were kept long enough; returns how many."""
    old = select(Replay.token_id, Replay.key).where(Replay.at <= now - KEPT).limit(limit)
    rows = session.execute(old).all()
    for token_id, key in rows:
        session.execute(delete(Replay).where(Replay.token_id == token_id, Replay.key == key))
    return len(rows)
