"""The outbox: notices wait in the database, `drain` carries them to the relay.

Each notice goes on its own: claimed in a short transaction, handed over with none open, settled in
another. A crash in between repeats it, with the same Message-ID; nothing else can.
"""

import logging
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from newsletter import metrics, suppression
from newsletter.db import Database, Plain
from newsletter.delivery import message
from newsletter.delivery.message import Content
from newsletter.delivery.outcomes import Outcome, Reply, judge
from newsletter.delivery.relay import Relay
from newsletter.delivery.return_path import ReturnPath, Sent
from newsletter.delivery.signing import signers
from newsletter.delivery.throttle import Throttle
from newsletter.errors import TryLater
from newsletter.models import (
    Editor,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
)
from newsletter.notices import moving, replies, writing
from newsletter.notices.desk import TO_DESK, editor_of
from newsletter.settings import Settings
from newsletter.tokens import tokens_of

log = logging.getLogger(__name__)

# Minutes until the next try; the last one repeats.
BACKOFF = (1, 5, 15, 60)
GIVE_UP = timedelta(days=3)
# A letter is wanted only while its reader is in this state.
WANTED = {
    NoticeKind.CONFIRM: SubscriberState.PENDING,
    NoticeKind.REMINDER: SubscriberState.PENDING,
    NoticeKind.ALREADY: SubscriberState.ACTIVE,
    NoticeKind.PREFERENCES: SubscriberState.ACTIVE,
    NoticeKind.WELCOME: SubscriberState.ACTIVE,
    NoticeKind.GOODBYE: SubscriberState.LEFT,
    NoticeKind.NEW_ADDRESS: SubscriberState.ACTIVE,
    NoticeKind.ADDRESS_CHANGED: SubscriberState.ACTIVE,
}
QUEUE = """
INSERT INTO notices (subscriber_id, email, locale, kind, created_at, due_at, state, attempts, facts)
VALUES """
QUEUED = "(?, ?, ?, ?, ?, ?, 'waiting', 0, '{}')"
TO_EDITORS = (NoticeKind.PROOF, NoticeKind.TROUBLE, NoticeKind.ALARM, NoticeKind.REPLY)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A notice that is ours until its `due_at`, read out of its transaction."""

    notice: Notice
    subscriber: Subscriber | None
    editor: Editor | None
    now: datetime
    mail: bytes | None = None  # what a reply passes on


def queue(
    session: Session,
    kind: NoticeKind,
    *,
    email: str | None,
    locale: str,
    subscriber_id: int | None = None,
    facts: dict[str, Any] | None = None,
    now: datetime,
) -> Notice:
    """Put a letter in the outbox. `facts` by kind (never an address or a token; times ISO 8601):

    confirm `asked_at`, optional `source`; reminder `asked_at, sent_at` (of the first letter); alarm
    `count, seconds, at`; already `asked_at`; welcome `issue` (number or None);
    proof `issue` (number), `subject, html, text` of the edition, optional `leaves_at`; trouble
    `issue`, `words` of the relay, `paused` (or not), or else `what` and what ``troubles`
    reads for it; reply `reply`, the key of what is passed on. Only letters to editors, those
    of the desk (without facts), and `erased`, go without `subscriber_id`. Once settled only
    `issue` is kept.
    """
    notice = Notice(
        kind=kind,
        subscriber_id=subscriber_id,
        email=email,
        locale=locale,
        facts=facts or {},
        state=NoticeState.WAITING,
        created_at=now,
        due_at=now,
        attempts=0,
    )
    session.add(notice)
    return notice


def queue_all(
    plain: Plain, kind: NoticeKind, readers: Sequence[tuple[int, str | None, str]], now: datetime
) -> None:
    """Queue the same letter, without facts, for readers: id, address and locale of each.

    In plain SQL, since many leave at once.
    """
    row = (kind.value, plain.moment(now), plain.moment(now))
    values = [value for reader in readers for value in (*reader, *row)]
    plain.tell(QUEUE + ", ".join([QUEUED] * len(readers)), values)


def written_since(
    session: Session, subscriber_id: int, kinds: Collection[NoticeKind], since: datetime
) -> int:
    """How many letters of these kinds were queued for a subscriber after `since`."""
    query = select(func.count()).where(
        Notice.subscriber_id == subscriber_id, Notice.kind.in_(kinds), Notice.created_at > since
    )
    return session.scalar(query) or 0


def forget(
    session: Session, now: datetime, emails: Collection[str], subscriber_id: int | None = None
) -> int:
    """Empty every notice to these addresses (in any case) or this subscriber; returns how many."""
    written = func.lower(Notice.email).in_([email.lower() for email in emails])
    theirs = or_(written, Notice.subscriber_id == subscriber_id) if subscriber_id else written
    waiting = Notice.state == NoticeState.WAITING
    dropped = {"state": NoticeState.DROPPED, "settled_at": now, "reply": "erased"}
    session.flush()
    found = session.scalars(select(Notice.id).where(theirs)).all()
    # A relay may name a mailbox in its words.
    empty: dict[str, Any] = {"email": None, "facts": {}, "reply": None}
    session.execute(update(Notice).where(Notice.id.in_(found)).values(**empty))
    session.execute(update(Notice).where(Notice.id.in_(found), waiting).values(**dropped))
    return len(found)


def remove(session: Session, subscriber_ids: Sequence[int]) -> None:
    """Delete the notices of people who never consented."""
    session.execute(delete(Notice).where(Notice.subscriber_id.in_(subscriber_ids)))


def withdraw_waiting(session: Session, now: datetime) -> int:
    """Of a copy, or a restored backup: letters that wait may have gone long ago. Those for the
    editors stay, since a second one does no harm. Returns how many are dropped."""
    waiting = (Notice.state == NoticeState.WAITING, Notice.kind.not_in(TO_EDITORS))
    dropped = {"state": NoticeState.DROPPED, "settled_at": now, "reply": "withdrawn when adopted"}
    empty: dict[str, Any] = {"email": None, "facts": {}}
    gone = update(Notice).where(*waiting).values(**dropped, **empty).returning(Notice.id)
    return len(session.scalars(gone).all())


def remove_settled(session: Session, before: datetime, limit: int) -> int:
    """Delete at most `limit` notices that were settled before this moment; returns how many."""
    old = select(Notice.id).where(Notice.settled_at < before).limit(limit)
    gone = delete(Notice).where(Notice.id.in_(old)).returning(Notice.id)
    return len(session.scalars(gone).all())


def drain(
    database: Database,
    settings: Settings,
    now: datetime,
    limit: int = 100,
    stop: threading.Event | None = None,
) -> int:
    """Hand over what is due, at most `limit` notices; returns how many the relay accepted.

    An unreachable relay ends it quietly, with everything still waiting. Raises FixSettings when the
    relay refuses who we are; nothing is lost then either.
    """
    started, accepted = time.monotonic(), 0
    # What cannot be used of the settings is found out before any notice is taken.
    signers(settings)
    paths = ReturnPath(settings)
    with Relay(settings) as relay:
        for _round in range(limit):
            moment = now + timedelta(seconds=time.monotonic() - started)
            if (stop is not None and stop.is_set()) or not _anything_due(database, moment):
                break
            try:
                relay.connect()  # before the claim: without a relay nothing changes
            except TryLater as error:
                log.warning("notices wait: %s", error)
                break
            outcome = _next(database, settings, relay, paths, moment)
            accepted += outcome is Outcome.ACCEPTED
            if outcome is Outcome.OURS:
                break  # the relay refuses us: the others would fare no better
    return accepted


def _anything_due(database: Database, now: datetime) -> bool:
    """Asked without the write lock, since it is asked every few seconds."""
    with database.read() as session:
        return session.scalar(_due(now)) is not None


def _due(now: datetime) -> Any:
    waiting = (Notice.state == NoticeState.WAITING, Notice.due_at <= now)
    return select(Notice).where(*waiting).order_by(Notice.due_at, Notice.id).limit(1)


def _claim(database: Database, settings: Settings, now: datetime) -> _Claimed | None:
    """Take the next notice by moving its time past any conversation; None when it is not wanted."""
    with database.write() as session:
        notice: Notice | None = session.scalar(_due(now).with_for_update(skip_locked=True))
        if notice is None:
            return None
        limited = settings.delivery_rate or settings.warmup_days
        if limited and not Throttle(session, settings, now).admit_notice():
            return None
        subscriber = session.get(Subscriber, notice.subscriber_id) if notice.subscriber_id else None
        editor = editor_of(session, notice)
        if reason := _unwanted(session, settings, notice, subscriber, editor):
            _settle(session, notice, NoticeState.DROPPED, now, reason)
            return None
        notice.attempts += 1
        notice.due_at = now + timedelta(seconds=3 * settings.mail_timeout)
        return _Claimed(notice, subscriber, editor, now, replies.content(session, notice))


def _unwanted(
    session: Session,
    settings: Settings,
    notice: Notice,
    subscriber: Subscriber | None,
    editor: Editor | None,
) -> str | None:
    """Why this letter must not go, as things are at this moment."""
    if notice.kind in TO_DESK:
        return None if editor else "nobody at the desk has this address"
    if notice.kind in TO_EDITORS or notice.kind is NoticeKind.ERASED:
        return None
    if subscriber is None or subscriber.state is not WANTED[notice.kind]:
        return "not wanted any more"
    if notice.kind is NoticeKind.NEW_ADDRESS:
        return moving.unwanted(session, settings, notice)
    tokens, canonical = tokens_of(settings), subscriber.canonical or ""
    entry = suppression.is_suppressed(session, tokens, canonical)
    # Confirming is how somebody comes back after a bounce or an erasure.
    comes_back = notice.kind is NoticeKind.CONFIRM and not suppression.is_final(entry)
    return None if entry is None or comes_back else "suppressed"


def _next(
    database: Database, settings: Settings, relay: Relay, paths: ReturnPath, now: datetime
) -> Outcome | None:
    """Carry one notice; None when the one at the front is not wanted or cannot be written."""
    claimed = _claim(database, settings, now)
    if claimed is None:
        return None
    outcome = _carry(database, settings, relay, paths, claimed)
    if claimed.notice.kind is NoticeKind.ERASED:  # nothing else holds this address any more
        database.forget()
    return outcome


def _carry(
    database: Database, settings: Settings, relay: Relay, paths: ReturnPath, claimed: _Claimed
) -> Outcome | None:
    now = claimed.now
    try:
        recipient, content = _message(settings, claimed)
    except Exception as error:  # poison must not hold up the others
        log.warning("notice %d cannot be written: %s", claimed.notice.id, type(error).__name__)
        with database.write() as session:
            reason = f"cannot be written: {type(error).__name__}"
            _settle(session, claimed.notice, NoticeState.DROPPED, now, reason)
        return None
    sender = paths.of(Sent.NOTICE, claimed.notice.id)
    reply = relay.deliver(recipient, content, sender)  # no transaction is open here
    with database.write() as session:
        outcome = _record(session, claimed.notice, reply, now)
    metrics.NOTICES.add(outcome)
    if outcome is Outcome.ACCEPTED:
        metrics.NOTICE_LAG.observe(max(0.0, (now - claimed.notice.created_at).total_seconds()))
    return outcome


def _message(settings: Settings, claimed: _Claimed) -> tuple[str, bytes]:
    """Recipient and bytes."""
    notice, now = claimed.notice, claimed.now
    recipient = writing.recipient(notice)
    locale, attached = writing.locale_of(notice, claimed.subscriber), None
    if claimed.mail is not None:
        refused = (notice.reply or "").startswith("5")  # for its attachments, more often than not
        letter, attached = replies.write(settings, locale, claimed.mail, whole=not refused)
    else:
        letter = writing.write(settings, notice, claimed.subscriber, now, claimed.editor)
    content = message.letter(
        settings,
        Content(locale, letter.subject, letter.text, letter.html),
        to=recipient,
        message_id=writing.message_id(settings, notice),
        now=now,
        kind=notice.kind.value,
        attached=attached,
    )
    return recipient, content


def _record(session: Session, notice: Notice, reply: Reply, now: datetime) -> Outcome:
    """Write down what the relay's answer means for this notice."""
    outcome = judge(reply).outcome
    kept = notice.kind is NoticeKind.REPLY  # nobody else has it: it is tried until it is taken
    tired = now - notice.created_at > GIVE_UP and not kept
    if outcome is Outcome.ACCEPTED:
        replies.passed_on(session, notice)
        _settle(session, notice, NoticeState.SENT, now, reply.words)
    elif (outcome is Outcome.REFUSED and not kept) or tired:
        _settle(session, notice, NoticeState.DROPPED, now, reply.words)
    else:
        _defer(session, notice, now, reply.words)
    return outcome


def _settle(session: Session, notice: Notice, state: NoticeState, now: datetime, why: str) -> None:
    """The end of a notice: of its facts only the issue it was about is needed any longer."""
    facts = {name: value for name, value in notice.facts.items() if name == "issue"}
    values = {"state": state, "settled_at": now, "reply": why, "email": None, "facts": facts}
    mine = (Notice.id == notice.id, Notice.state == NoticeState.WAITING)
    session.execute(update(Notice).where(*mine).values(**values))


def _defer(session: Session, notice: Notice, now: datetime, why: str) -> None:
    minutes = BACKOFF[min(notice.attempts, len(BACKOFF)) - 1]
    values = {"due_at": now + timedelta(minutes=minutes), "reply": why}
    # Not when the claim ran out and another process has it (attempts went up) or erased it.
    mine = (
        Notice.id == notice.id,
        Notice.state == NoticeState.WAITING,
        Notice.attempts == notice.attempts,
    )
    session.execute(update(Notice).where(*mine).values(**values))
