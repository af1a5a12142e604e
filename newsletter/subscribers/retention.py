"""How long personal data is kept, as rules; a nightly run removes what is older.

Each rule works in batches, so that no transaction is long. What leaves here is data about people;
numbers, and the chain of nameless proofs, stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, inspect, select
from sqlalchemy.orm import Session

from newsletter import limits, notices
from newsletter.db import Base
from newsletter.delivery import ledger
from newsletter.models import (
    AddressChange,
    FormRequest,
    Subscriber,
    SubscriberState,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent, privacy, tallies

BATCH = 500  # rows in one transaction
NIGHT = 3  # o'clock, in TIMEZONE: the nightly run is due from then on
RUN = "retention run"
GONE = (SubscriberState.LEFT, SubscriberState.SUPPRESSED)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a batch is taken away: what is older than `before` goes."""

    now: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what goes, and when, in days by a setting; `forget` takes one batch of it."""

    what: str
    setting: str
    forget: Callable[[Session, Settings, Moment], int]

    def days(self, settings: Settings) -> int:
        """After how many days."""
        return int(getattr(settings, self.setting.lower()))


def is_due(session: Session, settings: Settings, now: datetime) -> bool:
    """Has the run of this night still to come? Also when the machine slept through the night."""
    local = now.astimezone(settings.timezone)
    return local.hour >= NIGHT and not tallies.count(session, RUN, local.date())


def mark(session: Session, settings: Settings, now: datetime) -> None:
    """The run of this night has been done."""
    tallies.add(session, settings, RUN, now)


def batch(session: Session, settings: Settings, rule: Rule, now: datetime) -> int:
    """Take away one batch of what a rule covers; returns how many rows, 0 at the end."""
    moment = Moment(now, now - timedelta(days=rule.days(settings)))
    return rule.forget(session, settings, moment)


def _origins(session: Session, _settings: Settings, moment: Moment) -> int:
    return consent.shorten_origins(session, moment.before, BATCH)


def _leavers(session: Session, settings: Settings, moment: Moment) -> int:
    long_gone = (
        select(Subscriber)
        .where(Subscriber.state.in_(GONE), Subscriber.left_at < moment.before)
        .order_by(Subscriber.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    found = session.scalars(long_gone).all()
    for subscriber in found:
        privacy.erase(session, settings, subscriber, moment.now)
    return len(found)


def _notices(session: Session, _settings: Settings, moment: Moment) -> int:
    return notices.remove_settled(session, moment.before, BATCH)


def _passed_on(session: Session, _settings: Settings, moment: Moment) -> int:
    return notices.forget_replies(session, moment.before, BATCH)


def _replies(session: Session, _settings: Settings, moment: Moment) -> int:
    return ledger.forget_replies(session, moment.before, BATCH)


def _requests(session: Session, _settings: Settings, moment: Moment) -> int:
    return _delete(session, FormRequest, FormRequest.asked_at < moment.before)


def _address_changes(session: Session, _settings: Settings, moment: Moment) -> int:
    return _delete(session, AddressChange, AddressChange.asked_at < moment.before)


def _limits(session: Session, _settings: Settings, moment: Moment) -> int:
    return limits.sweep(session, moment.now, BATCH)


def _delete(session: Session, table: type[Base], old: ColumnElement[bool]) -> int:
    key = inspect(table).primary_key[0]
    ids = select(key).where(old).limit(BATCH)
    return len(session.scalars(delete(table).where(key.in_(ids)).returning(key)).all())


RULES = (
    Rule("IP addresses and browsers of consents, cut short", "ORIGIN_DAYS", _origins),
    Rule("addresses of people who left or must not be mailed, erased", "LEFT_DAYS", _leavers),
    Rule("requests of the forms that were never settled", "CONFIRM_DAYS", _requests),
    Rule("new addresses that nobody confirmed", "CONFIRM_DAYS", _address_changes),
    Rule("sent notices", "NOTICE_DAYS", _notices),
    Rule("marks of replies that were passed on", "NOTICE_DAYS", _passed_on),
    Rule("the relay's words about deliveries", "REPLY_DAYS", _replies),
    Rule("used limits of the forms", "ORIGIN_DAYS", _limits),
)
