"""Leaving: at once, also for mail that is planned, as often as the link is used, for ever.

Mail programs send thousands of one-click requests after an issue. So who leaves at the same time
leaves in one transaction, with the same few statements for all, in plain SQL.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter import journal, notices
from newsletter.db import Plain
from newsletter.delivery import ledger
from newsletter.models import ConsentEvent, EventKind, NoticeKind, Subscriber, SubscriberState
from newsletter.programs import events
from newsletter.settings import Settings
from newsletter.subscribers import consent
from newsletter.subscribers.preferences import by_token
from newsletter.tokens import Claim, Purpose, parse, tokens_of

GONE = frozenset({SubscriberState.LEFT, SubscriberState.ERASED})
SECOND = timedelta(seconds=1)

# With the issue whose link was used: the links of an issue carry the moment of its planning.
WHO = """
WITH wishes (id, made, later) AS (VALUES {rows})
SELECT s.id, s.state, s.email, s.canonical, s.locale, s.cadence, t.topics, (
    SELECT max(i.number) FROM deliveries d JOIN issues i ON i.number = d.issue_number
    WHERE d.subscriber_id = s.id AND i.planned_at >= w.made AND i.planned_at < w.later
)
FROM wishes w JOIN subscribers s ON s.id = w.id JOIN topic_choices t ON t.id = s.topic_choice_id
ORDER BY s.id
"""
# In one order, so that nobody waits in a circle; and past the planning of an issue, which holds on
# to the keys of its readers.
LOCKED = "FOR NO KEY UPDATE OF s"
LEAVE = "UPDATE subscribers SET state = 'left', left_at = ? WHERE id IN ({marks})"
EXPECTING = """
SELECT subscriber_id FROM deliveries
WHERE subscriber_id IN ({marks}) AND state IN ('pending', 'claimed', 'deferred')
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants to leave, by some route; `issue_number`, or their link, says why."""

    subscriber_id: int
    route: str
    link_made_at: datetime | None = None  # in whole seconds
    issue_number: int | None = None
    reason: str | None = None  # what an editor wrote down, of who asked another way


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody is gone; `changed` is False when they already were."""

    subscriber: Subscriber
    changed: bool


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who wants to leave, as they are until the end of the transaction; a row of WHO."""

    id: int
    state: str
    email: str | None
    canonical: str | None
    locale: str
    cadence: str
    topics: str
    issue_number: int | None


def read(settings: Settings, token: str) -> Claim | None:
    """What a link to leave says, when it is ours; it never expires. Asks no database."""
    claim = parse(token)
    if claim is None or not tokens_of(settings).verify(Purpose.UNSUBSCRIBE, claim):
        return None
    return claim


def find(session: Session, settings: Settings, token: str) -> Subscriber | None:
    """Whom this link unsubscribes, also when already left or erased. Read-only; never expires."""
    return by_token(session, settings, Purpose.UNSUBSCRIBE, token)


def leave(
    session: Session,
    settings: Settings,
    subscriber: Subscriber,
    route: str,
    now: datetime,
    issue_number: int | None = None,
    reason: str | None = None,
) -> Left:
    """End a subscription at once, also for mail that is already planned (UNS-06)."""
    wish = Wish(subscriber.id, route, issue_number=issue_number, reason=reason)
    [changed] = leave_all(session, settings, [wish], now)
    session.refresh(subscriber)
    return Left(subscriber, bool(changed))


def leave_all(
    session: Session,
    settings: Settings,
    wishes: Sequence[Wish],
    now: datetime,
    *,
    goodbye: bool = True,
) -> list[bool | None]:
    """End all these subscriptions at once, with a goodbye letter; in the order of `wishes`.

    False for who is gone already, also by an earlier wish; None for who never was.
    """
    session.flush()
    plain, first = Plain(session), dict[int, Wish]()
    for wish in wishes:
        first.setdefault(wish.subscriber_id, wish)
    found = {reader.id: reader for reader in _readers(plain, first.values())}
    leaving = [reader for reader in found.values() if reader.state not in GONE]
    if leaving:
        journal.write(session, settings, journal.Purpose.LEFT, _addresses(leaving), now)
        for id in _end(plain, leaving, first, now, goodbye=goodbye):
            ledger.withdraw(session, id, now)
    changed = {reader.id for reader in leaving}
    return [
        wish.subscriber_id in changed and first[wish.subscriber_id] is wish
        if wish.subscriber_id in found
        else None
        for wish in wishes
    ]


def _readers(plain: Plain, wishes: Collection[Wish]) -> list[_Reader]:
    values: list[object] = []
    for wish in wishes:
        made = wish.link_made_at
        bounds = (plain.moment(made), plain.moment(made + SECOND)) if made else (None, None)
        values += (wish.subscriber_id, *bounds)
    row = "(?, ?, ?)" if plain.sqlite else "(?::bigint, ?::timestamptz, ?::timestamptz)"
    sql = WHO.format(rows=", ".join([row] * len(wishes)))
    with plain.together():
        return [_Reader(*row) for row in plain.run(sql if plain.sqlite else sql + LOCKED, values)]


def _addresses(readers: Sequence[_Reader]) -> list[str | None]:
    return [reader.canonical for reader in readers]


def _end(
    plain: Plain,
    leaving: Sequence[_Reader],
    wishes: Mapping[int, Wish],
    now: datetime,
    *,
    goodbye: bool,
) -> list[int]:
    """Write it all down: state, proof and goodbye. Returns who still has mail on its way."""
    ids = [reader.id for reader in leaving]
    marks = ", ".join("?" * len(ids))
    with plain.together():
        plain.tell(LEAVE.format(marks=marks), (plain.moment(now), *ids))
        _prove(plain, leaving, wishes, now)
        if goodbye:
            _say_goodbye(plain, leaving, now)
        return [id for (id,) in plain.run(EXPECTING.format(marks=marks), ids)]


def _prove(
    plain: Plain, leaving: Sequence[_Reader], wishes: Mapping[int, Wish], now: datetime
) -> None:
    alike: dict[tuple[str, int | None, str | None], list[consent.Person]] = {}
    for reader in leaving:
        wish, about = wishes[reader.id], (reader.locale, reader.cadence, reader.topics)
        why = (wish.route, wish.issue_number or reader.issue_number, wish.reason)
        alike.setdefault(why, []).append(consent.Person(reader.id, reader.email, *about))
    for (route, number, reason), people in alike.items():
        facts = {"reason": reason} if reason else {}
        proof = consent.Proof(route, issue_number=number, facts=facts)
        consent.record_plainly(plain, people, ConsentEvent.WITHDRAWN, proof, now)


def _say_goodbye(plain: Plain, leaving: Sequence[_Reader], now: datetime) -> None:
    """To who read, and to the programs that want to know. Nothing but the confirmation goes to who
    never confirmed (SEC-01), nothing where mail bounced; the outbox asks again whether an address
    is suppressed."""
    readers = [
        (reader.id, reader.email, reader.locale)
        for reader in leaving
        if reader.state == SubscriberState.ACTIVE
    ]
    if readers:
        notices.queue_all(plain, NoticeKind.GOODBYE, readers, now)
        events.tell_plainly(plain, EventKind.LEFT, [id for id, *_more in readers], now)
