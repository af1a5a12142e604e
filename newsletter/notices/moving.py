"""May the letter go that asks a new address to confirm? Decided when it is due, not when asked.

So the page where it is asked does the same work whatever the address is (SEC-07).
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import addresses, suppression
from newsletter.models import AddressChange, Notice, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.tokens import tokens_of

UNWANTED = "not wanted any more"  # one answer for all reasons: the reader may read it (export)


def unwanted(session: Session, settings: Settings, notice: Notice) -> str | None:
    """Why not: the wish is gone, nobody may mail the address, or a reader gets issues there."""
    if notice.email is None:
        return UNWANTED
    canonical = addresses.parse(notice.email, allow_utf8=True).canonical
    wish = session.get(AddressChange, notice.subscriber_id)
    if wish is None or wish.canonical != canonical:
        return UNWANTED
    return UNWANTED if is_closed(session, settings, canonical) else None


def is_closed(session: Session, settings: Settings, canonical: str) -> bool:
    """Must this address not be mailed, or does another reader get issues there?"""
    entry = suppression.is_suppressed(session, tokens_of(settings), canonical)
    if suppression.is_final(entry):
        return True
    taken = (Subscriber.canonical == canonical, Subscriber.state == SubscriberState.ACTIVE)
    return session.scalar(select(Subscriber.id).where(*taken)) is not None
