"""A relay of ours, in a process of its own: it takes everything, may answer slowly, and writes down
for whom each message was.

Postfix's smtp-sink does neither: it waits whole seconds only, and keeps no list.
"""

import asyncio
import contextlib
import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedWriter
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.relay import free_port

END = b"\r\n.\r\n"
FLUSH_EVERY = 0.5  # seconds
READ = 1 << 18


@dataclass
class Shared:
    """What the process tells while it runs."""

    messages: "Synchronized[int]"
    connections: "Synchronized[int]"

    def taken(self) -> int:
        """Messages so far."""
        return int(self.messages.value)

    def open(self) -> int:
        """Connections at this moment."""
        return int(self.connections.value)


@contextlib.contextmanager
def running(delay: float = 0.0, log: Path | None = None) -> Iterator[tuple[int, Shared]]:
    """Port and counters; `delay`: seconds before each answer, one after the other; `log`: one line
    for each message that was taken, its recipient, complete at the end."""
    port, ready = free_port(), multiprocessing.Event()
    counters = (multiprocessing.Value("q", 0, lock=False) for _ in range(2))
    shared = Shared(*counters)
    arguments = (port, ready, shared, delay, log)
    process = multiprocessing.Process(target=_serve, args=arguments, daemon=True)
    process.start()
    if not ready.wait(10):
        raise RuntimeError("the relay does not listen")
    try:
        yield port, shared
    finally:
        process.terminate()
        process.join()


def _serve(port: int, ready: Event, shared: Shared, delay: float, log: Path | None) -> None:
    async def serve(kept: BufferedWriter | None) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, over.set)
        make = partial(_Conversation, shared, delay, kept)
        await loop.create_server(make, "127.0.0.1", port, backlog=1024)
        ready.set()
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), FLUSH_EVERY)
            if kept is not None:
                kept.flush()

    with contextlib.ExitStack() as stack:
        asyncio.run(serve(stack.enter_context(log.open("ab")) if log else None))


class _Conversation(asyncio.Protocol):
    """As little SMTP as a sender needs."""

    def __init__(self, shared: Shared, delay: float, log: BufferedWriter | None) -> None:
        self.shared, self.delay, self.log = shared, delay, log
        self.loop = asyncio.get_running_loop()
        self.buffer, self.seen, self.in_content, self.recipient = bytearray(), 0, False, b""
        self.free_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.shared.connections.value += 1
        self._answer(b"220 taker\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        self.shared.connections.value -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        end = END if self.in_content else b"\r\n"
        place = self.buffer.find(end, self.seen)
        if place < 0:
            self.seen = max(0, len(self.buffer) - len(END) + 1)
            return False
        line = b"" if self.in_content else bytes(self.buffer[:place])
        del self.buffer[: place + len(end)]
        self.seen = 0
        self._heed(line)
        return True

    def _heed(self, line: bytes) -> None:
        verb = line[:4].upper()
        if self.in_content:
            self.in_content = False
            self._later(self._keep, self.recipient)
        elif verb == b"EHLO":
            self._answer(b"250-taker\r\n250 PIPELINING\r\n")
        elif verb == b"DATA":
            self.in_content = True
            self._answer(b"354 go\r\n")
        elif verb == b"QUIT":
            self._later(self._leave, b"221 bye\r\n")
        else:
            if verb == b"RCPT":
                self.recipient = line[line.index(b"<") + 1 : line.index(b">")]
            self._answer(b"250 ok\r\n")

    def _keep(self, recipient: bytes) -> None:
        """Taken, counted and written down with its answer."""
        if self.transport.is_closing():
            return
        if self.log is not None:
            self.log.write(recipient + b"\n")
        self.shared.messages.value += 1
        self.transport.write(b"250 2.0.0 taken\r\n")

    def _leave(self, words: bytes) -> None:
        self.transport.write(words)
        self.transport.close()

    def _answer(self, words: bytes) -> None:
        self._later(self.transport.write, words)

    def _later(self, act: object, words: bytes) -> None:
        assert callable(act)
        if not self.delay:
            act(words)
            return
        self.free_at = max(self.loop.time(), self.free_at) + self.delay
        self.loop.call_at(self.free_at, act, words)
