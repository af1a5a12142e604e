"""Limits of the public forms and of the desk: rows that all processes share, each moved on by one
statement.

A row says until when something is used up (the generic cell rate algorithm): a limit by rate has
one row, a limit of so many in a span a row for each of them. Names are kind and keyed hash, so no
address and no IP stands here; purge and erasure of a person do not give them new letters.
"""

import hmac
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from newsletter.db import Plain, insertion, moment
from newsletter.models import Limit
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from newsletter.tokens import tokens_of

DAY, MONTH = timedelta(days=1), timedelta(days=30)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
# A row that is further ahead than this many spans was written by a clock that was wrong.
ABSURD = 2

MOVE = """
INSERT INTO limits (name, used_until) VALUES ({name}, {fresh})
ON CONFLICT (name) DO UPDATE SET used_until = CASE
    WHEN limits.used_until <= {now} OR limits.used_until > {absurd} THEN {fresh} ELSE {later} END
WHERE limits.used_until <= {latest} OR limits.used_until > {absurd}
RETURNING used_until
"""
# SQLite keeps times as text: the sum is made in whole microseconds, since its own loses those.
MICROSECONDS = (
    "(CAST(strftime('%s', substr(limits.used_until, 1, 19)) AS INTEGER) * 1000000"
    " + CAST(substr(limits.used_until, 21, 6) AS INTEGER) + :step)"
)
NAMES = ("name", "now", "fresh", "latest", "absurd")
# In the drivers' own words, on their own connections: what SQLAlchemy adds to a statement costs
# more than the statement, and every form that is sent needs two of them.
MOVES = {
    "sqlite": MOVE.format(
        **{name: f":{name}" for name in NAMES},
        later=f"strftime('%Y-%m-%d %H:%M:%S', {MICROSECONDS} / 1000000, 'unixepoch')"
        f" || printf('.%06d', {MICROSECONDS} % 1000000)",
    ),
    "postgresql": MOVE.format(
        **{name: f"%({name})s" for name in NAMES},
        later="limits.used_until + %(step)s * interval '1 microsecond'",
    ),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate as it is kept: no span as long as the rate's ever holds more than its count."""

    step: timedelta  # from one to the next, once the burst is used
    burst: int
    span: timedelta

    @classmethod
    def of(cls, rate: Rate) -> "Pace":
        """Half of the count may come at once."""
        burst, span = (rate.count + 1) // 2, timedelta(seconds=rate.seconds)
        return cls(max(span / (rate.count - burst + 1), timedelta.resolution), burst, span)

    @property
    def ahead(self) -> timedelta:
        """How far a row may be ahead of now, for one more to fit."""
        return (self.burst - 1) * self.step


def admit(session: Session, name: str, rate: Rate, now: datetime) -> int:
    """Count one; 0 when there was room, else the seconds until there is, and nothing is counted."""
    pace = Pace.of(rate)
    latest, absurd = now + pace.ahead, now + ABSURD * pace.span
    if _move(session, name, now, pace.step, latest, absurd) is not None:
        return 0
    until = session.scalar(select(Limit.used_until).where(Limit.name == name)) or now
    return max(1, math.ceil((until - latest).total_seconds()))


def give_back(session: Session, name: str, rate: Rate, now: datetime) -> None:
    """Take back one that `admit` counted a moment ago, since it turned out not to count."""
    _move(session, name, now, -Pace.of(rate).step, NEVER, NEVER)


def book(session: Session, name: str, rate: Rate, now: datetime, count: int) -> list[datetime]:
    """Times for `count` letters, the first at once while there is room, the rest one by one later.

    What is booked is counted, however far ahead: nothing is lost.
    """
    pace = Pace.of(rate)
    until = _move(session, name, now, count * pace.step, NEVER, NEVER) or now
    first = until - count * pace.step - pace.ahead
    return [max(now, first + place * pace.step) for place in range(count)]


def take(
    session: Session, names: Iterable[str], count: int, span: timedelta, now: datetime
) -> set[str]:
    """Those of `names` that were taken fewer than `count` times in the `span` before; now taken."""
    wanted, taken = sorted(set(names)), set[str]()
    for place in range(count):
        if not wanted:
            break
        found = _take_place(session, wanted, place, span, now)
        taken |= found
        wanted = [name for name in wanted if name not in found]
    return taken


def sweep(session: Session, now: datetime, most: int = 1000) -> int:
    """Delete at most so many rows of limits that are not used at all; returns how many."""
    unused = select(Limit.name).where(Limit.used_until < now).limit(most)
    gone = delete(Limit).where(Limit.name.in_(unused)).returning(Limit.name)
    return len(session.scalars(gone).all())


def hidden(settings: Settings, kind: str, what: str) -> str:
    """The name of a limit: its kind, and what is limited as a keyed hash."""
    key = tokens_of(settings).lasting("limits")
    return f"{kind}:{hmac.digest(key, what.encode(), 'sha256')[:16].hex()}"


def network(ip: str) -> str:
    """Whose limit an IP counts for: an IPv4 address, also one written as IPv6, or a /64."""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, 64), strict=False))
        return str(address.ipv4_mapped)
    return str(address)


def _move(
    session: Session, name: str, now: datetime, step: timedelta, latest: datetime, absurd: datetime
) -> datetime | None:
    """Move a row on by `step` and return until when it is used; None when it is past `latest`."""
    plain = Plain(session)
    times = {"now": now, "fresh": now + step, "latest": latest, "absurd": absurd}
    values = {which: plain.moment(moment) for which, moment in times.items()}
    values |= {"name": name, "step": step // timedelta(microseconds=1)}
    rows = plain.run(MOVES["sqlite" if plain.sqlite else "postgresql"], values)
    return moment(rows[0][0]) if rows else None


def _take_place(
    session: Session, names: Sequence[str], place: int, span: timedelta, now: datetime
) -> set[str]:
    """Those of `names` whose row for this place was free; one statement."""
    taken, used = insertion(session, Limit), Limit.used_until
    taking = taken.on_conflict_do_update(
        index_elements=[Limit.name],
        set_={"used_until": taken.excluded.used_until},
        where=or_(used <= now, used > now + ABSURD * span),
    ).returning(Limit.name)
    rows = {f"{name}:{place}": name for name in names}
    values = [{"name": row, "used_until": now + span} for row in rows]
    return {rows[row] for row in session.connection().execute(taking, values).scalars()}
