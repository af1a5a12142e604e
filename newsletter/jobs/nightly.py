"""What the clock does once a night: remove personal data that was kept long enough, and look at the
whole log of changes."""

import logging
from datetime import datetime, timedelta

from newsletter import audit
from newsletter.bounces import setbacks
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.editors import signing
from newsletter.jobs import telling
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


def forget_old(database: Database, settings: Settings, now: datetime) -> dict[str, int]:
    """Remove personal data that was kept long enough; returns how many rows by rule."""
    gone: dict[str, int] = {}
    for rule in retention.RULES:
        while True:
            with database.write() as session:  # a batch at a time: others write in between
                removed = retention.batch(session, settings, rule, now)
            if not removed:
                break
            gone[rule.what] = gone.get(rule.what, 0) + removed
    forgotten = _forget_sign_ins(database, now - timedelta(days=settings.origin_days))
    if forgotten:
        gone["browsers that editors signed in with"] = forgotten
    came_back = _forget_setbacks(database, now - timedelta(days=settings.reply_days))
    if came_back:
        gone["mails that came back"] = came_back
    if answers := telling.forget_replays(database):
        gone["answers kept for programs"] = answers
    database.forget()  # also of what erasures since the last night left behind
    return gone


def _forget_setbacks(database: Database, before: datetime) -> int:
    total = 0
    while True:
        with database.write() as session:
            removed = setbacks.remove(session, before, retention.BATCH)
        if not removed:
            return total
        total += removed


def _forget_sign_ins(database: Database, before: datetime) -> int:
    with database.write() as session:
        return signing.forget(session, before, retention.BATCH)
