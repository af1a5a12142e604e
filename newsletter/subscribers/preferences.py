"""What a reader chose, changing it, and leaving. Looking up by a token never changes anything."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter import addresses, notices, suppression
from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES, _
from newsletter.models import (
    ConsentEvent,
    NoticeKind,
    Subscriber,
    SubscriberState,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent
from newsletter.tokens import Purpose, Tokens, parse

TOPIC = re.compile(r"[a-z0-9-]{1,64}")
READING = frozenset({SubscriberState.ACTIVE, SubscriberState.PENDING})


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody is gone; `changed` is False when they already were."""

    subscriber: Subscriber
    changed: bool


def joined(topics: Iterable[str]) -> str:
    """Topics as they are stored: sorted keys joined by "|"; none is every topic, also later ones.

    Raises FixRequest for something that cannot be a key; which keys exist, the door knows.
    """
    keys = sorted(set(topics))
    if not all(TOPIC.fullmatch(key) for key in keys):
        raise FixRequest(_("Dit onderwerp bestaat niet. Kies een onderwerp uit de lijst."))
    return "|".join(keys)


def choice(session: Session, topics: Iterable[str]) -> TopicChoice:
    """The shared row of this set of topics, made when it is the first of its kind."""
    text = joined(topics)
    query = select(TopicChoice).where(TopicChoice.topics == text)
    if (found := session.scalar(query)) is not None:
        return found
    try:
        with session.begin_nested():
            made = TopicChoice(topics=text)
            session.add(made)
            session.flush()
            return made
    except IntegrityError:  # another transaction made it meanwhile (PostgreSQL)
        return session.scalars(query).one()


def topics_of(session: Session, subscriber: Subscriber) -> tuple[str, ...]:
    """The keys a subscriber chose; empty is every topic."""
    text = session.get_one(TopicChoice, subscriber.topic_choice_id).topics
    return tuple(text.split("|")) if text else ()


def find(session: Session, settings: Settings, token: str) -> Subscriber | None:
    """Whose preferences this link opens; None when unknown or erased. Read-only."""
    subscriber = _by_token(session, settings, Purpose.PREFERENCES, token)
    if subscriber is None or subscriber.state is SubscriberState.ERASED:
        return None
    return subscriber


def find_by_unsubscribe(session: Session, settings: Settings, token: str) -> Subscriber | None:
    """Whom this link unsubscribes, also when already left or erased. Read-only; never expires."""
    return _by_token(session, settings, Purpose.UNSUBSCRIBE, token)


def find_by_address(session: Session, email: str) -> Subscriber | None:
    """The subscriber with this address, however it is typed. Raises FixRequest on bad syntax."""
    canonical = addresses.parse(email, allow_utf8=True).canonical
    return session.scalar(select(Subscriber).where(Subscriber.canonical == canonical))


def change(
    session: Session,
    subscriber: Subscriber,
    *,
    locale: str,
    topics: Iterable[str],
    cadence: str,
    now: datetime,
) -> bool:
    """Store new choices with a proof; False when nothing differs.

    Raises FixRequest for someone who left: only a new sign-up brings them back.
    """
    if subscriber.state not in READING:
        raise FixRequest(
            _("Je bent niet meer ingeschreven. Schrijf je opnieuw in om weer nieuws te krijgen.")
        )
    if not choose(session, subscriber, locale, topics, cadence):
        return False
    consent.record(session, subscriber, ConsentEvent.CHANGED, consent.Proof("page"), now)
    return True


def choose(
    session: Session, subscriber: Subscriber, locale: str, topics: Iterable[str], cadence: str
) -> bool:
    """Set the choices of a subscriber, without a proof; did anything differ?"""
    if locale not in LOCALES:
        raise FixRequest(_("Deze taal kennen we niet. Kies een taal uit de lijst."))
    wanted = (locale, choice(session, topics).id, cadence)
    if wanted == (subscriber.locale, subscriber.topic_choice_id, subscriber.cadence):
        return False
    subscriber.locale, subscriber.topic_choice_id, subscriber.cadence = wanted
    return True


def leave_by_token(
    session: Session,
    settings: Settings,
    token: str,
    route: str,
    now: datetime,
    issue_number: int | None = None,
) -> Left | None:
    """Unsubscribe whom the token names, as often as it is used; None for an unknown token."""
    subscriber = find_by_unsubscribe(session, settings, token)
    if subscriber is None:
        return None
    return leave(session, settings, subscriber, route, now, issue_number)


def leave(
    session: Session,
    settings: Settings,
    subscriber: Subscriber,
    route: str,
    now: datetime,
    issue_number: int | None = None,
) -> Left:
    """End a subscription at once, also for mail that is already planned (UNS-06)."""
    session.refresh(subscriber, with_for_update=True)
    before = subscriber.state
    if before in (SubscriberState.LEFT, SubscriberState.ERASED):
        return Left(subscriber, changed=False)
    subscriber.state, subscriber.left_at = SubscriberState.LEFT, now
    proof = consent.Proof(route, issue_number=issue_number)
    consent.record(session, subscriber, ConsentEvent.WITHDRAWN, proof, now)
    ledger.withdraw(session, subscriber.id, now)
    # Nothing but the confirmation goes to who never confirmed (SEC-01), nothing where mail bounced.
    if before is SubscriberState.ACTIVE and not _suppressed(session, settings, subscriber):
        write_to(session, subscriber, NoticeKind.GOODBYE, now)
    return Left(subscriber, changed=True)


def write_to(
    session: Session,
    subscriber: Subscriber,
    kind: NoticeKind,
    now: datetime,
    facts: dict[str, Any] | None = None,
) -> None:
    """Queue a notice for a subscriber, who must have an address."""
    if subscriber.email is None:
        raise ValueError(f"subscriber {subscriber.id} was erased and cannot get a notice")
    notices.queue(
        session,
        kind,
        email=subscriber.email,
        locale=subscriber.locale,
        subscriber_id=subscriber.id,
        facts=facts,
        now=now,
    )


def _suppressed(session: Session, settings: Settings, subscriber: Subscriber) -> bool:
    tokens = Tokens(settings.secret_key)
    canonical = subscriber.canonical
    return canonical is not None and bool(suppression.is_suppressed(session, tokens, canonical))


def _by_token(
    session: Session, settings: Settings, purpose: Purpose, token: str
) -> Subscriber | None:
    claim = parse(token)
    if claim is None or not Tokens(settings.secret_key).verify(purpose, claim):
        return None
    return session.get(Subscriber, claim.id)
