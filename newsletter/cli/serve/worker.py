"""gunicorn's worker that slow clients cannot hold up.

One loop reads requests and writes what is left of answers; a thread gets a request only when all
of it is there, and never waits for a client. gunicorn's own gthread gives a thread to whoever sends
the first byte: as many slow clients as it has threads close the site.
"""

import contextlib
import queue
import re
import selectors
import socket
import threading
import time
from functools import partial
from os import getppid, read, write
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from gunicorn.workers.base import Worker

from newsletter import metrics
from newsletter.cli.serve.connection import Connection
from newsletter.cli.serve.incoming import Look

CONNECTIONS = 500  # open at a time; the one that waits longest makes room for a new one
REQUEST_SECONDS = 20.0  # until a request must be there
IDLE_SECONDS = 5.0  # between two requests
LEAST_SPEED = 4096  # octets a second a client must take of an answer, beyond REQUEST_SECONDS
HELD = 64 * 1024 * 1024  # octets of answers that wait for slow clients
LINGER_SECONDS = 2.0  # for the end of what nobody reads (RFC 9112, 9.6)
PASS_SECONDS = 0.002  # between looks at whose turn it is to accept
ACCEPT_AGAIN = 0.05  # seconds
TICK = 1.0  # seconds between looks at the clock
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Answered by the loop itself: that this process lives is true while all its threads wait, too.
ASKED_ALIVE = re.compile(rb"GET /healthz(\?[^ ]*)? HTTP/1\.[01]\r\n")
ALIVE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
ALIVE += b"Cache-Control: no-store\r\nX-Robots-Tag: noindex\r\nConnection: close\r\n\r\nok\n"
REFUSED = {
    Look.BROKEN: (400, "Bad Request"),
    Look.LONG_HEAD: (431, "Request Header Fields Too Large"),
    Look.LONG_BODY: (413, "Content Too Large"),
}


