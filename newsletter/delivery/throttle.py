"""The rate: how much the relay, or a domain of readers, is given; one for all processes and hosts.

Each rate is one row that says when the next message may go (the generic cell rate algorithm), read
and moved on in the transaction that claims, so that no message goes uncounted. Nothing is written
while there is no rate. This room does not claim and does not send.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.db import new_rows
from newsletter.delivery.gate import Gate
from newsletter.delivery.warming import WARM_UP, Warming, is_sound
from newsletter.models import AT_ONCE, Quota
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate

RELAY = "*"
AFTER_REST = Rate(10, 60)  # what a domain gets first, once it has rested (Gmail 421-4.7.28)
RECOVERED = 100 * 60  # messages a minute: a domain that gets as much needs no watching


class Throttle:
    """The room there is at this moment, for one transaction."""

    def __init__(self, session: Session, settings: Settings, now: datetime) -> None:
        wanted = list(settings.delivery_domain_rates)
        if settings.delivery_rate:
            wanted.append(RELAY)
        if settings.warmup_days:
            wanted.append(WARM_UP)
        _make_rows(session, wanted)
        query = select(Quota).order_by(Quota.name).with_for_update()
        quotas = {quota.name: quota for quota in session.scalars(query)}
        self._gates: dict[str, Gate] = {}
        self._warming: Warming | None = None
        if settings.warmup_days:
            self._warming = Warming(session, settings, quotas.pop(WARM_UP), now)
        for name, quota in quotas.items():
            if gate := _gate(quota, settings, now):
                self._gates[name] = gate
            elif name != RELAY:  # recovered, or no setting names it any more
                session.delete(quota)

    def room(self, wanted: int) -> int:
        """How many of `wanted` messages the relay may be given now."""
        return min([wanted, *(gate.room for gate in self._of_relay())])

    @property
    def opens_at(self) -> datetime | None:
        """When the relay may be given the next message; None: at once."""
        return max((gate.free_at for gate in self._of_relay() if not gate.is_open), default=None)

    def take(self, count: int) -> None:
        """Count messages that are going to the relay."""
        if count and self._warming:
            self._warming.begin()
        for gate in self._of_relay():
            gate.take(count)

    def admit_notice(self) -> bool:
        """May a notice go? It takes what deliveries would have got, and waits only for notices; the
        warm-up counts it and never holds it up."""
        gate = self._gates.get(RELAY)
        if gate is not None:
            if gate.spent:
                return False
            gate.take(1)
        if self._warming:
            self._warming.count_notice()
        return True

    def _of_relay(self) -> list[Gate]:
        gates = (self._gates.get(RELAY), self._warming and self._warming.gate)
        return [gate for gate in gates if gate]

    def admit(self, domain: str, waited: bool) -> datetime | None:
        """None: one message for `domain` may go, and is counted. Else: when to come back."""
        gate = self._gates.get(domain)
        if gate is None:
            return None
        if gate.room < 1 or (gate.queue and not waited):
            return gate.book()
        gate.take(1)
        return None


def opens_at(session: Session, settings: Settings, now: datetime) -> datetime:
    """When the relay may be given the next message, without a lock or a write; AT_ONCE: no rate and
    no warm-up holds it back."""
    names = [RELAY] if settings.delivery_rate else []
    names += [WARM_UP] if settings.warmup_days else []
    if not names:
        return AT_ONCE
    moments = session.scalars(select(Quota.free_at).where(Quota.name.in_(names)))
    return max((moment for moment in moments if is_sound(moment, now)), default=AT_ONCE)


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


def _gate(quota: Quota, settings: Settings, now: datetime) -> Gate | None:
    """What holds for a row; None when nothing does."""
    relay = quota.name == RELAY
    given = settings.delivery_rate if relay else settings.delivery_domain_rates.get(quota.name)
    if quota.slowed_at is not None:
        rest = timedelta(minutes=settings.domain_rest_minutes)
        quota.slowed_at = min(quota.slowed_at, now)  # a clock may have been set back since
        opens_at = quota.slowed_at + rest
        quota.free_at = min(quota.free_at, opens_at)
        if now < opens_at:
            return Gate(quota, now, AFTER_REST, shut=True)
        doublings = min((now - opens_at) / (rest / 2), 20)
        per_minute = AFTER_REST.count * 2.0**doublings
        if per_minute < (given.count * 60 / given.seconds if given else RECOVERED):
            return Gate(quota, now, Rate(int(per_minute), 60))
        quota.slowed_at = None
    return Gate(quota, now, given) if given else None
