"""Our own readers with other providers: did an issue arrive, where, and how soon? Writes
`sightings`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import limits
from newsletter.bounces.mailbox.finding import Found
from newsletter.db import insertion
from newsletter.issues import trouble
from newsletter.models import (
    Delivery,
    DeliveryState,
    Issue,
    SeedPlace,
    Sighting,
    Subscriber,
)
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Account
from newsletter.tokens import Purpose, tokens_of

LATEST = timedelta(days=3)  # how long after it went an issue is looked for, if nobody could before
ONCE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Expected:
    """An issue that the relay took for one of our own readers, and that nobody has seen yet."""

    account: Account
    issue_number: int
    subscriber_id: int
    message_id: str  # without < >
    sent_at: datetime


def expected(session: Session, settings: Settings, now: datetime) -> list[Expected]:
    """What to look for now. Reads only."""
    accounts = {one.address.lower(): one for one in settings.seed_mailboxes}
    seen = select(Sighting.issue_number).where(
        Sighting.issue_number == Delivery.issue_number,
        Sighting.subscriber_id == Delivery.subscriber_id,
    )
    query = (
        select(Delivery, Subscriber.canonical, Issue.planned_at)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Issue, Issue.number == Delivery.issue_number)
        .where(
            Subscriber.canonical.in_(list(accounts)),
            Delivery.state == DeliveryState.ACCEPTED,
            Delivery.settled_at > now - LATEST,
            ~seen.exists(),
        )
    )
    tokens, domain = tokens_of(settings), settings.mail_domain
    return [
        Expected(
            accounts[address],
            row.issue_number,
            row.subscriber_id,
            f"{row.issue_number}.{tokens.issue(Purpose.MESSAGE_ID, row.id, planned_at)}@{domain}",
            row.settled_at,
        )
        for row, address, planned_at in session.execute(query)
        if row.settled_at and planned_at and address
    ]


def note(
    session: Session,
    settings: Settings,
    looked_for: Iterable[Expected],
    found: Mapping[str, Found] | None,
    now: datetime,
) -> None:
    """Write down what was found by Message-ID, and what is given up; `found` is None when nobody
    could look. The editors get one letter for each issue that is missing or among the spam."""
    latest = now - timedelta(hours=settings.seed_hours)
    lost = SeedPlace.UNKNOWN if found is None else SeedPlace.MISSING
    rows, numbers = [], set[int]()
    for one in looked_for:
        place, seen_at = lost, None
        if hit := (found or {}).get(one.message_id):
            place, seen_at = SeedPlace.SPAM if hit.spam else SeedPlace.INBOX, hit.at
        elif one.sent_at > latest:
            continue
        key = {"issue_number": one.issue_number, "subscriber_id": one.subscriber_id}
        told = {"provider": one.account.host, "place": place, "seen_at": seen_at}
        rows.append(key | told | {"sent_at": one.sent_at})
        numbers.add(one.issue_number)
    if rows:
        session.execute(insertion(session, Sighting).values(rows).on_conflict_do_nothing())
    for number in sorted(numbers):
        _tell(session, settings, number, now)


def seen(session: Session, number: int) -> list[Sighting]:
    """Where an issue was seen, by provider."""
    query = select(Sighting).where(Sighting.issue_number == number)
    return list(session.scalars(query.order_by(Sighting.provider, Sighting.subscriber_id)))


def _tell(session: Session, settings: Settings, number: int, now: datetime) -> None:
    bad = [one for one in seen(session, number) if one.place is not SeedPlace.INBOX]
    if bad and limits.take(session, [f"seeds:{number}"], 1, ONCE, now):
        places = [{"provider": one.provider, "place": one.place.value} for one in bad]
        trouble.tell_of_seeds(session, settings, number, places, now)
