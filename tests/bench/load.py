"""A light load generator: plain sockets with keep-alive in one selector loop, bytes made before.

It shares the machine with the server it measures, so it does as little as possible for each
request: one send, and reading up to the length the answer's header names.
"""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SECONDS = 60  # without any answer: the server is gone
READ = 1 << 18
LENGTH = b"\r\nContent-Length: "
BETWEEN = b"\r\n\r\n"


@dataclass
class Load:
    """What a stretch of requests took: seconds for all of them, milliseconds of each."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0

    def slowest(self, share: float = 0.99) -> float:
        """The time within which this share of the requests was answered, in milliseconds."""
        ranked = sorted(self.milliseconds)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


class _Line:
    """One connection: it waits for an answer, or for its next request."""

    def __init__(self, port: int) -> None:
        self.port, self.answer, self.sent_at = port, bytearray(), 0.0
        self.socket = self._connected()

    def _connected(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self, request: bytes) -> None:
        self.answer.clear()
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> int:
        """The status once the answer is complete, else 0. Raises ConnectionError at its end."""
        if not (data := self.socket.recv(READ)):
            raise ConnectionResetError(f"cut after {len(self.answer)} octets of an answer")
        self.answer += data
        end = self.answer.find(BETWEEN)
        if end < 0:
            return 0
        if self.answer[9:12] == b"304":  # it has no body
            return 304
        place = self.answer.find(LENGTH, 0, end + 2) + len(LENGTH)
        length = int(self.answer[place : self.answer.index(b"\r", place)])
        complete = len(self.answer) >= end + len(BETWEEN) + length
        return int(self.answer[9:12]) if complete else 0

    def closes(self) -> bool:
        return b"\r\nConnection: close" in self.answer[: self.answer.find(BETWEEN)]

    def renew(self) -> None:
        self.socket.close()
        self.socket = self._connected()


def run(port: int, requests: Iterable[bytes], connections: int = 16) -> Load:
    """Send every request over `connections` kept ones, each as soon as its last one is answered."""
    load, waiting = Load(), iter(requests)
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        lines = [_Line(port) for _ in range(connections)]
        open_lines = sum(_next(line, waiting, selector) for line in lines)
        while open_lines:
            ready = selector.select(SECONDS)
            if not ready:
                raise TimeoutError(f"no answer for {SECONDS} seconds")
            for key, _events in ready:
                line: _Line = key.data
                if status := line.read():
                    load.milliseconds.append((time.perf_counter() - line.sent_at) * 1000)
                    load.statuses[status] += 1
                    open_lines -= not _again(line, waiting, selector)
    load.seconds = time.perf_counter() - start
    for line in lines:
        line.socket.close()
    return load


def _next(line: _Line, waiting: Iterator[bytes], selector: selectors.BaseSelector) -> bool:
    request = next(waiting, None)
    if request is None:
        return False
    selector.register(line.socket, selectors.EVENT_READ, line)
    line.ask(request)
    return True


def _again(line: _Line, waiting: Iterator[bytes], selector: selectors.BaseSelector) -> bool:
    """The next request on the same connection; a new one when the server closes it."""
    if line.closes():
        selector.unregister(line.socket)
        line.renew()
        return _next(line, waiting, selector)
    request = next(waiting, None)
    if request is None:
        selector.unregister(line.socket)
        return False
    line.ask(request)
    return True
