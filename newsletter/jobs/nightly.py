"""What the clock does once a night: remove personal data that was kept long enough, and look at the
whole log of changes; how far that goes is noted each minute."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.bounces import setbacks
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.editors import signing
from newsletter.errors import TryLater
from newsletter.programs import replays
from newsletter.settings import Settings
from newsletter.subscribers import retention

log = logging.getLogger(__name__)


def forget_tonight(database: Database, settings: Settings) -> dict[str, int]:
    """The nightly run of `forget_old` and `verify_log`, once a night; empty at other times."""
    now = utcnow()
    with database.read() as session:
        if not retention.is_due(session, settings, now):
            return {}
    gone = forget_old(database, settings, now)
    with database.write() as session:
        retention.mark(session, settings, now)
        what = ("retention.run", "personal data")
        audit.record(session, settings, audit.CLOCK, *what, now, gone)
    verify_log(database, settings)
    return gone


def verify_log(database: Database, settings: Settings) -> None:
    """Say in the program's log whether that of changes holds, and its newest line: a third place,
    beside the database and INSTANCE_DIR, where it is known how far it went."""
    with database.read() as session:
        verdict = audit.verify(session, settings)
    if verdict.broken:
        log.error("audit: the log of changes is broken: %s", verdict.broken)
    else:
        log.warning("audit: %d lines, none altered, head %s", verdict.lines, verdict.head)


def note_log(database: Database, settings: Settings) -> None:
    """Note the newest line of the log of changes on this host, outside the database.

    Raises TryLater when INSTANCE_DIR cannot be written.
    """
    try:
        with database.read() as session:
            audit.note(session, settings)
    except OSError as error:
        raise TryLater(f"Where the log of changes ends cannot be noted now: {error}.") from error


def forget_old(database: Database, settings: Settings, now: datetime) -> dict[str, int]:
    """Remove personal data that was kept long enough; returns how many rows by rule."""
    before = now - timedelta(days=settings.reply_days)
    gone = {
        rule.what: _batches(database, partial(_by_rule, settings, rule, now))
        for rule in retention.RULES
    }
    gone["browsers that editors signed in with"] = _forget_sign_ins(
        database, now - timedelta(days=settings.origin_days)
    )
    gone["mails that came back"] = _batches(
        database, lambda session: setbacks.remove(session, before, retention.BATCH)
    )
    gone["answers kept for programs"] = forget_replays(database, now)
    database.forget()  # also of what erasures since the last night left behind
    return {what: count for what, count in gone.items() if count}


def forget_replays(database: Database, now: datetime) -> int:
    """Delete the answers that programs may not ask for again; returns how many."""
    return _batches(database, lambda session: replays.forget(session, now, retention.BATCH))


def _by_rule(settings: Settings, rule: retention.Rule, now: datetime, session: Session) -> int:
    return retention.batch(session, settings, rule, now)


def _batches(database: Database, remove: Callable[[Session], int]) -> int:
    """Remove until nothing is left, a batch at a time: others write in between. How many."""
    total = 0
    while True:
        with database.write() as session:
            removed = remove(session)
        if not removed:
            return total
        total += removed


def _forget_sign_ins(database: Database, before: datetime) -> int:
    with database.write() as session:
        return signing.forget(session, before, retention.BATCH)