class PatientWorker(Worker):  # type: ignore[misc]
    """Serves `app.wsgi()`; `app.largest_body` says how many octets of a body are waited for, and
    `app.larger_body(head)` for whom it may be more.

    `app.turns` tells the processes apart.
    """

    def init_process(self) -> None:
        """In the new process; runs until it is told to stop."""
        self.poller = selectors.DefaultSelector()
        self.requests: queue.SimpleQueue[tuple[Connection, bytes] | None] = queue.SimpleQueue()
        self.answered: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self.waiting: dict[Connection, None] = {}  # for a client; longest first
        self.accepted: queue.SimpleQueue[tuple[socket.socket, Any, Any]] = queue.SimpleQueue()
        self.room = threading.Event()  # for one more connection
        self.working, self.next_look = 0, 0.0
        self.app.turns.join(self.age)
        metrics.join(self.age)
        super().init_process()

    def run(self) -> None:
        """Until SIGTERM, or until the master is gone; then what was asked is answered."""
        for number in range(self.cfg.threads):
            threading.Thread(target=self._work, name=f"request-{number}", daemon=True).start()
        self.poller.register(self.PIPE[0], READ, self._wake)
        for listener in self.sockets:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self.room.set()
        while self.alive and self.ppid == getppid():
            self._turn()
        self.room.clear()
        self._finish()

    def _finish(self) -> None:
        """Nobody new; a client that just began, or has not taken its answer, gets a moment."""
        end = time.monotonic() + LINGER_SECONDS
        for connection in self.waiting:
            connection.deadline = min(connection.deadline, end)
        while (self.waiting or self.working) and time.monotonic() < end + LINGER_SECONDS:
            self._turn()
        for _ in range(self.cfg.threads):
            self.requests.put(None)
        for connection in list(self.waiting):
            self._close(connection)
        for listener in self.sockets:
            listener.close()

    # --- the loop ---------------------------------------------------------------------------------

    def _turn(self) -> None:
        self.notify()
        for key, _events in self.poller.select(TICK):
            key.data()
        while not self.accepted.empty():
            self._welcome(*self.accepted.get())
        while not self.answered.empty():
            self._after(self.answered.get())
        self._report()
        if self.alive and self.working < CONNECTIONS:
            self.room.set()
        if (now := time.monotonic()) >= self.next_look:
            self.next_look = now + TICK
            for connection in [one for one in self.waiting if one.deadline <= now]:
                self._close(connection)

    def _report(self) -> None:
        self.app.turns.report(len(self.waiting) + self.working + self.accepted.qsize())

    def _wake(self) -> None:
        """A thread has an answer or a connection, or a signal came."""
        read(self.PIPE[0], 4096)

    def _welcome(self, peer: socket.socket, client: Any, server: Any) -> None:
        if len(self.waiting) + self.working >= CONNECTIONS:
            self._make_room()
        if self.working >= CONNECTIONS:
            self.room.clear()
        connection = Connection(peer, client, server, self.app.largest_body, self.app.larger_body)
        self._await(connection, READ, REQUEST_SECONDS)

    def _make_room(self) -> None:
        if longest := next(iter(self.waiting), None):
            self._close(longest)

    def _readable(self, connection: Connection) -> None:
        if connection.closed:  # in this very turn
            return
        data = connection.receive()
        if connection.unread:
            data = b""
        if connection.working:
            connection.incoming.add(data)
            if connection.gone or len(connection.incoming.bytes) > self.app.largest_body:
                self._watch(connection, 0)  # until its request is answered
            return
        if data and not connection.incoming.bytes:
            connection.deadline = time.monotonic() + REQUEST_SECONDS
        connection.incoming.add(data)
        self._advance(connection)

    def _writable(self, connection: Connection) -> None:
        if not connection.closed:
            connection.push()
            if not connection.left:
                self._after_answer(connection)

    def _advance(self, connection: Connection) -> None:
        """See what came so far."""
        look = Look.PART if connection.unread else connection.incoming.look()
        if look in (Look.WHOLE, Look.HEAD_ALONE):
            self._hand_over(connection, look)
        elif connection.gone:
            self._close(connection)
        elif look is not Look.PART:
            util.write_error(connection, *REFUSED[look], "")
            self._end(connection)
        elif connection.incoming.asks():
            connection.sendall(CONTINUE)
            connection.push()

    def _hand_over(self, connection: Connection, look: Look) -> None:
        if look is Look.WHOLE and ASKED_ALIVE.match(connection.incoming.bytes):
            connection.sendall(ALIVE)
            self._end(connection)
            return
        self.waiting.pop(connection, None)
        self.working += 1
        connection.working, connection.unread = True, look is Look.HEAD_ALONE
        self.requests.put((connection, connection.incoming.take()))

    def _after(self, connection: Connection) -> None:
        """A thread has written the answer; perhaps the client has not taken all of it."""
        self.working -= 1
        connection.working = False
        if not connection.left:
            self._after_answer(connection)
            return
        self._await(connection, WRITE, REQUEST_SECONDS + connection.left / LEAST_SPEED)
        while sum(one.left for one in self.waiting) > HELD:
            self._close(max(self.waiting, key=lambda one: one.left))

    def _after_answer(self, connection: Connection) -> None:
        if connection.unread:
            self._end(connection)
        elif connection.last or connection.gone or not self.alive:
            self._close(connection)
        else:
            begun = bool(connection.incoming.bytes)
            self._await(connection, READ, REQUEST_SECONDS if begun else IDLE_SECONDS)
            if begun:
                self._advance(connection)

    def _end(self, connection: Connection) -> None:
        """Read on without looking, so that the client sees its answer before the end."""
        connection.push()
        connection.end()
        connection.unread = True
        if connection.gone:
            self._close(connection)
        else:
            self._await(connection, READ, LINGER_SECONDS)

    def _await(self, connection: Connection, events: int, seconds: float) -> None:
        self.waiting.pop(connection, None)
        self.waiting[connection] = None
        connection.deadline = time.monotonic() + seconds
        self._watch(connection, events)

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.watched:
            return
        act = partial(self._writable if events == WRITE else self._readable, connection)
        if not events:
            self.poller.unregister(connection)
        elif connection.watched:
            self.poller.modify(connection, events, act)
        else:
            self.poller.register(connection, events, act)
        connection.watched = events

    def _close(self, connection: Connection) -> None:
        self.waiting.pop(connection, None)
        self._watch(connection, 0)
        connection.close()

    # --- in the threads ---------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        """Take connections in turn with the other processes."""
        listener.setblocking(True)
        server = listener.getsockname()
        while self.room.wait() and self.alive:
            if not self.app.turns.is_mine():
                time.sleep(PASS_SECONDS)
                continue
            try:
                self.accepted.put((*listener.accept(), server))
                self._report()
            except OSError:  # the client is gone, no file is left for it, or this is the end
                time.sleep(ACCEPT_AGAIN)
            self._call()

    def _call(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the loop is awake
            write(self.PIPE[1], b".")

    def _work(self) -> None:
        while order := self.requests.get():
            connection, request = order
            try:
                self._answer(connection, request)
            except Exception:
                # Without the request: its address may hold a token (SEC-11).
                self.log.exception("A request failed.")
                self._refuse(connection, 500, "Internal Server Error")
            connection.push()
            self.answered.put(connection)
            self._call()

    def _answer(self, connection: Connection, whole: bytes) -> None:
        try:
            request = Request(self.cfg, _Whole(whole), connection.client)
        except (ParseException, NoMoreData):
            self._refuse(connection, 400, "Bad Request")
            return
        if request.version > (1, 0) and "HOST" not in dict(request.headers):  # RFC 9112 3.2
            self._refuse(connection, 400, "Bad Request")
            return
        response, environ = wsgi.create(
            request, connection, connection.client, connection.server, self.cfg
        )
        environ["wsgi.multithread"] = True
        if connection.unread or not self.alive:
            response.force_close()
        parts = self.wsgi(environ, response.start_response)
        try:
            for part in parts:
                response.write(part)
            response.close()
        finally:
            if hasattr(parts, "close"):
                parts.close()
        connection.last = response.should_close()

    def _refuse(self, connection: Connection, status: int, reason: str) -> None:
        connection.forget_answer()
        util.write_error(connection, status, reason, "")
        connection.last = connection.unread = True


class _Whole(Unreader):  # type: ignore[misc]
    """A request that is all there: reading on would mean that a part of a form is taken for it."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.buf.write(data)

    def chunk(self, _size: int | None = None) -> bytes:
        raise NoMoreData
