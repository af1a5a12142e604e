"""What the relay refused at once, laid to its readers by the same table as what comes back."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter.bounces import meaning, setbacks
from newsletter.bounces.setbacks import Blow
from newsletter.delivery import ledger
from newsletter.delivery.return_path import Sent
from newsletter.settings import Settings

LOOKED_AT = timedelta(days=30)  # since an issue was planned


def waiting(session: Session, now: datetime, limit: int = 1) -> list[ledger.Row]:
    """Refused rows that were not weighed yet."""
    return ledger.refusals(session, now - LOOKED_AT, limit)


def weigh(session: Session, settings: Settings, now: datetime, limit: int) -> int:
    """Do what follows from at most `limit` refusals; returns how many were looked at."""
    rows = waiting(session, now, limit)
    confirmed = setbacks.lock(session, {row.subscriber_id for row in rows})
    blows = [
        Blow(
            Sent.DELIVERY,
            row.id,
            meaning.of_refusal(row.status, row.reply),
            row.subscriber_id,
            row.issue_number,
            row.settled_at,
            row.status,
            row.reply,
        )
        for row in rows
    ]
    setbacks.strike(session, settings, blows, confirmed, now, again=True)
    return len(rows)
