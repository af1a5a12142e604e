"""Slots: the due moments of a cadence, one row each, so that none runs twice."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.models import Slot
from newsletter.settings import Settings


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
    return slot if slot > newest else None


def take(session: Session, cadence: str, slot: datetime, now: datetime) -> Slot:
    """Claim a slot; raises IntegrityError when another clock has it."""
    record = Slot(cadence=cadence, slot=slot, ran_at=now, outcome="nothing new")
    session.add(record)
    session.flush()
    return record
