"""Setbacks: written once each, and acted upon by the table of `meaning`. Writes `setbacks`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from newsletter import metrics
from newsletter.bounces import meaning
from newsletter.bounces.meaning import AT_ONCE, IN_TIME, Past, Rule
from newsletter.db import insertion
from newsletter.delivery import ledger
from newsletter.delivery.return_path import Sent
from newsletter.models import Consent, ConsentEvent, Setback, SetbackKind, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import blocking

GRADUAL = frozenset(kind for rule in IN_TIME for kind in rule.counts)
Key = tuple[str, int, SetbackKind]


@dataclass(frozen=True, slots=True)
class Blow:
    """A setback as it comes in, about a message of ours that is proven to be meant."""

    sent: Sent
    id: int
    kind: SetbackKind
    subscriber_id: int
    issue_number: int | None
    sent_at: datetime | None  # when the message left
    status: str | None = None
    words: str | None = None  # what was said, without addresses

    @property
    def key(self) -> Key:
        """What makes it count once."""
        return self.sent.value, self.id, self.kind


def lock(session: Session, subscriber_ids: Collection[int]) -> dict[int, datetime | None]:
    """Hold these readers until the end of the transaction, in one order; since when each is known
    to read its mail (the last confirmation)."""
    query = select(Subscriber.id, Subscriber.confirmed_at).where(Subscriber.id.in_(subscriber_ids))
    held = query.order_by(Subscriber.id).with_for_update(key_share=True)
    return dict(session.execute(held).all())


def strike(
    session: Session,
    settings: Settings,
    blows: Sequence[Blow],
    confirmed: Mapping[int, datetime | None],
    now: datetime,
    *,
    again: bool = False,
) -> tuple[set[Key], int]:
    """Write down setbacks of readers held by `lock`, and do what the table says.

    Returns the keys of those that were new, and how many readers are mailed no more. `again`: a
    message that is refused once more, later than before, is new.
    """
    fresh = _write(session, blows, now, again=again)
    for _sent, _id, kind in fresh:
        metrics.SETBACKS_SEEN.add(kind)
    new = [blow for blow in {blow.key: blow for blow in blows}.values() if blow.key in fresh]
    whys: dict[Rule, dict[int, str | None]] = {}
    current = _current(session, new, confirmed)
    for blow in current:
        if rule := AT_ONCE.get(blow.kind):
            whys.setdefault(rule, {})[blow.subscriber_id] = _why(blow, [blow.issue_number])
    for blow, rule, issues in _in_time(session, current, confirmed):
        whys.setdefault(rule, {})[blow.subscriber_id] = _why(blow, issues)
    ordered = sorted(whys.items(), key=lambda item: meaning.RULES.index(item[0]))
    stopped = sum(
        blocking.block(session, settings, rule.reason, theirs, now) for rule, theirs in ordered
    )
    return fresh, stopped


def remove(session: Session, before: datetime, limit: int) -> int:
    """Delete at most `limit` setbacks older than this; complaints stay, to be counted."""
    old = select(Setback.sent, Setback.sent_id, Setback.kind).where(
        Setback.at < before, Setback.kind != SetbackKind.COMPLAINT
    )
    mine = tuple_(Setback.sent, Setback.sent_id, Setback.kind).in_(old.limit(limit))
    return len(session.execute(delete(Setback).where(mine).returning(Setback.sent_id)).all())


def _write(session: Session, blows: Iterable[Blow], now: datetime, *, again: bool) -> set[Key]:
    """Those of the blows that were not known."""
    rows = {
        blow.key: {
            "sent": blow.sent.value,
            "sent_id": blow.id,
            "kind": blow.kind,
            "subscriber_id": blow.subscriber_id,
            "issue_number": blow.issue_number,
            "at": (blow.sent_at or now) if again else now,
        }
        for blow in blows
    }
    if not rows:
        return set()
    fresh = insertion(session, Setback).values([rows[key] for key in sorted(rows)])
    if again:
        later = {"at": fresh.excluded.at}
        known = [Setback.sent, Setback.sent_id, Setback.kind]
        fresh = fresh.on_conflict_do_update(
            index_elements=known, set_=later, where=Setback.at < fresh.excluded.at
        )
    else:
        fresh = fresh.on_conflict_do_nothing()
    written = session.execute(fresh.returning(Setback.sent, Setback.sent_id, Setback.kind))
    return {(sent, id, kind) for sent, id, kind in written}


def _current(
    session: Session, blows: Sequence[Blow], confirmed: Mapping[int, datetime | None]
) -> list[Blow]:
    """Without bounces of mail from before the reader confirmed (again), or moved: what is known
    since is more. A complaint is the reader's own word, whichever mail it is about."""
    moved = _moved(session, {blow.subscriber_id for blow in blows})
    found = []
    for blow in blows:
        known = (confirmed.get(blow.subscriber_id), moved.get(blow.subscriber_id))
        since = max((at for at in known if at), default=None)
        stale = since is not None and blow.sent_at is not None and blow.sent_at < since
        if blow.kind is SetbackKind.COMPLAINT or not stale:
            found.append(blow)
    return found


