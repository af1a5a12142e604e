"""BOUNCE_MAILBOX, read by the clock or a command: taken in, and only then taken away."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from newsletter import fence, limits
from newsletter.bounces import intake
from newsletter.bounces.intake import Counts, Incoming
from newsletter.bounces.mailbox import Mail, Mailbox, Spot, Unreachable, opened
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixSettings
from newsletter.issues import trouble
from newsletter.jobs.reports import take_in
from newsletter.settings import Settings

log = logging.getLogger(__name__)

LARGEST = 25 * 1024 * 1024  # octets of a message that is passed on whole; larger ones stay
REST_SECONDS = 60.0  # after a failure; twice as long after each further one …
LONGEST_REST = 1800.0  # … up to this
TOLD_AFTER = 6  # failures in a row: about half an hour


def hand_over(database: Database, settings: Settings, message: Incoming) -> None:
    """Take in what a mail server hands over; when this returns the server may forget it. Raises
    TryLater, and FixSettings when it is for people and would reach nobody."""
    people_read = intake.people_read_at(settings)
    if not people_read and any(one.message for one in intake.look(settings, message)):
        raise FixSettings("Mail of people comes in here: REPLY_TO must say where they read it.")
    take_in(database, settings, [message])


class Postbox:
    """The mailbox of the settings; remembers what has to stay in it, and rests after failures."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._known: set[str] = set()
        self._failures, self._rest_until = 0, 0.0

    def poll(self, database: Database, stop: threading.Event) -> None:
        """Take in what came, unless it rests. Raises TryLater; the editors get one letter a day
        about a mailbox that stays unreachable."""
        if self.settings.bounce_mailbox is None or time.monotonic() < self._rest_until:
            return
        try:
            self.fetch(database, stop)
            self._failures = 0
        except Unreachable as error:
            rest = min(LONGEST_REST, REST_SECONDS * 2**self._failures)
            self._failures, self._rest_until = self._failures + 1, time.monotonic() + rest
            if self._failures >= TOLD_AFTER:
                self._tell(database, str(error))
            raise

    def fetch(self, database: Database, stop: threading.Event | None = None) -> Counts:
        """Take in all there is, chunk by chunk. Raises TryLater, FixSettings without mailbox, and
        AdoptFirst: a copy must not empty the mailbox of another.

        After a crash, or beside another process, the same messages come again, and count once.
        """
        place = self.settings.bounce_mailbox
        if place is None:
            raise FixSettings("BOUNCE_MAILBOX is not set.")
        fence.require_home(database, self.settings)
        password, done = self.settings.bounce_mailbox_password, self.settings.bounce_mailbox_done
        total = Counts()
        with opened(Spot(place, password, done)) as box:
            for chunk in box.chunks(self._known):
                if stop and stop.is_set():
                    break
                total += self._take(database, box, chunk)
        return total

    def _tell(self, database: Database, words: str) -> None:
        with suppress(SQLAlchemyError), database.write() as session:
            if limits.take(session, ["mailbox-trouble"], 1, limits.DAY, utcnow()):
                trouble.tell_of_mailbox(session, self.settings, words, utcnow())

    def _take(self, database: Database, box: Mailbox, chunk: list[Mail]) -> Counts:
        taken = list[Mail]()
        counts = take_in(database, self.settings, self._incoming(box, chunk, taken))
        box.take_away(taken)
        return counts

    def _incoming(self, box: Mailbox, chunk: list[Mail], taken: list[Mail]) -> Iterator[Incoming]:
        """The messages to take in; `taken` gets those that then have to go."""
        people_read_here = not intake.people_read_at(self.settings)
        for mail in chunk:
            message = Incoming(mail.raw, source=mail.place)
            looks = mail.cut or people_read_here
            for_people = looks and any(one.message for one in intake.look(self.settings, message))
            if for_people and people_read_here:
                self._known.add(mail.key)
            elif for_people and mail.size > LARGEST:  # its beginning is passed on
                self._known.add(mail.key)
                log.warning("A message (%s) of %d octets stays.", mail.place, mail.size)
            else:
                taken.append(mail)
                if for_people:  # all of it is passed on
                    message = Incoming(box.whole(mail), source=mail.place)
            yield message
