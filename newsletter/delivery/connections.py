"""All connections of a sending process: dialled in helper threads, watched by one selector.

A thread opens a connection, since a handshake blocks; everything after that is the loop's, which
never waits for one of them. This room knows no rows.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

from newsletter.delivery.relay import Lane, open_connection
from newsletter.errors import FixSettings, NewsletterError
from newsletter.settings import Settings

REDIAL = 1.0  # seconds between tries of a relay that went away
MORE = 30.0  # seconds before a relay that gives fewer connections than wanted is asked for more
PATIENCE = 15.0  # seconds such a relay is tried for, when it worked before in the same run


class Connections:
    """The lanes that are open, and those that are being dialled."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings, self._count = settings, count
        self._bell, self._ringer = socket.socketpair()  # rung when a connection was opened
        self._bell.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._dialling: list[Future[Lane]] = []
        self._away_since: float | None = None
        self._redial_at = self._more_at = 0.0
        self._problem: NewsletterError | None = None  # the last dial's, until all of them ended
        self.lanes: list[Lane] = []
        self.worked = False  # did the relay answer about any message in this run?

    def dial(self) -> None:
        """Open as many connections as are missing; with a relay that went away, one."""
        if self._problem is not None or time.monotonic() < (
            self._more_at if self.lanes else self._redial_at
        ):
            return
        wanted = 1 if self._away_since is not None else self._count
        while len(self.lanes) + len(self._dialling) < wanted:
            future: Future[Lane] = Future()
            future.add_done_callback(self._ring)
            self._dialling.append(future)
            # A daemon, unlike those of an executor: a silent relay must not hold up the end.
            threading.Thread(target=self._open, args=(future,), daemon=True).start()

    def take_dialled(self) -> NewsletterError | None:
        """Add the connections that were opened since; the error when there is none at all."""
        for future in [future for future in self._dialling if future.done()]:
            self._dialling.remove(future)
            try:
                lane = future.result()
            except NewsletterError as error:
                self._problem = error
                continue
            self.lanes.append(lane)
            self._selector.register(lane, selectors.EVENT_READ)
            self._away_since = None
        if self._problem is None or (self._dialling and not self.lanes):
            return None
        problem, self._problem = self._problem, None
        if self.lanes:  # fewer connections than wanted are no problem
            self._more_at = time.monotonic() + MORE
            return None
        return None if self._wait(problem) else problem

    def _wait(self, problem: NewsletterError) -> bool:
        """A relay that worked a moment ago, and is restarted, gets time to come back."""
        if not self.worked or isinstance(problem, FixSettings):
            return False
        now = time.monotonic()
        self._away_since = self._away_since or now
        self._redial_at = now + REDIAL
        return now < self._away_since + PATIENCE

    def listen(self, seconds: float) -> Iterator[tuple[Lane, bool, bool]]:
        """Wait for something to happen: lanes that can be read, or written."""
        for key, mask in self._selector.select(seconds):
            if key.fileobj is self._bell:
                self._bell.recv(64)
                continue
            lane: Lane = key.fileobj  # type: ignore[assignment]
            yield lane, bool(mask & selectors.EVENT_READ), bool(mask & selectors.EVENT_WRITE)

    def drop_dead(self) -> int:
        """Forget the connections that broke; how many of them began messages in vain."""
        in_vain = 0
        for lane in [lane for lane in self.lanes if not lane.alive]:
            self.lanes.remove(lane)
            in_vain += lane.used and not lane.fruitful
            if not lane.used:  # there was nothing to send, and the relay did not wait
                self._redial_at = self._more_at = time.monotonic() + REDIAL
            with contextlib.suppress(KeyError):
                self._selector.unregister(lane)
        return in_vain

    def watch(self, lane: Lane) -> None:
        """Be told when there is room to write, if something waits for that."""
        if lane.alive and lane.wants_to_write != lane.watched:
            lane.watched = lane.wants_to_write
            more = selectors.EVENT_WRITE if lane.watched else 0
            self._selector.modify(lane, selectors.EVENT_READ | more)

    def close(self) -> None:
        """Let everything go, at once."""
        for future in self._dialling:
            future.add_done_callback(_close_unused)
        for lane in self.lanes:
            lane.quit()
        self._selector.close()
        self._bell.close()
        self._ringer.close()

    def _open(self, future: "Future[Lane]") -> None:
        try:
            lane = Lane(open_connection(self._settings), self._settings.mail_timeout)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(lane)

    def _ring(self, _future: "Future[Lane]") -> None:
        with contextlib.suppress(OSError):
            self._ringer.send(b"!")


def _close_unused(dialled: "Future[Lane]") -> None:
    if dialled.exception() is None:
        dialled.result().quit()
