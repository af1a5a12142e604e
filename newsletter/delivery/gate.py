"""A rate at one moment: the generic cell rate algorithm over one row of `quotas`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.models import Quota
from newsletter.settings.parsing import Rate

FURTHEST = timedelta(hours=1)  # messages of a domain are put off no further at once


@dataclass(slots=True)
class Gate:
    """One rate at one moment; `shut`: no message at all before `quota.free_at`."""

    quota: Quota
    now: datetime
    rate: Rate
    shut: bool = False

    @property
    def step(self) -> timedelta:
        """Time between messages: no span as long as the rate's ever holds more than its count."""
        return self._span / (self.rate.count - self._burst + 1)

    @property
    def _span(self) -> timedelta:
        return timedelta(seconds=self.rate.seconds)

    @property
    def _burst(self) -> int:
        return max(1, self.rate.count // 100)

    @property
    def free_at(self) -> datetime:
        """When the next message may go; what was not used is lost but for a burst."""
        free_at = max(self.quota.free_at, self.now - (self._burst - 1) * self.step)
        # A debt of more than one span was written by a clock that was wrong.
        return free_at if self.shut else min(free_at, self.now + self._span)

    @property
    def room(self) -> int:
        """How many may go now."""
        return max(0, int((self.now - self.free_at) / self.step) + 1) if self.is_open else 0

    @property
    def is_open(self) -> bool:
        return self.free_at <= self.now

    @property
    def spent(self) -> bool:
        """Is the rate used up for a whole span ahead?"""
        return self.free_at >= self.now + self._span

    def take(self, count: int) -> None:
        """Count messages, whether or not there was room for them."""
        self.quota.free_at = self.free_at + count * self.step

    def book(self) -> datetime:
        """A time for a message that has to wait, after those that wait already."""
        booked = self.quota.booked_until or self.now
        due_at = max(booked, self.free_at, self.now) + self.step
        self.quota.booked_until = min(due_at, self.now + FURTHEST)
        return self.quota.booked_until

    @property
    def queue(self) -> bool:
        """Do messages wait already, before which a new one must not go?"""
        return (self.quota.booked_until or self.now) > self.now