def _moved(session: Session, readers: Collection[int]) -> dict[int, datetime]:
    """When these readers changed their address last."""
    changed = (Consent.event == ConsentEvent.CHANGED, Consent.subscriber_id.in_(readers))
    query = select(Consent.subscriber_id, Consent.at, Consent.facts).where(*changed)
    rows = session.execute(query.order_by(Consent.id))
    return {reader: at for reader, at, facts in rows if facts.get("address") == "changed"}


def _in_time(
    session: Session, blows: Sequence[Blow], confirmed: Mapping[int, datetime | None]
) -> Iterable[tuple[Blow, Rule, list[int]]]:
    """Readers for whom one more setback is the last."""
    newest = {
        blow.subscriber_id: blow for blow in blows if blow.kind in GRADUAL and blow.issue_number
    }
    suspects = _with_several(session, newest)
    past = _past(session, suspects)
    before = {reader: max(one.issue_number for one in past[reader]) for reader in past}
    received = ledger.last_received(session, before)
    for reader, theirs in past.items():
        since = confirmed.get(reader)
        in_a_row = [
            one
            for one in theirs
            if one.issue_number > received.get(reader, 0) and not (since and one.at < since)
        ]
        if found := meaning.broken(in_a_row):
            yield newest[reader], *found


def _with_several(session: Session, readers: Collection[int]) -> list[int]:
    """Of most readers this setback is the only one."""
    fewest = min(rule.issues for rule in IN_TIME)
    query = select(Setback.subscriber_id).where(
        Setback.subscriber_id.in_(readers), Setback.kind.in_(GRADUAL)
    )
    several = func.count(Setback.issue_number.distinct()) >= fewest
    return list(session.scalars(query.group_by(Setback.subscriber_id).having(several)))


def _past(session: Session, readers: Sequence[int]) -> dict[int, list[Past]]:
    columns = (Setback.subscriber_id, Setback.kind, Setback.issue_number, Setback.at)
    theirs = (Setback.subscriber_id.in_(readers), Setback.kind.in_(GRADUAL))
    found: dict[int, list[Past]] = {}
    query = select(*columns).where(*theirs)
    for reader, kind, number, at in session.execute(query) if readers else ():
        if reader is not None and number is not None:
            found.setdefault(reader, []).append(Past(kind, number, at))
    return found


def _why(blow: Blow, issues: Sequence[int | None]) -> str:
    """In no language: kind, status, issues, and what the other side said."""
    named = ", ".join(str(number) for number in issues if number)
    head = " ".join(filter(None, (blow.kind.value, blow.status, f"({named})" if named else "")))
    return f"{head}: {blow.words}" if blow.words else head
