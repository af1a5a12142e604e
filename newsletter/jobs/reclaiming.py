"""What senders that fell silent left behind, freed while others are busy."""

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.sender import utcnow
from newsletter.settings import Settings


def take_over(database: Database, settings: Settings) -> int:
    """Free the rows of leases that ran out; returns how many of these there were.

    A sender does so when it begins; but those that live may be busy for hours.
    """
    with database.read() as session:  # an idle clock looks, and writes nothing
        if not ledger.ran_out(session, settings, utcnow()):
            return 0
    with database.write() as session:
        return ledger.reclaim(session, settings, utcnow())
