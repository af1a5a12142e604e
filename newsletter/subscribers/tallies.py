"""How often something happened on a day; nothing here leads to a person."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.db import insertion
from newsletter.models import Tally
from newsletter.settings import Settings


def add(session: Session, settings: Settings, name: str, now: datetime, times: int = 1) -> None:
    """Count something on this day (in TIMEZONE); several processes may count at once."""
    day = now.astimezone(settings.timezone).date()
    one = insertion(session, Tally).values(day=day, name=name, times=times)
    more = one.on_conflict_do_update(
        index_elements=[Tally.day, Tally.name], set_={"times": Tally.times + times}
    )
    session.execute(more)


def count(session: Session, name: str, day: date) -> int:
    """How often it happened on this day."""
    return session.scalar(select(Tally.times).where(Tally.day == day, Tally.name == name)) or 0
