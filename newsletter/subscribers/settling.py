"""What the clock makes of requests: subscriber, proof and letter, or nothing at all.

Nothing but the confirm letter and one reminder goes to an address before it is confirmed (SEC-01),
and however often somebody asks, an address gets few letters (SEC-03). Who has a row already keeps
what it says until they confirm: a stranger must not change it.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.models import (
    Consent,
    ConsentEvent,
    FormRequest,
    NoticeKind,
    RequestKind,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent, mailboxes, preferences, tallies
from newsletter.subscribers.posting import Post
from newsletter.tokens import tokens_of

log = logging.getLogger(__name__)

# How long a request that met a conflict is tried again (two clocks at the same address).
PATIENCE = timedelta(hours=1)
ASKED = (ConsentEvent.ASKED, ConsentEvent.CHANGED)  # whose choices count once somebody confirms


def settle_requests(session: Session, settings: Settings, now: datetime, limit: int = 200) -> int:
    """Decide what follows from the oldest `limit` requests; returns how many were decided.

    All together; when that fails each alone, with its own savepoint: one that cannot be settled is
    deleted with a line in the log.
    """
    oldest = select(FormRequest).order_by(FormRequest.id).limit(limit)
    asked = session.scalars(oldest.with_for_update(skip_locked=True)).all()
    if not asked:
        return 0
    ids = [one.id for one in asked]
    try:
        with session.begin_nested():
            _Round(session, settings, now).settle(asked)
        return len(asked)
    except (OperationalError, InterfaceError):
        raise  # the database, not a request: nothing is lost, the next round tries again
    except Exception:
        return sum(_settle_alone(session, settings, id, now) for id in ids)


def wanted(session: Session, subscriber_id: int) -> Consent | None:
    """The proof that holds what a subscriber chose last."""
    theirs = select(Consent).where(Consent.subscriber_id == subscriber_id, Consent.event.in_(ASKED))
    return session.scalars(theirs.order_by(Consent.id.desc()).limit(1)).first()


def cadence(settings: Settings, name: str) -> str:
    """The cadence asked for, if it still exists."""
    return name if name in settings.cadences else settings.default_cadence


def _settle_alone(session: Session, settings: Settings, request_id: int, now: datetime) -> bool:
    try:
        with session.begin_nested():
            asked = session.get_one(FormRequest, request_id)
            _Round(session, settings, now).settle([asked])
        return True
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # Only the kind of error: its text may hold the address (SEC-11).
        log.warning("sign-up request %d failed: %s", request_id, type(error).__name__)
        asked = session.get_one(FormRequest, request_id, populate_existing=True)
        if isinstance(error, IntegrityError) and now - asked.asked_at < PATIENCE:
            return False
        session.delete(asked)
        session.flush()
        return True


@dataclass(slots=True)
class _Round:
    """Requests that are settled together, in as few statements as for one."""

    session: Session
    settings: Settings
    now: datetime
    post: Post = field(init=False)
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.post = Post(self.session, self.settings, self.now)

    def settle(self, asked: Sequence[FormRequest]) -> None:
        canonicals = {one.canonical for one in asked}
        people = self._known(canonicals)
        closed = suppression.among(self.session, tokens_of(self.settings), canonicals)
        newcomers = dict[str, FormRequest]()
        others = list[FormRequest]()
        for one in asked:
            self._count(one)
            fresh = one.canonical not in people.keys() | closed | newcomers.keys()
            if fresh and one.kind is RequestKind.SIGNUP:
                newcomers[one.canonical] = one
            else:
                others.append(one)
        self._take_in(newcomers)
        if any(one.canonical in newcomers for one in others):
            people = self._known(canonicals)
        for one in others:
            self._decide(one, people.get(one.canonical), suppressed=one.canonical in closed)
        self.post.queue()
        ids = [one.id for one in asked]
        self.session.execute(delete(FormRequest).where(FormRequest.id.in_(ids)))
        for name, times in sorted(self.counted.items()):
            tallies.add(self.session, self.settings, name, self.now, times)

    def _known(self, canonicals: Iterable[str]) -> dict[str, Subscriber]:
        theirs = select(Subscriber).where(Subscriber.canonical.in_(canonicals))
        found = self.session.scalars(theirs.order_by(Subscriber.id).with_for_update())
        return {subscriber.canonical or "": subscriber for subscriber in found}

    def _count(self, asked: FormRequest) -> None:
        if asked.kind is RequestKind.LINK:
            self.counted["link"] += 1
            return
        self.counted.update(["asked", *mailboxes.sorts(asked.canonical)])
        if asked.facts.get("work") == "slow lane":
            self.counted["slow_lane"] += 1

    def _take_in(self, newcomers: dict[str, FormRequest]) -> None:
        """People without a row. No letter, no row."""
        allowed = self.post.sign_up(newcomers)
        asked = [one for canonical, one in newcomers.items() if canonical in allowed]
        if asked:
            self._write_rows(asked)

    def _write_rows(self, asked: Sequence[FormRequest]) -> None:
        """All in the same few statements."""
        choices = {text: self._choice_id(text) for text in {one.topics for one in asked}}
        rows = [
            {
                "email": one.email,
                "canonical": one.canonical,
                "locale": one.locale,
                "cadence": cadence(self.settings, one.cadence),
                "topic_choice_id": choices[one.topics],
                "state": SubscriberState.PENDING,
                "created_at": one.asked_at,
            }
            for one in asked
        ]
        made = insert(Subscriber).returning(Subscriber.id, sort_by_parameter_order=True)
        for id, one in zip(self.session.scalars(made, rows).all(), asked, strict=True):
            self._ask(id, one.email, one)

    def _choice_id(self, topics: str) -> int:
        return preferences.choice(self.session, preferences.apart(topics)).id

    def _decide(self, asked: FormRequest, subscriber: Subscriber | None, suppressed: bool) -> None:
        """Somebody who has a row, or an entry in `suppressions`, or asks for their link."""
        active = subscriber is not None and subscriber.state is SubscriberState.ACTIVE
        if suppressed:
            self._come_back(asked, subscriber)
        elif asked.kind is RequestKind.LINK:
            if subscriber is not None and active and self.post.link([asked.canonical]):
                self._write_to(subscriber, NoticeKind.PREFERENCES, {})
        elif subscriber is None:
            self._take_in({asked.canonical: asked})
        elif not active:
            self._ask_again(subscriber, asked)
        elif self.post.sign_up([asked.canonical]):
            self._write_to(subscriber, NoticeKind.ALREADY, _facts(asked))

    def _come_back(self, asked: FormRequest, subscriber: Subscriber | None) -> None:
        """Who must not be mailed; after a bounce or an erasure one letter in COME_BACK_DAYS."""
        entry = suppression.is_suppressed(self.session, tokens_of(self.settings), asked.canonical)
        active = subscriber is not None and subscriber.state is SubscriberState.ACTIVE
        if suppression.is_final(entry) or active or asked.kind is RequestKind.LINK:
            return
        if not self.post.come_back(asked.canonical):
            return
        if subscriber is None:
            self._write_rows([asked])
        else:
            subscriber.state = SubscriberState.PENDING
            self._ask(subscriber.id, subscriber.email, asked)

    def _ask_again(self, subscriber: Subscriber, asked: FormRequest) -> None:
        """The proof says what they want now; their row keeps what it says until they confirm."""
        may_write = self._may_write(subscriber)
        pending = subscriber.state is SubscriberState.PENDING
        if may_write:
            subscriber.state = SubscriberState.PENDING
            self._ask(subscriber.id, subscriber.email, asked)
        elif pending and self._differs(subscriber, asked):
            self._prove(subscriber.id, subscriber.email, asked)

    def _may_write(self, subscriber: Subscriber) -> bool:
        canonical = subscriber.canonical or ""
        if subscriber.confirmed_at and subscriber.left_at:
            # Who confirmed and left asks anew, as themselves.
            return self.post.sign_up_anew(canonical, subscriber.left_at)
        return bool(self.post.sign_up([canonical]))

    def _differs(self, subscriber: Subscriber, asked: FormRequest) -> bool:
        last = wanted(self.session, subscriber.id)
        choices = (asked.locale, cadence(self.settings, asked.cadence), asked.topics)
        return last is None or choices != (last.locale, last.cadence, last.topics)

    def _ask(self, id: int, email: str | None, asked: FormRequest) -> None:
        self._prove(id, email, asked)
        self.post.write(NoticeKind.CONFIRM, id, email, asked.locale, _facts(asked))

    def _prove(self, id: int, email: str | None, asked: FormRequest) -> None:
        chosen = cadence(self.settings, asked.cadence)
        person = consent.Person(id, email, asked.locale, chosen, asked.topics)
        proof = _proof(self.settings, asked)
        consent.record_all(self.session, [person], ConsentEvent.ASKED, proof, asked.asked_at)

    def _write_to(self, subscriber: Subscriber, kind: NoticeKind, facts: dict[str, Any]) -> None:
        self.post.write(kind, subscriber.id, subscriber.email, subscriber.locale, facts)


def _facts(asked: FormRequest) -> dict[str, Any]:
    return {"asked_at": asked.asked_at.isoformat()}


def _proof(settings: Settings, asked: FormRequest) -> consent.Proof:
    topics = preferences.apart(asked.topics)
    ticked = {"locale": asked.locale, "cadence": asked.cadence, "topics": topics}
    return consent.Proof(
        "form",
        wording=consent.named(asked.wording),
        source=asked.form_url,
        ip=asked.ip,
        user_agent=asked.user_agent,
        facts={**asked.facts, "ticked": ticked, "controller": consent.responsible(settings)},
    )
