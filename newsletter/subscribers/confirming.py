"""What a letter about signing up leads to: confirm, never again, one reminder, and the end.

Looking at a link changes nothing (SEC-02, UNS-05); pressing its button twice, or both at once, does
what pressing once does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from newsletter import journal, limits, notices, suppression
from newsletter.delivery import ledger
from newsletter.models import (
    Consent,
    ConsentEvent,
    EventKind,
    Issue,
    IssueState,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
)
from newsletter.notices import writing
from newsletter.programs import events
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences, settling, tallies
from newsletter.subscribers.posting import Post
from newsletter.subscribers.signup import storable
from newsletter.tokens import Purpose, fingerprint, parse, tokens_of

PURGE_BATCH = 500


class Result(StrEnum):
    """What a confirmation link leads to."""

    OPEN = "open"  # look() only: the button is there to be pressed
    CONFIRMED = "confirmed"
    ALREADY = "already"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The result and, unless unknown, whose link it was."""

    result: Result
    subscriber: Subscriber | None = None


def look(session: Session, settings: Settings, token: str, now: datetime) -> Confirmation:
    """What the link would do, for the page with the button. Read-only (SEC-02, UNS-05)."""
    named = preferences.by_mailed_token(session, settings, Purpose.CONFIRM, token)
    if named is None:
        return Confirmation(Result.UNKNOWN)
    claim, subscriber = named
    if subscriber.state is SubscriberState.ACTIVE:
        return Confirmation(Result.ALREADY, subscriber)
    too_old = claim.older_than(timedelta(days=settings.confirm_days), now)
    waiting = subscriber.state is SubscriberState.PENDING
    canonical = subscriber.canonical or ""
    entry = suppression.is_suppressed(session, tokens_of(settings), canonical)
    if too_old or not waiting or suppression.is_final(entry):
        return Confirmation(Result.EXPIRED, subscriber)
    return Confirmation(Result.OPEN, subscriber)


def confirm(
    session: Session, settings: Settings, token: str, now: datetime, ip: str, user_agent: str
) -> Confirmation:
    """Start the subscription as it was asked for last; pressed again it answers ALREADY."""
    found = look(session, settings, token, now)
    subscriber = found.subscriber
    if found.result is not Result.OPEN or subscriber is None:
        return found
    waiting = Subscriber.state == SubscriberState.PENDING
    if not preferences.activate(session, subscriber, now, waiting):
        return look(session, settings, token, now)
    journal.write(session, settings, journal.Purpose.BACK, [subscriber.canonical], now)
    _choose(session, settings, subscriber)
    proof = consent.Proof(
        "page",
        ip=storable("ip", ip),
        user_agent=storable("user_agent", user_agent),
        facts=_evidence(session, settings, subscriber, token),
    )
    consent.record(session, subscriber, ConsentEvent.CONFIRMED, proof, now)
    _welcome(session, settings, subscriber, now)
    events.tell(session, EventKind.SUBSCRIBED, [subscriber.id], now)
    tallies.add(session, settings, "confirmed", now)
    return Confirmation(Result.CONFIRMED, subscriber)


def remind(session: Session, settings: Settings, now: datetime, limit: int = 200) -> int:
    """Queue the one reminder of those who asked REMIND_HOURS ago and did not confirm.

    Its link is that of the first letter, and ends with it. Returns how many were queued.
    """
    if not settings.remind_hours:
        return 0
    post = Post(session, settings, now)
    found = session.execute(_to_remind(settings, now).limit(limit)).all()
    people = {row.Subscriber.canonical: (row.Subscriber, row.Notice) for row in found}
    allowed = post.remind(people)
    for canonical in sorted(allowed):
        subscriber, first = people[canonical]
        facts = {
            "asked_at": first.created_at.isoformat(),
            "sent_at": first.settled_at.isoformat(),
        }
        post.write(NoticeKind.REMINDER, subscriber.id, subscriber.email, first.locale, facts)
    post.queue()
    return len(allowed)


def purge(session: Session, now: datetime, days: int) -> int:
    """Forget who was asked to confirm and did not for `days`; returns how many.

    Someone who had left and asked again without confirming has left: that proof stays.
    """
    overdue = _overdue(now - timedelta(days=days))
    back = (
        update(Subscriber)
        .where(*overdue, or_(Subscriber.confirmed_at.is_not(None), Subscriber.left_at.is_not(None)))
        .values(state=SubscriberState.LEFT, left_at=func.coalesce(Subscriber.left_at, now))
    )
    session.execute(back)
    purged = 0
    while ids := _next_overdue(session, overdue):
        forget(session, ids)
        purged += len(ids)
    return purged


