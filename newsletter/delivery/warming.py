"""The warm-up: a sending domain that nobody knows yet gives more each day (WARMUP_DAYS).

A day of the plan begins with its first message and lasts 24 hours; days on which nothing is sent
are none. Which one it is stands in one row of `quotas` for all processes and hosts. This room
counts readers and messages; it does not claim.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.delivery.gate import Gate
from newsletter.models import Quota, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate

WARM_UP = "*warm-up"  # the row's name, which no domain can have
DAY = timedelta(days=1)
START = 200  # messages on the first day, when there are days enough
MOST = 2.0  # times as much as the day before


def allowance(days: int, day: int, readers: int) -> int:
    """How many messages day `day` (from 1) of a plan of `days` has, so that the day after the last
    has room for all readers: each day as many times more as the day before, and at most MOST."""
    growth = min(MOST, max(1.0, readers / START) ** (1 / days))
    return max(START, int(readers / growth ** (days + 1 - day)))


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the plan, and how many messages it has."""

    number: int
    began_at: datetime
    allowance: int

    @property
    def rate(self) -> Rate:
        """The day's messages, spread over it."""
        return Rate(self.allowance, int(DAY.total_seconds()))


def today(session: Session, settings: Settings, quota: Quota, now: datetime) -> Day | None:
    """The day that lasts, or else the one that begins with the next message; None: the plan is
    over."""
    number, before = quota.day or 0, quota.allowance
    if number <= settings.warmup_days and (day := running(quota, now)):
        return day
    if number >= settings.warmup_days:
        return None
    return following(settings, number, before, active_readers(session), now)


def following(
    settings: Settings, number: int, before: int | None, readers: int, now: datetime
) -> Day | None:
    """The day after day `number` (0: the first one), which had `before` messages; None: no more."""
    if number >= settings.warmup_days:
        return None
    found = allowance(settings.warmup_days, number + 1, readers)
    # Readers who came since, by an import, must not make it jump.
    return Day(number + 1, now, found if before is None else min(found, int(MOST * before)))


def active_readers(session: Session) -> int:
    """How many readers the plan grows to."""
    active = select(func.count()).where(Subscriber.state == SubscriberState.ACTIVE)
    return session.scalar(active) or 0


def running(quota: Quota, now: datetime) -> Day | None:
    """The day that has begun and lasts; a clock may have been set back since."""
    if quota.day is None or quota.day_began_at is None or quota.allowance is None:
        return None
    began_at = min(quota.day_began_at, now)
    return Day(quota.day, began_at, quota.allowance) if now < began_at + DAY else None


def is_sound(moment: datetime, now: datetime) -> bool:
    """May a row say that the next message goes then, or was a clock wrong?"""
    return moment <= now + 2 * DAY


def gate_of(quota: Quota, day: Day, now: datetime) -> Gate:
    """How much of a day's allowance there is at this moment."""
    return Gate(quota, now, day.rate)


class Warming:
    """The row of the warm-up, locked, at one moment of one transaction."""

    def __init__(self, session: Session, settings: Settings, quota: Quota, now: datetime) -> None:
        self._session, self._settings, self._quota, self._now = session, settings, quota, now
        if not is_sound(quota.free_at, now):
            quota.free_at = now
        self._day: Day | None = None
        self._looked = False

    @property
    def gate(self) -> Gate | None:
        """What may go now; None: everything, since the plan is over."""
        if not self._looked:  # counting all readers is for those who claim, once a day
            self._day = today(self._session, self._settings, self._quota, self._now)
            self._looked = True
        return gate_of(self._quota, self._day, self._now) if self._day else None

    def begin(self) -> None:
        """A message goes: with the first one of a day, that day begins."""
        if self.gate and self._day:
            quota, day = self._quota, self._day
            quota.day, quota.day_began_at, quota.allowance = day.number, day.began_at, day.allowance

    def count_notice(self) -> None:
        """A notice goes, and begins no day."""
        if day := running(self._quota, self._now):
            gate_of(self._quota, day, self._now).take(1)
