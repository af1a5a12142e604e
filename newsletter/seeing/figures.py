"""How the tables stand, as gauges: by small indexes, and by the figures that the clock has counted.

Nothing here reads a table whole: a collector asks four times a minute, with a million readers too.
Label values are few and ours; no domain of a reader is among them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from newsletter import fence, metrics, statistics
from newsletter.issues import slots
from newsletter.models import (
    ConsentEvent,
    Delivery,
    DeliveryState,
    Figure,
    FormRequest,
    Issue,
    IssueState,
    Lease,
    Notice,
    Slot,
    SubscriberState,
)
from newsletter.models.delivery import WAITING
from newsletter.models.notice import DUE
from newsletter.seeing import workers
from newsletter.settings import Settings

RECENT_ISSUES = 3  # told one by one: those that were planned last
RECENT = timedelta(days=31)  # of these issues domains are told
DOMAIN_STATES = (*(state.value for state in DeliveryState), "bounced")
Rows = Sequence[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure, in as many rows as its labels have values; `counts`: it only ever rises."""

    name: str
    says: str
    labels: tuple[str, ...]
    rows: Rows
    counts: bool = False


def look(session: Session, settings: Settings, now: datetime) -> list[Gauge]:
    """All of them, as they stand at this moment."""
    found: list[Gauge] = []
    parts = (_fence, _who, _people, _issues, _deliveries, _queues, _slots, _leases, _workers)
    for part in parts:  # the fence compares with a file, which must not be the newer one
        found += part(session, settings, now)
    return found


def _who(session: Session, _settings: Settings, _now: datetime) -> Iterator[Gauge]:
    labels = ("version", "database")
    values = (version("newsletter"), session.get_bind().dialect.name)
    yield Gauge("info", "Always 1.", labels, [(values, 1.0)])
    yield Gauge("database_up", "1; without an answer of the database it is missing.", (), _one(1))


def _people(session: Session, _settings: Settings, _now: datetime) -> Iterator[Gauge]:
    states = statistics.by_key(session, "state")
    rows = _rows({state.value: states.get(state.value, 0) for state in SubscriberState})
    yield Gauge("subscribers", "Subscribers by state.", ("state",), rows)
    times = select(Figure.key, func.sum(Figure.times)).where(Figure.name == "consent")
    events = Counter({event.value: 0 for event in ConsentEvent})
    for key, number in session.execute(times.group_by(Figure.key)):
        events[key.partition(" ")[0]] += int(number)
    says = "Proofs of consent: sign-ups that were asked for, confirmed, withdrawn …"
    yield Gauge("consents", says, ("event",), _rows(events), counts=True)


def _issues(session: Session, _settings: Settings, _now: datetime) -> Iterator[Gauge]:
    found = dict(session.execute(select(Issue.state, func.count()).group_by(Issue.state)).all())
    rows = _rows({state.value: found.get(state, 0) for state in IssueState})
    yield Gauge("issues", "Issues by state.", ("state",), rows)
    if sent := session.scalar(select(func.max(Issue.sent_at))):
        says = "When the last issue had reached everybody."
        yield Gauge("issue_sent_timestamp_seconds", says, (), _one(sent.timestamp()))
    rows = []
    for issue in statistics.issues(session, RECENT_ISSUES):
        counts = issue.counts
        for state, number in (
            ("open", counts.open),
            ("accepted", counts.accepted),
            ("refused", counts.refused),
            ("withdrawn", counts.withdrawn),
            ("bounced", counts.bounced),
            ("complained", counts.complaints),
            ("held", _held(session, issue.number) if issue.running else 0),
        ):
            rows.append(((str(issue.number), state), float(number)))
    says = "Deliveries of the last issues, as they are now; bounced, complained and held ones"
    says += " also count as accepted or open."
    yield Gauge("issue_deliveries", says, ("issue", "state"), rows)


def _held(session: Session, number: int) -> int:
    """Rows in doubt that wait for a person."""
    mine = (Delivery.issue_number == number, WAITING, Delivery.due_at.is_(None))
    return session.scalar(select(func.count()).select_from(Delivery).where(*mine)) or 0


def _deliveries(session: Session, settings: Settings, now: datetime) -> Iterator[Gauge]:
    """By class of domain, as the clock counted them last."""
    lately = or_(Issue.planned_at > now - RECENT, Issue.state == IssueState.SENDING)
    numbers = session.scalars(select(Issue.number).where(Issue.planned_at.is_not(None), lately))
    periods = [str(number) for number in numbers]
    own = metrics.own_domains(settings)
    found = Counter({(one, state): 0 for one in metrics.CLASSES for state in DOMAIN_STATES})
    counted = select(Figure.key, Figure.times)
    for key, times in session.execute(
        counted.where(Figure.name == "domain", Figure.period.in_(periods))
    ):
        domain, _blank, state = key.rpartition(" ")
        found[metrics.domain_class(domain, own), state] += times
    says = "Deliveries of the issues of the last 31 days, as they were counted (every ten minutes)."
    rows = [(key, float(times)) for key, times in found.items()]
    yield Gauge("deliveries", says, ("domain_class", "state"), rows)


