"""The rate: how much the relay, or a domain of readers, is given; one for all processes and hosts.

Each rate is one row that says when the next message may go (the generic cell rate algorithm), read
and moved on in the transaction that claims, so that no message goes uncounted. Nothing is written
while there is no rate. This room does not claim and does not send.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.db import new_rows
from newsletter.models import AT_ONCE, Quota
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate

RELAY = "*"
AFTER_REST = Rate(10, 60)  # what a domain gets first, once it has rested (Gmail 421-4.7.28)
RECOVERED = 100 * 60  # messages a minute: a domain that gets as much needs no watching
FURTHEST = timedelta(hours=1)  # messages of a domain are put off no further at once


@dataclass(slots=True)
class _Gate:
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


class Throttle:
    """The room there is at this moment, for one transaction."""

    def __init__(self, session: Session, settings: Settings, now: datetime) -> None:
        wanted = list(settings.delivery_domain_rates)
        if settings.delivery_rate:
            wanted.append(RELAY)
        _make_rows(session, wanted)
        query = select(Quota).order_by(Quota.name).with_for_update()
        quotas = {quota.name: quota for quota in session.scalars(query)}
        self._gates: dict[str, _Gate] = {}
        for name, quota in quotas.items():
            if gate := _gate(quota, settings, now):
                self._gates[name] = gate
            elif name != RELAY:  # recovered, or no setting names it any more
                session.delete(quota)

    def room(self, wanted: int) -> int:
        """How many of `wanted` messages the relay may be given now."""
        gate = self._gates.get(RELAY)
        return wanted if gate is None else min(wanted, gate.room)

    @property
    def opens_at(self) -> datetime | None:
        """When the relay may be given the next message; None: at once."""
        gate = self._gates.get(RELAY)
        return None if gate is None or gate.is_open else gate.free_at

    def take(self, count: int) -> None:
        """Count messages that are going to the relay."""
        if gate := self._gates.get(RELAY):
            gate.take(count)

    def admit_notice(self) -> bool:
        """May a notice go? It takes what deliveries would have got, and waits only for notices."""
        gate = self._gates.get(RELAY)
        if gate is None:
            return True
        if gate.spent:
            return False
        gate.take(1)
        return True

    def admit(self, domain: str, waited: bool) -> datetime | None:
        """None: one message for `domain` may go, and is counted. Else: when to come back."""
        gate = self._gates.get(domain)
        if gate is None:
            return None
        if gate.room < 1 or (gate.queue and not waited):
            return gate.book()
        gate.take(1)
        return None


def slow(session: Session, settings: Settings, domain: str, now: datetime) -> None:
    """A domain asked us to be slower: nothing for a while, then little, then more and more."""
    if not domain:
        return
    _make_rows(session, [domain])
    quota = session.get_one(Quota, domain, with_for_update=True)
    quota.slowed_at = now
    quota.free_at = now + timedelta(minutes=settings.domain_rest_minutes)


def _make_rows(session: Session, names: list[str]) -> None:
    if not names:
        return
    rows = [{"name": name, "free_at": AT_ONCE} for name in sorted(names)]
    session.execute(new_rows(session, Quota), rows)


def _gate(quota: Quota, settings: Settings, now: datetime) -> _Gate | None:
    """What holds for a row; None when nothing does."""
    relay = quota.name == RELAY
    given = settings.delivery_rate if relay else settings.delivery_domain_rates.get(quota.name)
    if quota.slowed_at is not None:
        rest = timedelta(minutes=settings.domain_rest_minutes)
        quota.slowed_at = min(quota.slowed_at, now)  # a clock may have been set back since
        opens_at = quota.slowed_at + rest
        quota.free_at = min(quota.free_at, opens_at)
        if now < opens_at:
            return _Gate(quota, now, AFTER_REST, shut=True)
        doublings = min((now - opens_at) / (rest / 2), 20)
        per_minute = AFTER_REST.count * 2.0**doublings
        if per_minute < (given.count * 60 / given.seconds if given else RECOVERED):
            return _Gate(quota, now, Rate(int(per_minute), 60))
        quota.slowed_at = None
    return _Gate(quota, now, given) if given else None
