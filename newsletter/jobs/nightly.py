"""What the clock does once a night: remove personal data that was kept long enough."""

from datetime import datetime, timedelta

from newsletter import audit
from newsletter.bounces import setbacks
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.editors import signing
from newsletter.settings import Settings
from newsletter.subscribers import retention


def forget_tonight(database: Database, settings: Settings) -> dict[str, int]:
    """The nightly run of `forget_old`, once a night; empty at other times."""
    now = utcnow()
    with database.read() as session:
        if not retention.is_due(session, settings, now):
            return {}
    gone = forget_old(database, settings, now)
    with database.write() as session:
        retention.mark(session, settings, now)
        audit.record(session, audit.CLOCK, "retention.run", "personal data", now, gone)
    return gone


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
