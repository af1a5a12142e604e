"""What one run of the sender did, and the line of the log that tells it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from newsletter.delivery.breaker import Pause
from newsletter.delivery.outcomes import Outcome, Reply

log = logging.getLogger(__name__)


@dataclass
class Run:
    """What one run did, and what it learned about issues as a whole."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)
    pauses: dict[int, Pause] = field(default_factory=dict)  # by issue number
    warnings: dict[int, Reply] = field(default_factory=dict)  # what the editors must know, too
    parked: int = 0
    issues: set[int] = field(default_factory=set)  # those of which messages were answered

    @property
    def accepted(self) -> int:
        """Messages the relay took."""
        return self.outcomes.get(Outcome.ACCEPTED, 0)

    @property
    def answered(self) -> bool:
        """Did the relay take a message, or refuse it because of its reader?"""
        return bool(self.accepted or self.outcomes.get(Outcome.REFUSED)) and not self.pauses

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell, at the end, what became of the messages, if there were any."""
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            if answers := sum(self.outcomes.values()):
                counts = {name.value.replace(" ", "_"): n for name, n in self.outcomes.items()}
                rate = round(answers / seconds, 1) if seconds else 0.0
                fields: dict[str, object] = counts | {
                    "parked": self.parked,
                    "seconds": round(seconds, 2),
                }
                fields |= {"rate": rate, "issues": sorted(self.issues)}
                log.info("sender run", extra=fields)
