"""Replaying the journal: nobody who left, was suppressed or erased since the backup is mailed.

The last thing that happened to an address counts: who came back since, or was confirmed in the
database later than they left, stays. What staff lifted since is blocked again, for staff to lift:
of two mistakes, the one that mails nobody.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from newsletter import journal, suppression
from newsletter.db import Database
from newsletter.journal import Line, Purpose
from newsletter.models import Subscriber, SubscriberState, Suppression, SuppressionReason
from newsletter.settings import Settings
from newsletter.subscribers import leaving, preferences, privacy
from newsletter.subscribers.leaving import Wish
from newsletter.tokens import tokens_of

BATCH = 5000  # subscribers, or entries, looked at in one transaction
ROUTE = "restore"  # how somebody left, in their proof
LEFT = frozenset({Purpose.LEFT, Purpose.MOVED})


@dataclass(slots=True)
class Fate:
    """What the journal says of one address, after the last time it came back."""

    left_at: datetime | None = None
    blocks: list[Line] = field(default_factory=list)
    forgotten: bool = False  # who is in an older backup goes from it, and leaves no suppression

    @property
    def newest(self) -> datetime | None:
        """When the last of it happened."""
        return max(
            (at for at in (self.left_at, *(one.at for one in self.blocks)) if at), default=None
        )

    def entry(self) -> suppression.Entry | None:
        """The suppression it amounts to: the last one that only staff may lift, or else the last;
        an erasure is added to any."""
        reasons = [SuppressionReason(one.purpose.value) for one in self.blocks]
        if not reasons:
            return None
        final = [reason for reason in reasons if reason in suppression.FINAL]
        erased = [one.at for one in self.blocks if one.purpose is Purpose.ERASED]
        return suppression.Entry(
            address_key=self.blocks[-1].address_key,
            reason=(final or reasons)[-1],
            since=self.blocks[-1].at,
            why="from the journal",
            erased_at=erased[-1] if erased else None,
        )


@dataclass(slots=True)
class Replayed:
    """How many readers the journal made leave, blocked and erased."""

    left: int = 0
    blocked: int = 0
    erased: int = 0


def fates(lines: Iterable[Line]) -> dict[str, Fate]:
    """What lines of any order say, by address key; who came back last is not in it."""
    found: dict[str, Fate] = {}
    # Of one moment (who moves to an address erases who had it), coming back is the last.
    for line in sorted(lines, key=lambda one: (one.at, one.purpose in journal.ENDS)):
        fate = found.setdefault(line.address_key, Fate())
        if fate.forgotten:
            fate = found[line.address_key] = Fate(left_at=fate.newest)
        if line.purpose is Purpose.BACK:
            del found[line.address_key]
        elif line.purpose is Purpose.FORGOTTEN:
            fate.forgotten = True
        elif line.purpose in LEFT:
            fate.left_at = line.at
        else:
            fate.blocks.append(line)
    return found


def replay(
    database: Database,
    settings: Settings,
    lines: Iterable[Line],
    now: datetime,
    advance: Callable[[int], None] = lambda count: None,
) -> Replayed:
    """Do again what the journal says, in transactions of its own; repeatable. The suppressions come
    first, so that also who is not in the database stays blocked. `advance` is told of subscribers.
    """
    known, done = fates(lines), Replayed()
    keys = sorted(known)
    for first in range(0, len(keys), BATCH):
        with database.write() as session:
            _suppress(session, [known[key] for key in keys[first : first + BATCH]])
    last = 0
    while known:
        with database.write() as session:
            rows = _after(session, last)
            for row in rows:
                _again(session, settings, row, known, now, done)
        if not rows:
            break
        last = rows[-1].id
        advance(len(rows))
    if done.erased:
        database.forget()
    return done


def subscribers(session: Session) -> int:
    """How many `replay` has to look at."""
    named = Subscriber.canonical.is_not(None)
    return session.scalar(select(func.count()).select_from(Subscriber).where(named)) or 0


def _suppress(session: Session, batch: Sequence[Fate]) -> None:
    entries = [entry for fate in batch if not fate.forgotten and (entry := fate.entry())]
    keys = [entry.address_key for entry in entries]
    lifted = select(Suppression.address_key, Suppression.lifted_at)
    since = dict(
        session.execute(
            lifted.where(Suppression.address_key.in_(keys), Suppression.lifted_at.is_not(None))
        ).all()
    )
    # Lifted later than it was written: the database knows more.
    stands = [one for one in entries if not _is_later(since.get(one.address_key), one.since)]
    suppression.restore(session, stands)


def _after(session: Session, last: int) -> Sequence[Row[int, str | None]]:
    query = select(Subscriber.id, Subscriber.canonical).where(
        Subscriber.id > last, Subscriber.canonical.is_not(None)
    )
    return session.execute(query.order_by(Subscriber.id).limit(BATCH)).all()


def _again(
    session: Session,
    settings: Settings,
    row: Row[int, str | None],
    known: dict[str, Fate],
    now: datetime,
    done: Replayed,
) -> None:
    keys = tokens_of(settings).address_keys(row[1] or "")
    fate = next((known[key] for key in keys if key in known), None)
    if fate is None:
        return
    subscriber, entry = session.get_one(Subscriber, row[0]), fate.entry()
    if any(_is_later(at, fate.newest) for at in (subscriber.confirmed_at, subscriber.created_at)):
        return
    if entry and entry.erased_at:
        privacy.erase(session, settings, subscriber, now, route=ROUTE)
        done.erased += 1
    elif entry and subscriber.state in preferences.READING:
        email = subscriber.email or ""
        privacy.suppress(session, settings, email, entry.reason, now, entry.why)
        done.blocked += 1
    elif fate.left_at and subscriber.state not in (
        SubscriberState.LEFT,
        SubscriberState.SUPPRESSED,
    ):
        leaving.leave_all(session, settings, [Wish(row[0], ROUTE)], now, goodbye=False)
        done.left += 1
    if fate.forgotten:
        suppression.forget(session, tokens_of(settings), row[1] or "")
        journal.write(session, settings, Purpose.FORGOTTEN, [row[1]], now)


def _is_later(moment: datetime | None, than: datetime | None) -> bool:
    return moment is not None and than is not None and moment > than
