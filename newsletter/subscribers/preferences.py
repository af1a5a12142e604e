"""What a reader chose, and changing it. Looking up by a token never changes anything."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from newsletter import addresses, notices
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
from newsletter.tokens import Claim, Purpose, parse, tokens_of

TOPIC = re.compile(r"[a-z0-9-]{1,64}")
READING = frozenset({SubscriberState.ACTIVE, SubscriberState.PENDING})


def joined(topics: Iterable[str]) -> str:
    """Topics as they are stored: sorted keys joined by "|"; none is every topic, also later ones.

    Raises FixRequest for something that cannot be a key; which keys exist, the door knows.
    """
    keys = sorted(set(topics))
    if not all(TOPIC.fullmatch(key) for key in keys):
        raise FixRequest(_("Dit onderwerp bestaat niet. Kies een onderwerp uit de lijst."))
    return "|".join(keys)


def apart(text: str) -> list[str]:
    """The keys in what `joined` made; none is every topic."""
    return text.split("|") if text else []


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
    return tuple(apart(text))


def find(session: Session, settings: Settings, token: str) -> Subscriber | None:
    """Whose preferences this link opens; None when unknown or erased. Read-only."""
    subscriber = by_token(session, settings, Purpose.PREFERENCES, token)
    if subscriber is None or subscriber.state is SubscriberState.ERASED:
        return None
    return subscriber


def find_to_change(session: Session, settings: Settings, token: str) -> Subscriber | None:
    """As `find`, with the row locked until the transaction ends: what is read stays true."""
    subscriber = find(session, settings, token)
    if subscriber is None:
        return None
    session.refresh(subscriber, with_for_update=True)
    return None if subscriber.state is SubscriberState.ERASED else subscriber


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
    """Store new choices with a proof; False when nothing differs. The row must be held.

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


def by_mailed_token(
    session: Session, settings: Settings, purpose: Purpose, token: str
) -> tuple[Claim, Subscriber] | None:
    """Whom a token names that is bound to the address it was mailed to; None when it is none of
    ours, or that address is theirs no more. Read-only."""
    claim = parse(token)
    subscriber = session.get(Subscriber, claim.id) if claim else None
    if claim is None or subscriber is None or subscriber.canonical is None:
        return None
    sound = tokens_of(settings).verify(purpose, claim, subscriber.canonical)
    return (claim, subscriber) if sound else None


def activate(
    session: Session, subscriber: Subscriber, now: datetime, *still: ColumnElement[bool]
) -> bool:
    """Make a reader active whose row is as it was read: of two who press at once, one does so."""
    change = (
        update(Subscriber)
        .where(Subscriber.id == subscriber.id, Subscriber.canonical == subscriber.canonical, *still)
        .values(state=SubscriberState.ACTIVE, confirmed_at=now, left_at=None, paused_until=None)
        .returning(Subscriber.id)
        .execution_options(synchronize_session=False)
    )
    won = session.scalar(change) is not None
    session.refresh(subscriber)
    return won


def by_token(
    session: Session, settings: Settings, purpose: Purpose, token: str
) -> Subscriber | None:
    """Whom a token of this purpose names, whatever their state; None when it is none of ours."""
    claim = parse(token)
    if claim is None or not tokens_of(settings).verify(purpose, claim):
        return None
    return session.get(Subscriber, claim.id)