def forget(session: Session, ids: Sequence[int]) -> None:
    """Empty the rows of people who never consented; nameless proofs that they asked stay."""
    consent.forget(session, ids)
    notices.remove(session, ids)
    emptied = {"email": None, "canonical": None, "state": SubscriberState.ERASED}
    session.execute(update(Subscriber).where(Subscriber.id.in_(ids)).values(**emptied))


def _choose(session: Session, settings: Settings, subscriber: Subscriber) -> None:
    """What was asked for last counts, now that they say so themselves."""
    last = settling.wanted(session, subscriber.id)
    if last is None:
        return
    topics = preferences.apart(last.topics)
    cadence = settling.cadence(settings, last.cadence)
    preferences.choose(session, subscriber, last.locale, topics, cadence)


def _evidence(
    session: Session, settings: Settings, subscriber: Subscriber, token: str
) -> dict[str, Any]:
    """What proves that who pressed the button had the letter; the token itself is not kept."""
    facts = {"token_sha256": fingerprint(token), "method": "POST"}
    sent = select(Notice).where(
        Notice.subscriber_id == subscriber.id,
        Notice.kind == NoticeKind.CONFIRM,
        Notice.state == NoticeState.SENT,
    )
    claim = parse(token)
    letters = session.scalars(sent.order_by(Notice.id.desc()).limit(10)).all()
    made = [one for one in letters if claim and _second(one.settled_at) == claim.issued_at]
    if letter := next(iter([*made, *letters]), None):
        facts["message_id"] = writing.message_id(settings, letter)
        facts["sent_at"] = letter.settled_at.isoformat() if letter.settled_at else ""
        facts["reply"] = letter.reply or ""
    return facts


def _second(moment: datetime | None) -> datetime | None:
    """A time as a token says it. A letter's is the one at which it was taken to be sent."""
    return moment.replace(microsecond=0) if moment else None


def _welcome(session: Session, settings: Settings, subscriber: Subscriber, now: datetime) -> None:
    if subscriber.canonical is not None:
        tokens = tokens_of(settings)
        suppression.lift(session, tokens, subscriber.canonical, now, "asked again and confirmed")
    ledger.start_cursors(session, [subscriber.id])
    sent = select(Issue.number).where(Issue.state == IssueState.SENT)
    newest = session.scalar(sent.order_by(Issue.number.desc()).limit(1))
    preferences.write_to(session, subscriber, NoticeKind.WELCOME, now, {"issue": newest})


def _to_remind(settings: Settings, now: datetime) -> Any:
    """Subscriber and last sent confirm letter of those it is time for; not who was invited."""
    other, proof = aliased(Notice), aliased(Consent)
    sent = (Notice.kind == NoticeKind.CONFIRM, Notice.state == NoticeState.SENT)
    in_time = (
        Notice.settled_at <= now - timedelta(hours=settings.remind_hours),
        Notice.settled_at > now - timedelta(days=settings.confirm_days) + limits.DAY / 2,
    )
    since = exists().where(
        other.subscriber_id == Notice.subscriber_id,
        or_(
            (other.kind == NoticeKind.CONFIRM) & (other.id > Notice.id),
            (other.kind == NoticeKind.REMINDER) & (other.created_at > now - limits.MONTH),
        ),
    )
    by_form = exists().where(
        proof.subscriber_id == Notice.subscriber_id,
        proof.event == ConsentEvent.ASKED,
        proof.route == "form",
    )
    return (
        select(Subscriber, Notice)
        .join(Notice, Notice.subscriber_id == Subscriber.id)
        .where(Subscriber.state == SubscriberState.PENDING, *sent, *in_time, ~since, by_form)
        .order_by(Notice.id)
        .with_for_update(of=Subscriber)
    )


def _next_overdue(session: Session, overdue: list[ColumnElement[bool]]) -> list[int]:
    query = select(Subscriber.id).where(*overdue).order_by(Subscriber.id).limit(PURGE_BATCH)
    return list(session.scalars(query.with_for_update()))


def _overdue(cutoff: datetime) -> list[ColumnElement[bool]]:
    """Pending, last asked before `cutoff`, and without a letter whose link still works."""
    asked_since = exists().where(
        Consent.subscriber_id == Subscriber.id,
        Consent.event == ConsentEvent.ASKED,
        Consent.at > cutoff,
    )
    link_works = exists().where(
        Notice.subscriber_id == Subscriber.id,
        Notice.kind == NoticeKind.CONFIRM,
        or_(Notice.state == NoticeState.WAITING, Notice.settled_at > cutoff),
    )
    pending = Subscriber.state == SubscriberState.PENDING
    return [pending, Subscriber.created_at <= cutoff, ~asked_since, ~link_works]
