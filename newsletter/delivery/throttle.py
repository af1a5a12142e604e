"""The rate: how much the relay, or a domain of readers, is given; one for all processes and hosts.

Each rate is one row that says when the next message may go (the generic cell rate algorithm), read
and moved on in the transaction that claims, so that no message goes uncounted. Nothing is written
while there is no rate. This room does not claim and does not send.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from newsletter.models import AT_ONCE, Quota
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate

RELAY = "*"
AFTER_REST = Rate(10, 60)  # what a domain gets first, once it has rested (Gmail 421-4.7.28)
RECOVERED = 100 * 60  # messages a minute: a domain that gets as much needs no watching
FURTHEST = timedelta(hours=1)  # messages of a domain are put off no further at once


@dataclass(slots=True)
class _Gate:
    """One rate at one moment."""

    quota: Quota
    now: datetime
    rate: Rate | None  # None: no messages at all before `quota.free_at`

    @property
    def step(self) -> timedelta:
        """Time between messages: no span as long as the rate's ever holds more than its count."""
        rate = self.rate or AFTER_REST
        return timedelta(seconds=rate.seconds / (rate.count - self._burst + 1))

    @property
    def _burst(self) -> int:
        return max(1, (self.rate or AFTER_REST).count // 100)

    @property
    def free_at(self) -> datetime:
        """When the next message may go; what was not used is lost but for a burst."""
        earliest = self.now - (self._burst - 1) * self.step
        rate = self.rate or AFTER_REST
        # A debt of more than one span was written by a clock that was wrong.
        latest = self.now + timedelta(seconds=rate.seconds) if self.rate else self.quota.free_at
        return min(max(self.quota.free_at, earliest), latest)

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
        return self.rate is not None and self.free_at >= self.now + timedelta(
            seconds=self.rate.seconds
        )

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
        self._gates = {name: _gate(quota, settings, now) for name, quota in quotas.items()}
        if RELAY in self._gates and not settings.delivery_rate:
            del self._gates[RELAY]
        self._forget_recovered(session, settings.delivery_domain_rates)

    def _forget_recovered(self, session: Session, rates: Mapping[str, Rate]) -> None:
        for name, gate in list(self._gates.items()):
            if name != RELAY and name not in rates and gate.quota.slowed_at is None:
                session.delete(gate.quota)
                del self._gates[name]

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
    make = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    rows = [{"name": name, "free_at": AT_ONCE} for name in sorted(names)]
    session.execute(make(Quota).on_conflict_do_nothing(), rows)


def _gate(quota: Quota, settings: Settings, now: datetime) -> _Gate:
    given = settings.delivery_domain_rates.get(quota.name)
    if quota.name == RELAY:
        return _Gate(quota, now, settings.delivery_rate)
    if quota.slowed_at is None:
        return _Gate(quota, now, given)
    rest = timedelta(minutes=settings.domain_rest_minutes)
    slowed_at = quota.slowed_at = min(quota.slowed_at, now)  # a clock may have been set back since
    quota.free_at = min(quota.free_at, slowed_at + rest)
    if now < slowed_at + rest:
        return _Gate(quota, now, None)
    doublings = min((now - slowed_at - rest) / (rest / 2), 20)
    per_minute = AFTER_REST.count * 2.0**doublings
    if per_minute < (given.count * 60 / given.seconds if given else RECOVERED):
        return _Gate(quota, now, Rate(int(per_minute), 60))
    quota.slowed_at = None
    return _Gate(quota, now, given or Rate(RECOVERED, 60))
