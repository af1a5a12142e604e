"""The one question after leaving, never before: why? Nobody has to answer (erasure forgets it)."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from newsletter.db import insertion
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import LeavingReason, Subscriber, SubscriberState, SurveyAnswer


def answer(session: Session, subscriber: Subscriber, reason: str, now: datetime) -> None:
    """Keep why somebody left; their last answer counts. Raises FixRequest.

    The row of the reader is locked first, so that no answer slips past an erasure.
    """
    session.refresh(subscriber, with_for_update=True)
    if subscriber.state is not SubscriberState.LEFT:
        raise FixRequest(_("Je bent nog niet uitgeschreven."))
    if reason not in set(LeavingReason):
        raise FixRequest(_("Kies een antwoord uit de lijst."))
    values = {"reason": LeavingReason(reason), "at": now}
    said = insertion(session, SurveyAnswer).values(subscriber_id=subscriber.id, **values)
    last = said.on_conflict_do_update(index_elements=[SurveyAnswer.subscriber_id], set_=values)
    session.execute(last)


def forget(session: Session, subscriber_id: int) -> None:
    """Erasure: what was answered goes too."""
    session.execute(delete(SurveyAnswer).where(SurveyAnswer.subscriber_id == subscriber_id))
