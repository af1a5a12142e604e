"""The freshly mailed link, for what the link of an old mail must not open (export, erasure …)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter import notices
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import NoticeKind, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers import preferences
from newsletter.tokens import Purpose, parse, tokens_of

DAY = timedelta(days=1)
LINKS = ((DAY, 3), (30 * DAY, 10))  # so many letters within this time


@dataclass(frozen=True, slots=True)
class Access:
    """Whose data a link opens; `fresh` is False when it is older than DATA_LINK_HOURS."""

    subscriber: Subscriber
    fresh: bool


def mail_link(session: Session, subscriber: Subscriber, now: datetime) -> None:
    """Queue the letter with fresh links, at most so many as LINKS says. The row must be held.

    Raises FixRequest beyond that, and for who gets no mail but a confirmation (SEC-01).
    """
    if subscriber.state is not SubscriberState.ACTIVE:
        raise FixRequest(_("Bevestig eerst je inschrijving, met de knop in onze mail."))
    if any(_written(session, subscriber, now - span) >= most for span, most in LINKS):
        raise FixRequest(
            _("Je kreeg al genoeg mails met zo’n link. Gebruik de link uit de laatste mail.")
        )
    preferences.write_to(session, subscriber, NoticeKind.PREFERENCES, now)


def _written(session: Session, subscriber: Subscriber, since: datetime) -> int:
    return notices.written_since(session, subscriber.id, [NoticeKind.PREFERENCES], since)


def find(
    session: Session, settings: Settings, token: str, now: datetime, *, hold: bool = False
) -> Access | None:
    """Whose data this link opens; None for one that is not ours, or whose address is gone.

    The token is bound to the address it was mailed to: after a change of address it opens nothing.
    `hold`: lock the row until the transaction ends. Else read-only.
    """
    claim = parse(token)
    subscriber = session.get(Subscriber, claim.id) if claim else None
    if claim is None or subscriber is None:
        return None
    if hold:
        session.refresh(subscriber, with_for_update=True)
    canonical = subscriber.canonical
    if canonical is None or not tokens_of(settings).verify(Purpose.DATA, claim, canonical):
        return None
    return Access(subscriber, not claim.older_than(age(settings), now))


def age(settings: Settings) -> timedelta:
    """How long such a link works."""
    return timedelta(hours=settings.data_link_hours)
