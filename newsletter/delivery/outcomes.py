"""What a reply of the relay means, and when to try again: SMTP outcomes are data."""

import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from newsletter.addresses import without_addresses

ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")  # RFC 3463
# Replies about us, not about the reader (STANDARDS 4a): authentication, reputation, our message.
ABOUT_US = re.compile(r"5\.7\.(2[3-9]|3[0-2]|40|515)|5\.3\.4|5\.6\.[0-689]")
OUR_LOGIN = {530, 534, 535, 538}

# Minutes until the next try (RFC 5321 4.5.4.1: twice in the first hour, then every two to three).
FIRST_TRIES = (15, 35)
LATER_TRY = 150
JITTER = 0.2


class Stage(StrEnum):
    """Where in the conversation a reply came, or failed to come."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"


class Outcome(StrEnum):
    """What to do next."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # keep and try again
    REFUSED = "refused"  # never this message to this reader again
    OURS = "ours"  # pause the issue; no reader is to blame
    IN_DOUBT = "in doubt"  # content left, no answer came
    UNSENT = "unsent"  # the connection broke before any content left


@dataclass(frozen=True, slots=True)
class Reply:
    """What the relay said: basic code (None: nothing), text, and at which stage."""

    stage: Stage
    code: int | None
    text: str

    @property
    def status(self) -> str | None:
        """The enhanced code (RFC 3463) where there is one, else the basic one."""
        if match := ENHANCED.match(self.text):
            return match[0]
        return str(self.code) if self.code else None

    @property
    def words(self) -> str:
        """The relay's words as they may be stored: no address in them, at most 500 characters."""
        return without_addresses(f"{self.code or ''} {self.text}".strip())[:500]


def judge(reply: Reply) -> Outcome:
    """Sort a reply; where basic and enhanced code disagree, the more temporary one counts."""
    if reply.code is None:
        return Outcome.IN_DOUBT if reply.stage is Stage.CONTENT else Outcome.UNSENT
    if 200 <= reply.code < 300 and reply.stage is Stage.CONTENT:
        return Outcome.ACCEPTED  # and nowhere else: only a reply to the content speaks of it
    status = reply.status or ""
    if reply.code < 500 or status.startswith("4."):
        return Outcome.DEFERRED
    if reply.code in OUR_LOGIN or ABOUT_US.fullmatch(status) or reply.stage is Stage.MAIL:
        return Outcome.OURS
    return Outcome.REFUSED


def retry_at(attempts: int, now: datetime) -> datetime:
    """When to try again after the `attempts`-th failure (1 is the first)."""
    minutes = FIRST_TRIES[attempts - 1] if attempts <= len(FIRST_TRIES) else LATER_TRY
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (so that retries do not come at once)
    return now + timedelta(minutes=minutes * spread)
