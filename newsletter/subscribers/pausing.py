"""A pause: no issue before a day the reader chose, and afterwards what they missed."""

from calendar import monthrange
from datetime import UTC, date, datetime, time

from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import ConsentEvent, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers import consent

LONGEST = 12  # months


def pause(
    session: Session, settings: Settings, subscriber: Subscriber, until: date, now: datetime
) -> bool:
    """No issue before `until` (a day in TIMEZONE); False when that was so already.

    What is planned and was surely not sent is withdrawn; the cursor stays, so that the first issue
    after the pause brings what was missed. The row must be held (`preferences.find_to_change`).
    Raises FixRequest for a day that is not ahead, or more than a year.
    """
    today = now.astimezone(settings.timezone).date()
    if until <= today:
        raise FixRequest(_("Die dag is al voorbij. Kies een dag na vandaag."))
    if until > in_months(today, LONGEST):
        raise FixRequest(_("Je kunt hoogstens een jaar pauzeren. Kies een vroegere dag."))
    moment = datetime.combine(until, time(), settings.timezone)
    return _set(session, subscriber, moment, now)


def resume(session: Session, subscriber: Subscriber, now: datetime) -> bool:
    """End a pause that lasts; False when there is none. The row must be held."""
    if subscriber.paused_until is None or subscriber.paused_until <= now:
        return False
    return _set(session, subscriber, None, now)


def day(text: str) -> date:
    """The day a date field sent, YYYY-MM-DD (HTML 4.10.5.1.7). Raises FixRequest."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no zone)
    except ValueError:
        raise FixRequest(_("Kies een dag, zoals 2027-03-01 (jaar-maand-dag).")) from None


def in_months(start: date, months: int) -> date:
    """The same day `months` later; where that month is too short, its last day."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def mails_again(settings: Settings, subscriber: Subscriber, now: datetime) -> date | None:
    """The day in TIMEZONE on which a pause ends; None when there is none (any more)."""
    until = subscriber.paused_until
    return until.astimezone(settings.timezone).date() if until and until > now else None


def _set(session: Session, subscriber: Subscriber, until: datetime | None, now: datetime) -> bool:
    if subscriber.state is not SubscriberState.ACTIVE:
        raise FixRequest(_("Je krijgt nu geen Fiabel-nieuws, dus er is niets te pauzeren."))
    if until is not None:
        ledger.withdraw_unsent(session, subscriber.id, now)
    if subscriber.paused_until == until:
        return False
    subscriber.paused_until = until
    facts = {"paused_until": until.astimezone(UTC).isoformat() if until else None}
    proof = consent.Proof("page", facts=facts)
    consent.record(session, subscriber, ConsentEvent.CHANGED, proof, now)
    return True
