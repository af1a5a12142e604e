"""Slots: the due moments of a cadence, one row each, so that none runs twice."""

import logging
from datetime import UTC, datetime, timedelta

from cronsim import CronSim
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.models import Slot
from newsletter.settings import Settings

log = logging.getLogger(__name__)

NEVER_RAN = "never ran"
OVERDUE = "has not run yet"
GRACE = timedelta(minutes=15)  # a clock compiles within seconds
REMEMBERED = timedelta(days=92)


def latest(settings: Settings, cadence: str, now: datetime) -> datetime:
    """The last due moment of a cadence at or before `now`, in UTC.

    CronSim treats the two DST days as Debian's cron does: a time that does not exist runs once,
    an hour later; a time that exists twice runs the first time only.
    """
    local = now.astimezone(settings.timezone) + timedelta(
        seconds=1
    )  # the search excludes its start
    rule = settings.cadences[cadence].upper()
    return next(CronSim(rule, local, reverse=True)).astimezone(UTC)


def following(settings: Settings, cadence: str, now: datetime) -> datetime:
    """The next due moment of a cadence after `now`, in UTC."""
    local = now.astimezone(settings.timezone)
    return next(CronSim(settings.cadences[cadence].upper(), local)).astimezone(UTC)


def due(session: Session, settings: Settings, cadence: str, now: datetime) -> datetime | None:
    """The slot that has come and was not run, or None.

    The first time a cadence is seen, its past slot is only noted: a fresh server sends nothing old.
    """
    slot = latest(settings, cadence, now)
    # Slots ahead of now were written by a clock that was wrong; they must silence nothing.
    past = (Slot.cadence == cadence, Slot.slot <= now)
    newest = session.scalar(select(func.max(Slot.slot)).where(*past))
    if newest is None:
        take(session, cadence, slot, now).outcome = "before the first start"
        return None
    if slot <= newest:
        return None
    for missed in _between(settings, cadence, newest, slot):
        log.warning("The slot of %s at %s never ran.", cadence, missed.isoformat())
        take(session, cadence, missed, now).outcome = NEVER_RAN
    return slot


def never_ran(session: Session, settings: Settings, now: datetime) -> list[Slot]:
    """Slots of the last three months in which nothing was compiled since nothing ran, oldest first.

    Those a later slot found out about, and those that came GRACE ago or more and were not run to
    this moment (these are not in the database): then no clock runs, or the shelf has errors.
    """
    lately = (Slot.slot > now - REMEMBERED, Slot.slot <= now)
    noted = session.scalars(select(Slot).where(Slot.outcome == NEVER_RAN, *lately)).all()
    overdue = [
        Slot(cadence=cadence, slot=slot, ran_at=now, outcome=OVERDUE)
        for cadence in settings.cadences
        for slot in _overdue(session, settings, cadence, now - GRACE)
    ]
    return sorted([*noted, *overdue], key=lambda one: (one.slot, one.cadence))


def _overdue(
    session: Session, settings: Settings, cadence: str, before: datetime
) -> list[datetime]:
    past = (Slot.cadence == cadence, Slot.slot <= before)
    newest = session.scalar(select(func.max(Slot.slot)).where(*past))
    if newest is None:  # the first start is still to come
        return []
    return _between(settings, cadence, newest, before + timedelta(seconds=1))


def _between(settings: Settings, cadence: str, after: datetime, before: datetime) -> list[datetime]:
    """The due moments of a cadence between two, without both; of the last REMEMBERED at most."""
    found, slot = list[datetime](), max(after, before - REMEMBERED)
    while (slot := following(settings, cadence, slot)) < before:
        found.append(slot)
    return found


def take(session: Session, cadence: str, slot: datetime, now: datetime) -> Slot:
    """Claim a slot; raises IntegrityError when another clock has it."""
    record = Slot(cadence=cadence, slot=slot, ran_at=now, outcome="nothing new")
    session.add(record)
    session.flush()
    return record