def _queues(session: Session, _settings: Settings, now: datetime) -> Iterator[Gauge]:
    first = select(FormRequest.asked_at).order_by(FormRequest.id).limit(1)
    letters = select(func.min(Notice.due_at)).where(DUE)
    ages = {
        "requests": _age(session.scalar(first), now),
        "notices": _age(session.scalar(letters), now),
        "deliveries": max(_delivery_ages(session, now), default=0.0),
    }
    says = "For how long the first one has been due; 0: none is."
    yield Gauge("queue_age_seconds", says, ("queue",), _rows(ages))
    lengths = {
        "requests": session.scalar(select(func.count()).select_from(FormRequest)) or 0,
        "notices": session.scalar(select(func.count()).select_from(Notice).where(DUE)) or 0,
    }
    yield Gauge("queue_length", "How many wait, due or not.", ("queue",), _rows(lengths))


def _delivery_ages(session: Session, now: datetime) -> Iterable[float]:
    """A row that is due at once, or in the order of a warm-up, has a time in 1970: it has waited
    since its issue was planned, or would have."""
    sending = select(Issue.number, Issue.planned_at).where(Issue.state == IssueState.SENDING)
    for number, planned_at in session.execute(sending):
        mine = (Delivery.issue_number == number, WAITING)
        first = session.scalar(select(func.min(Delivery.due_at)).where(*mine))
        if first is not None and first <= now:
            yield _age(max(first, planned_at or first), now)


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _slots(session: Session, settings: Settings, now: datetime) -> Iterator[Gauge]:
    ran = dict(
        session.execute(
            select(Slot.cadence, func.max(Slot.ran_at))
            .where(Slot.outcome.not_in((slots.NEVER_RAN, slots.OVERDUE)))
            .group_by(Slot.cadence)
        ).all()
    )
    rows = [((name,), ran[name].timestamp()) for name in settings.cadences if name in ran]
    says = "When a slot of this cadence ran last."
    yield Gauge("slot_ran_timestamp_seconds", says, ("cadence",), rows)
    rows = [
        ((name,), slots.following(settings, name, now).timestamp()) for name in settings.cadences
    ]
    yield Gauge("slot_next_timestamp_seconds", "When the next one comes.", ("cadence",), rows)
    missed = Counter(dict.fromkeys(settings.cadences, 0))
    missed.update(slot.cadence for slot in slots.never_ran(session, settings, now))
    says = "Slots of the last three months that did not run, or not yet."
    yield Gauge("slots_missed", says, ("cadence",), _rows(missed))


def _leases(session: Session, settings: Settings, now: datetime) -> Iterator[Gauge]:
    furthest = now + timedelta(seconds=2 * settings.lease_seconds)
    found = {"live": 0, "expired": 0}
    for expires_at in session.scalars(select(Lease.expires_at)):
        found["live" if now <= expires_at <= furthest else "expired"] += 1
    says = "Leases of sending processes; an expired one is taken over when something is due."
    yield Gauge("leases", says, ("state",), _rows(found))


def _workers(session: Session, settings: Settings, _now: datetime) -> Iterator[Gauge]:
    """Of many hosts; with an embedded clock each host tells its own tick."""
    found = workers.beats(session) if settings.clock == "workers" else []
    if found:
        yield ticked(max(beat.at for beat in found))
    living = sum(beat.ago < settings.lease_seconds for beat in found)
    rows = _rows({"live": living, "silent": len(found) - living})
    yield Gauge("workers", "Processes of `newsletter worker`.", ("state",), rows)


def ticked(at: float) -> Gauge:
    """The last sign of a clock, in seconds since 1970."""
    says = "When the clock of this host, or any worker, gave a sign last."
    return Gauge("clock_tick_timestamp_seconds", says, (), _one(at))


def _fence(session: Session, settings: Settings, _now: datetime) -> Iterator[Gauge]:
    says = "1: this server sends nothing until a person has run `newsletter adopt`."
    yield Gauge("fence_holds", says, (), _one(fence.look(session, settings) is not None))


def _one(number: float) -> Rows:
    return [((), float(number))]


def _rows(numbers: "Counter[str] | dict[str, int] | dict[str, float]") -> Rows:
    return [((name,), float(number)) for name, number in numbers.items()]
