"""A real SMTP relay for the tests: asyncio, its own log, and a fault for each verb and reply.

`script(stage, recipient)` is asked before each answer; stage is banner, ehlo, mail, rcpt, data or
content. It returns None for the usual answer, a reply such as "451 4.3.0 later", or
"cut" (abort), "silence" (no answer at all), "taken, then cut" (content: logged, then aborted).
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[[str, str], str | None]
USUAL = {
    "banner": "220 relay.test ESMTP",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": "354 go on",
    "content": "250 2.0.0 queued",
}


@dataclass(frozen=True)
class Taken:
    """A message the relay answered 250 to (or was cut off before it could)."""

    recipient: str
    sender: str
    content: bytes

    @property
    def message_id(self) -> str:
        found = re.search(rb"(?im)^Message-ID: (\S+)", self.content)
        return found[1].decode() if found else ""


@dataclass
class RelayLog:
    """What the relay took and how it was spoken to."""

    script: Script = lambda stage, recipient: None
    pipelining: bool = True
    taken: list[Taken] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    open: set[asyncio.Transport] = field(default_factory=set)

    def got(self, recipient: str) -> list[Taken]:
        return [message for message in self.taken if message.recipient == recipient]


class _Conversation(asyncio.Protocol):
    def __init__(self, log: RelayLog) -> None:
        self.log, self.buffer = log, bytearray()
        self.sender = self.recipient = ""
        self.accepted = self.in_content = self.silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.log.open.add(transport)
        self.log.connections += 1
        self._answer("banner")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while not self.transport.is_closing() and self._take():
            pass

    def _take(self) -> bool:
        end = b"\r\n.\r\n" if self.in_content else b"\r\n"
        if self.in_content and self.buffer.startswith(b".\r\n"):
            place, end = 0, b".\r\n"  # a lone dot: an empty message
        else:
            place = self.buffer.find(end)
        if place < 0:
            return False
        line = bytes(self.buffer[:place])
        del self.buffer[: place + len(end)]
        if self.in_content:
            self._content(line + b"\r\n")
        else:
            self._command(line.decode("ascii"))
        return True

    def _command(self, line: str) -> None:
        verb = line.split(" ")[0].split(":")[0].upper()
        self.log.verbs.append(verb)
        address = line.partition("<")[2].partition(">")[0]
        match verb:
            case "EHLO":
                offers = ["relay.test", "8BITMIME", *(["PIPELINING"] * self.log.pipelining)]
                said = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
                self._answer("ehlo", "\r\n".join(said))
            case "MAIL":
                self.sender, self.recipient, self.accepted = address, "", False
                self._answer("mail")
            case "RCPT":
                self.recipient = address
                self.log.recipients.append(address)
                self.accepted = self._answer("rcpt").startswith("25")
            case "DATA":
                usual = USUAL["data"] if self.accepted else "503 5.5.1 no recipient"
                self.in_content = self._answer("data", usual).startswith("354")
            case "QUIT":
                self.transport.write(b"221 2.0.0 bye\r\n")
                self.transport.close()
            case _:
                self.transport.write(b"250 2.0.0 ok\r\n")

    def _content(self, content: bytes) -> None:
        self.in_content = False
        if not self.accepted:
            self.transport.write(b"554 5.5.1 no valid recipients\r\n")
            return
        content = content.replace(b"\r\n..", b"\r\n.")
        action = self.log.script("content", self.recipient)
        if action in (None, "taken, then cut"):
            self.log.taken.append(Taken(self.recipient, self.sender, content))
        self._do(action or USUAL["content"])

    def _answer(self, stage: str, usual: str | None = None) -> str:
        return self._do(self.log.script(stage, self.recipient) or usual or USUAL[stage])

    def _do(self, action: str) -> str:
        if action.endswith("cut"):
            self.transport.abort()
        elif action == "silence":
            self.silent = True
        elif not self.silent:
            self.transport.write(action.encode() + b"\r\n")
        return action


@contextmanager
def running(
    script: Script | None = None, *, pipelining: bool = True, tls: ssl.SSLContext | None = None
) -> Iterator[RelayLog]:
    """A relay on a free port of 127.0.0.1; with `tls` it is spoken from the first byte."""
    log = RelayLog(pipelining=pipelining)
    if script:
        log.script = script
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    start = loop.create_server(lambda: _Conversation(log), "127.0.0.1", 0, ssl=tls)
    server = asyncio.run_coroutine_threadsafe(start, loop).result(10)
    log.port = server.sockets[0].getsockname()[1]
    try:
        yield log
    finally:
        asyncio.run_coroutine_threadsafe(_close(server, log), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server, log: RelayLog) -> None:
    server.close()
    await asyncio.sleep(0.01)  # what was just accepted shows itself
    while log.open:
        for transport in list(log.open):
            transport.abort()
        await asyncio.sleep(0)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
