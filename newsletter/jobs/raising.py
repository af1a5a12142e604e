"""Raising the fence by time, on each host: every minute, and soon after somebody left."""

import logging
import time

from newsletter import fence, journal
from newsletter.db import Database
from newsletter.settings import Settings

log = logging.getLogger(__name__)
MINUTE = 60.0


class Raiser:
    """Raises it when a minute passed, or when the journal of this host grew."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._at: float | None = None
        self._octets = 0
        self._well = False  # the last turn went well, so that the database is there

    def turn(self) -> None:
        """Look, and raise when it is time. Raises TryLater."""
        octets = journal.octets(self._settings)  # before: what is written meanwhile comes next
        old = self._at is None or time.monotonic() >= self._at + MINUTE
        due, self._well = old or octets != self._octets, False
        fence.keep(self._database, self._settings, raising=due, anyhow=octets > 0)
        if due:
            self._at, self._octets = time.monotonic(), octets
        self._well = True

    def end(self) -> None:
        """Once more, when this process stops in good order."""
        if self._well:
            self._at = None
            try:
                self.turn()
            except Exception as error:
                log.warning("The fence is not raised at the end: %s", error)
