"""Tokens that were never ours: who tries many of them is slowed down (UNS-13).

Only those count: a mail provider may send thousands of sound links from one address.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from newsletter import limits
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate

GUESSES = Rate(30, 3600)  # from one network


def count(session: Session, settings: Settings, ip: str, now: datetime) -> int:
    """Count a POST with a token that is none; 0, or the seconds until the next one may come."""
    name = limits.hidden(settings, "guess", limits.network(ip))
    return limits.admit(session, name, GUESSES, now)
