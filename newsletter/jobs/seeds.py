"""SEED_MAILBOXES, looked into by the clock after each run."""

import threading

from newsletter.bounces import seeds
from newsletter.bounces.mailbox import Unreachable
from newsletter.bounces.mailbox.finding import find
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.settings import Settings


def look(database: Database, settings: Settings, stop: threading.Event | None = None) -> None:
    """Look where issues arrived, for our own readers who were sent one lately. Raises Unreachable
    when a mailbox could not be looked into, after the others."""
    if not settings.seed_mailboxes:
        return
    with database.read() as session:
        expected = seeds.expected(session, settings, utcnow())
    problem = None
    for account, password in zip(settings.seed_mailboxes, settings.seed_passwords, strict=True):
        mine = [one for one in expected if one.account == account]
        if not mine or (stop and stop.is_set()):
            continue
        found = None
        try:
            found = find(account, password, [one.message_id for one in mine])
        except Unreachable as error:
            problem = error
        with database.write() as session:
            seeds.note(session, settings, mine, found, utcnow())
    if problem:
        raise problem
