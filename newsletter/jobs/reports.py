"""What comes back, taken in and weighed: opens the transactions, calls `bounces`, commits."""

import threading
from collections.abc import Iterable, Iterator

from newsletter import audit
from newsletter.bounces import intake, refusals, reputation
from newsletter.bounces.intake import BATCH, Counts, Finding, Incoming
from newsletter.db import UNAVAILABLE, Database
from newsletter.delivery.sender import utcnow
from newsletter.errors import TryLater
from newsletter.jobs.tasks import unusable
from newsletter.settings import Settings

BATCH_BYTES = 32 * 1024 * 1024  # of messages for people, held in memory at the same time
TRIES = 3  # of a transaction that another one got in the way of


def take_in(database: Database, settings: Settings, messages: Iterable[Incoming]) -> Counts:
    """Take messages in, batch by batch; when it returns all of them are committed.

    Reads `messages` as it goes, so that memory stays flat. Each report counts once: after a crash
    the same messages may come again. Raises TryLater when the database cannot be used; what was not
    committed then comes again, too.
    """
    total = Counts()
    for batch in _batches(settings, messages):
        total += take(database, settings, batch)
    return total


def take(database: Database, settings: Settings, batch: list[Finding]) -> Counts:
    """Do what at most BATCH findings call for, in one transaction; raises as `take_in` does."""
    for left in reversed(range(TRIES)):
        try:
            with database.write() as session:
                return intake.take(session, settings, batch, utcnow())
        except UNAVAILABLE as error:
            if not left:
                raise TryLater(unusable(error)) from error
    raise AssertionError("a transaction is tried at least once")


def weigh(database: Database, settings: Settings, stop: threading.Event | None = None) -> int:
    """Lay what was refused to its readers, and look at the shares of each issue; returns how many
    refusals were weighed."""
    weighed = 0
    while not (stop and stop.is_set()) and _any_waiting(database):
        with database.write() as session:
            weighed += refusals.weigh(session, settings, utcnow(), BATCH)
    _guard_reputation(database, settings)
    return weighed


def _guard_reputation(database: Database, settings: Settings) -> None:
    with database.read() as session:
        numbers = reputation.bad(session, settings, utcnow())
    for number in numbers:
        with database.write() as session:
            told = reputation.heed(session, settings, number, utcnow())
            if told and told.paused:
                audit.record(
                    session, settings, audit.CLOCK, "issue.pause", f"issue {number}", utcnow()
                )


def _any_waiting(database: Database) -> bool:
    """An idle clock looks, and writes nothing."""
    with database.read() as session:
        return bool(refusals.waiting(session, utcnow()))


def _batches(settings: Settings, messages: Iterable[Incoming]) -> Iterator[list[Finding]]:
    """Findings, read and checked before any transaction is opened."""
    batch, held = list[Finding](), 0
    for message in messages:
        for finding in intake.look(settings, message):
            batch.append(finding)
            held += len(finding.message or b"")
        if len(batch) >= BATCH or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
