"""Slots: the due moments of a cadence, one row each, so that none runs twice."""

import logging
from datetime import UTC, datetime, timedelta

from cronsim import CronSim
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.issues import trouble
from newsletter.models import Slot
from newsletter.settings import Settings

log = logging.getLogger(__name__)

NEVER_RAN = "never ran"
OVERDUE = "has not run yet"  # the editors have been told; it may still be taken
NOTHING_NEW = "nothing new"
PASSED_OVER = "passed over when the database was adopted"
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


def chosen(settings: Settings, text: str) -> tuple[datetime, bool]:
    """The moment somebody chose on their own clock ("2026-12-01T09:00", in TIMEZONE), and whether
    that clock shows it twice: then the first is meant. Raises FixRequest when it never does."""
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=None)
        first, second = (
            local.replace(tzinfo=settings.timezone, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
    except (ValueError, OverflowError):
        raise FixRequest(_("Kies een dag en een uur.")) from None
    if first.astimezone(settings.timezone).replace(tzinfo=None) != local:
        raise FixRequest(_("Dat uur bestaat niet: de klok gaat dan een uur vooruit."))
    return first, first != second


def has_come(session: Session, settings: Settings, cadence: str, now: datetime) -> bool:
    """Is there a slot that `due` would give? Reads only."""
    newest = _newest(session, cadence, now)
    return newest is not None and latest(settings, cadence, now) > newest


def due(session: Session, settings: Settings, cadence: str, now: datetime) -> datetime | None:
    """The slot that has come and was not run, or None.

    The first time a cadence is seen, its past slot is only noted: a fresh server sends nothing old.
    """
    slot = latest(settings, cadence, now)
    newest = _newest(session, cadence, now)
    if newest is None:
        take(session, cadence, slot, now).outcome = "before the first start"
        return None
    if slot <= newest:
        return None
    _note_missed(session, settings, cadence, _between(settings, cadence, newest, slot), now)
    return slot


def _note_missed(
    session: Session, settings: Settings, cadence: str, slots: list[datetime], now: datetime
) -> None:
    untold = _untold(session, cadence, slots)
    for slot in slots:
        log.warning("The slot of %s at %s never ran.", cadence, slot.isoformat())
        take(session, cadence, slot, now).outcome = NEVER_RAN
    trouble.tell_of_slots(session, settings, cadence, untold, now, gone=True)


def come(session: Session, settings: Settings, now: datetime) -> list[str]:
    """The cadences of which a slot has come and was not run. Reads only."""
    return [one for one in settings.cadences if has_come(session, settings, one, now)]


def pass_over(session: Session, settings: Settings, now: datetime) -> list[str]:
    """Give up every slot that has come and was not run; the cadences."""
    passed = []
    for cadence in settings.cadences:
        if (slot := due(session, settings, cadence, now)) is not None:
            take(session, cadence, slot, now).outcome = PASSED_OVER
            passed.append(cadence)
    return passed


def overdue(session: Session, settings: Settings, now: datetime) -> dict[str, list[datetime]]:
    """Slots by cadence that came GRACE ago or more, have not run, and of which nobody was told."""
    found = {
        cadence: _untold(session, cadence, _overdue(session, settings, cadence, now - GRACE))
        for cadence in settings.cadences
    }
    return {cadence: slots for cadence, slots in found.items() if slots}


def tell_overdue(session: Session, settings: Settings, now: datetime) -> None:
    """Tell the editors of slots that are `overdue`, once of each. Raises IntegrityError when
    another clock has just done so."""
    for cadence, slots in overdue(session, settings, now).items():
        session.add_all(
            Slot(cadence=cadence, slot=slot, ran_at=now, outcome=OVERDUE) for slot in slots
        )
        trouble.tell_of_slots(session, settings, cadence, slots, now, gone=False)
    session.flush()


def never_ran(session: Session, settings: Settings, now: datetime) -> list[Slot]:
    """Slots of the last three months in which nothing was compiled since nothing ran, oldest first.

    Those a later slot found out about, and those that came GRACE ago or more and were not run to
    this moment: then no clock runs, or the shelf has errors.
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
    newest = _newest(session, cadence, before)
    if newest is None:  # the first start is still to come
        return []
    return _between(settings, cadence, newest, before + timedelta(seconds=1))


def _newest(session: Session, cadence: str, now: datetime) -> datetime | None:
    """The last slot that ran, or was given up, at or before `now`. Slots ahead of it were written
    by a clock that was wrong; they must silence nothing."""
    past = (Slot.cadence == cadence, Slot.slot <= now, Slot.outcome != OVERDUE)
    return session.scalar(select(func.max(Slot.slot)).where(*past))


def _untold(session: Session, cadence: str, slots: list[datetime]) -> list[datetime]:
    known = select(Slot.slot).where(Slot.cadence == cadence, Slot.slot.in_(slots))
    told = set(session.scalars(known)) if slots else set()
    return [slot for slot in slots if slot not in told]


def _between(settings: Settings, cadence: str, after: datetime, before: datetime) -> list[datetime]:
    """The due moments of a cadence between two, without both; of the last REMEMBERED at most."""
    found, slot = list[datetime](), max(after, before - REMEMBERED)
    while (slot := following(settings, cadence, slot)) < before:
        found.append(slot)
    return found


def take(session: Session, cadence: str, slot: datetime, now: datetime) -> Slot:
    """Claim a slot; raises IntegrityError when another clock has it."""
    mine = (Slot.cadence == cadence, Slot.slot == slot, Slot.outcome == OVERDUE)
    late = update(Slot).where(*mine).values(ran_at=now, outcome=NOTHING_NEW).returning(Slot)
    if record := session.scalars(late, execution_options={"populate_existing": True}).one_or_none():
        return record
    record = Slot(cadence=cadence, slot=slot, ran_at=now, outcome=NOTHING_NEW)
    session.add(record)
    session.flush()
    return record
