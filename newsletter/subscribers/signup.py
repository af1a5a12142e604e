"""Double opt-in: the form writes one row, the clock decides, a person confirms.

The form's answer is the same for everybody, in bytes and in time (SEC-07): `request` does the same
work for a new, pending, active or suppressed address. `settle_requests` then decides which letter
goes, if any. Nothing but that letter goes to an address before `confirm` (SEC-01).
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from newsletter import addresses, notices, suppression
from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES, _
from newsletter.models import (
    Consent,
    ConsentEvent,
    Issue,
    IssueState,
    Notice,
    NoticeKind,
    NoticeState,
    SignupRequest,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences
from newsletter.tokens import Purpose, Tokens, parse

log = logging.getLogger(__name__)

DAY = timedelta(days=1)
LONGEST = {"form_url": 500, "ip": 64, "user_agent": 300}
# How long a request that met a conflict is tried again (two clocks at the same address).
PATIENCE = timedelta(hours=1)
PURGE_BATCH = 500


@dataclass(frozen=True, slots=True)
class SignupForm:
    """What the form sent, and from where; `wording` is the id of the sentence it showed."""

    email: str
    locale: str
    topics: tuple[str, ...]
    cadence: str
    wording: str
    form_url: str
    ip: str
    user_agent: str


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


def request(session: Session, form: SignupForm, now: datetime, *, allow_utf8: bool = False) -> None:
    """Write down that somebody asked: one row of one shape, whoever it is.

    `allow_utf8`: may the address have other letters than ASCII before the @ (MAIL_SMTPUTF8)?

    Raises FixRequest with one Dutch sentence (translatable) when the form itself is wrong.
    """
    address = addresses.parse(form.email, allow_utf8=allow_utf8)
    if form.locale not in LOCALES:
        raise FixRequest(_("Deze taal kennen we niet. Kies een taal uit de lijst."))
    row = SignupRequest(
        email=address.typed,
        canonical=address.canonical,
        locale=form.locale,
        cadence=form.cadence,
        topics=preferences.joined(form.topics),
        wording=consent.named(form.wording).id,
        form_url=_storable("form_url", form.form_url.partition("?")[0]),  # a query may name people
        ip=_storable("ip", form.ip),
        user_agent=_storable("user_agent", form.user_agent),
        asked_at=now,
    )
    session.add(row)
    session.flush()


def settle_requests(session: Session, settings: Settings, now: datetime, limit: int = 200) -> int:
    """Decide what follows from the oldest `limit` requests; returns how many were decided.

    Each has its own savepoint: one that cannot be settled is deleted with a line in the log.
    """
    oldest = select(SignupRequest).order_by(SignupRequest.id).limit(limit)
    requests = session.scalars(oldest.with_for_update(skip_locked=True)).all()
    return sum(_settle(session, settings, asked.id, now) for asked in requests)


def look(session: Session, settings: Settings, token: str, now: datetime) -> Confirmation:
    """What the link would do, for the page with the button. Read-only (SEC-02, UNS-05)."""
    tokens = Tokens(settings.secret_key)
    claim = parse(token)
    subscriber = session.get(Subscriber, claim.id) if claim else None
    if claim is None or subscriber is None or subscriber.canonical is None:
        return Confirmation(Result.UNKNOWN)
    if not tokens.verify(Purpose.CONFIRM, claim, subscriber.canonical):
        return Confirmation(Result.UNKNOWN)
    if subscriber.state is SubscriberState.ACTIVE:
        return Confirmation(Result.ALREADY, subscriber)
    too_old = claim.older_than(timedelta(days=settings.confirm_days), now)
    waiting = subscriber.state is SubscriberState.PENDING
    entry = suppression.is_suppressed(session, tokens, subscriber.canonical)
    if too_old or not waiting or suppression.is_final(entry):
        return Confirmation(Result.EXPIRED, subscriber)
    return Confirmation(Result.OPEN, subscriber)


def confirm(
    session: Session, settings: Settings, token: str, now: datetime, ip: str, user_agent: str
) -> Confirmation:
    """Start the subscription; pressed again, or twice at once, it answers ALREADY."""
    found = look(session, settings, token, now)
    subscriber = found.subscriber
    if found.result is not Result.OPEN or subscriber is None:
        return found
    if not _activate(session, subscriber, now):
        return look(session, settings, token, now)
    agent = _storable("user_agent", user_agent)
    proof = consent.Proof("page", ip=_storable("ip", ip), user_agent=agent)
    consent.record(session, subscriber, ConsentEvent.CONFIRMED, proof, now)
    _welcome(session, settings, subscriber, now)
    return Confirmation(Result.CONFIRMED, subscriber)


def purge(session: Session, now: datetime, days: int) -> int:
    """Delete who was asked to confirm and did not for `days`; returns how many.

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
        consent.remove(session, ids)
        notices.remove(session, ids)
        session.execute(delete(Subscriber).where(Subscriber.id.in_(ids)))
        purged += len(ids)
    return purged


