"""One client's connection: what came from it, and the part of an answer it has not taken yet."""

import socket
from collections.abc import Callable
from typing import Any

from newsletter.cli.serve.incoming import Incoming

READ = 64 * 1024  # octets at a time


class Connection:
    """A socket that never blocks.

    gunicorn writes an answer to it as to a socket (`sendall`); the answer is kept until `push`.
    """

    def __init__(
        self,
        peer: socket.socket,
        client: Any,
        server: Any,
        largest_body: int,
        larger_body: Callable[[bytes], int] | None = None,
    ) -> None:
        """`client`, `server`: the addresses of both sides."""
        self._socket, self.client, self.server = peer, client, server
        self._socket.setblocking(False)
        self.incoming = Incoming(largest_body, larger_body)
        self.deadline = 0.0  # by the monotonic clock; while it waits
        self.watched = 0  # selectors' events
        self.working = False  # a thread has its request
        self.last = False  # nothing more is answered: it is closed after what it has to take
        self.unread = False  # something may come that nobody reads: see `end`
        self.gone = False  # the client sends no more
        self.closed = False
        self._answer: list[bytes] = []
        self._left = memoryview(b"")

    def fileno(self) -> int:
        """For the selector."""
        return self._socket.fileno()

    def receive(self) -> bytes:
        """What came since, without waiting; empty at the end, or when nothing came after all."""
        try:
            data = self._socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            data = b""
        self.gone = not data
        return data

    @property
    def left(self) -> int:
        """Octets of the answer that the client has not taken."""
        return len(self._left)

    def push(self) -> None:
        """Give the client as much of the answer as it takes now."""
        if self._answer:
            self._left = memoryview(b"".join([self._left, *self._answer]))
            self._answer.clear()
        try:
            while self._left:
                self._left = self._left[self._socket.send(self._left) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # the client has hung up
            self._left, self.gone, self.last = memoryview(b""), True, True

    def forget_answer(self) -> None:
        """Another answer takes the place of what was written since the last `push`."""
        self._answer.clear()

    def end(self) -> None:
        """Say that nothing follows. What is closed with bytes unread cuts off the last answer."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.gone = True

    def close(self) -> None:
        """Let go of the socket."""
        self.closed = True
        self._socket.close()

    # --- what gunicorn needs of a socket ----------------------------------------------------------

    def sendall(self, data: bytes) -> None:
        """A part of the answer."""
        self._answer.append(data)

    def send(self, data: bytes) -> int:
        """gunicorn's "100 Continue": it was said already, before the body came."""
        return len(data)

    def gettimeout(self) -> float:
        """It does not block."""
        return 0.0