def _settle(session: Session, settings: Settings, request_id: int, now: datetime) -> bool:
    try:
        with session.begin_nested():
            asked = session.get_one(SignupRequest, request_id)
            _decide(session, settings, asked, now)
            session.delete(asked)
        return True
    except (OperationalError, InterfaceError):
        raise  # the database, not this request: nothing is lost, the next round tries again
    except Exception as error:
        # Only the kind of error: its text may hold the address (SEC-11).
        log.warning("sign-up request %d failed: %s", request_id, type(error).__name__)
        asked = session.get_one(SignupRequest, request_id, populate_existing=True)
        if isinstance(error, IntegrityError) and now - asked.asked_at < PATIENCE:
            return False
        session.delete(asked)
        session.flush()
        return True


def _decide(session: Session, settings: Settings, asked: SignupRequest, now: datetime) -> None:
    entry = suppression.is_suppressed(session, Tokens(settings.secret_key), asked.canonical)
    if suppression.is_final(entry):
        return
    same_person = select(Subscriber).where(Subscriber.canonical == asked.canonical)
    subscriber = session.scalar(same_person.with_for_update())
    if subscriber is None:
        subscriber = _newcomer(session, settings, asked)
    if subscriber.state is not SubscriberState.ACTIVE:
        _ask(session, settings, subscriber, asked, now)
    elif _may_write(session, settings, subscriber, now):
        _write(session, subscriber, NoticeKind.ALREADY, asked, now)


def _newcomer(session: Session, settings: Settings, asked: SignupRequest) -> Subscriber:
    subscriber = Subscriber(
        email=asked.email,
        canonical=asked.canonical,
        locale=asked.locale,
        cadence=_cadence(settings, asked),
        topic_choice_id=preferences.choice(session, _topics(asked)).id,
        state=SubscriberState.PENDING,
        created_at=asked.asked_at,
    )
    session.add(subscriber)
    session.flush()
    return subscriber


def _ask(
    session: Session,
    settings: Settings,
    subscriber: Subscriber,
    asked: SignupRequest,
    now: datetime,
) -> None:
    """Make someone pending with their latest choices; they get a letter unless one went today."""
    came_back = subscriber.state is not SubscriberState.PENDING
    cadence = _cadence(settings, asked)
    chose = preferences.choose(session, subscriber, asked.locale, _topics(asked), cadence)
    subscriber.email, subscriber.state = asked.email, SubscriberState.PENDING
    may_write = _may_write(session, settings, subscriber, now)
    if came_back or chose or may_write:
        session.flush()
        consent.record(session, subscriber, ConsentEvent.ASKED, _proof(asked), asked.asked_at)
    if may_write:
        _write(session, subscriber, NoticeKind.CONFIRM, asked, now)


def _may_write(session: Session, settings: Settings, subscriber: Subscriber, now: datetime) -> bool:
    """At most CONFIRM_NOTICES_PER_DAY letters to an address because of the form (SEC-03)."""
    kinds = (NoticeKind.CONFIRM, NoticeKind.ALREADY)
    since = now - DAY
    if subscriber.confirmed_at and subscriber.left_at:
        since = max(since, subscriber.left_at)  # who confirmed and left asks anew, as themselves
    written = notices.written_since(session, subscriber.id, kinds, since)
    return written < settings.confirm_notices_per_day


def _write(
    session: Session, subscriber: Subscriber, kind: NoticeKind, asked: SignupRequest, now: datetime
) -> None:
    facts = {"asked_at": asked.asked_at.isoformat()}
    preferences.write_to(session, subscriber, kind, now, facts)


def _activate(session: Session, subscriber: Subscriber, now: datetime) -> bool:
    """Of two who press the button at once, one changes the row."""
    change = (
        update(Subscriber)
        .where(
            Subscriber.id == subscriber.id,
            Subscriber.state == SubscriberState.PENDING,
            Subscriber.canonical == subscriber.canonical,
        )
        .values(state=SubscriberState.ACTIVE, confirmed_at=now, left_at=None)
        .returning(Subscriber.id)
        .execution_options(synchronize_session=False)
    )
    won = session.scalar(change) is not None
    session.refresh(subscriber)
    return won


def _welcome(session: Session, settings: Settings, subscriber: Subscriber, now: datetime) -> None:
    if subscriber.canonical is not None:
        tokens = Tokens(settings.secret_key)
        suppression.lift(session, tokens, subscriber.canonical, now, "asked again and confirmed")
    ledger.start_cursors(session, [subscriber.id])
    sent = select(Issue.number).where(Issue.state == IssueState.SENT)
    newest = session.scalar(sent.order_by(Issue.number.desc()).limit(1))
    preferences.write_to(session, subscriber, NoticeKind.WELCOME, now, {"issue": newest})


def _proof(asked: SignupRequest) -> consent.Proof:
    return consent.Proof(
        "form",
        wording=consent.named(asked.wording),
        source=asked.form_url,
        ip=asked.ip,
        user_agent=asked.user_agent,
    )


def _topics(asked: SignupRequest) -> list[str]:
    return asked.topics.split("|") if asked.topics else []


def _cadence(settings: Settings, asked: SignupRequest) -> str:
    """The cadence asked for, if it still exists."""
    return asked.cadence if asked.cadence in settings.cadences else settings.default_cadence


def _storable(field: str, text: str) -> str:
    """Header values are anybody's: PostgreSQL stores neither NUL nor lone surrogates."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    return clean[: LONGEST[field]]


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
