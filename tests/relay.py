"""A real SMTP relay for the tests: asyncio, its own log, and a fault for each verb and reply.

`script(stage, recipient)` is asked before each answer; stage is banner, ehlo, starttls, auth, mail,
rcpt, data, content or quit. It returns None for the usual answer, or what to do instead:

    "451 4.3.0 later"          this reply (several lines: joined by CRLF)
    "cut"                      abort the connection
    "silence"                  no answer, now and ever
    "taken, then cut"          content: logged as taken, then aborted; "silence" goes, too
    "say 220 x, then cut"      this reply, then aborted
    "wait 0.5" "wait 0.5; …"   the usual answer, or what follows, half a second later

Two more stages are only told, for those who want to act at that very moment: "partial" (content has
begun to come, its dot has not) and "answered" (the content's reply was written).
"""

import asyncio
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[[str, str], str | None]
USUAL = {
    "banner": "220 relay.test ESMTP",
    "starttls": "220 2.0.0 go ahead",
    "auth": "235 2.7.0 welcome",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": "354 go on",
    "content": "250 2.0.0 queued",
    "quit": "221 2.0.0 bye",
}


@dataclass(frozen=True)
class Taken:
    """A message the relay answered 250 to (or was cut off before it could)."""

    recipient: str
    sender: str
    content: bytes
    connection: int = 0  # which one, from 1
    raw: bytes = b""  # as it came, dots stuffed, without the last one

    @property
    def message_id(self) -> str:
        found = re.search(rb"(?im)^Message-ID: (\S+)", self.content)
        return found[1].decode() if found else ""


@dataclass
class RelayLog:
    """What the relay took and how it was spoken to."""

    script: Script = lambda stage, recipient: None
    pipelining: bool = True
    offers: Sequence[str] = ("8BITMIME",)
    starttls: ssl.SSLContext | None = None
    taken: list[Taken] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    unencrypted: list[str] = field(default_factory=list)  # the verbs that came outside TLS
    connected_at: list[float] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)  # the addresses of those who connected, in turn
    connections: int = 0
    most_open: int = 0
    port: int = 0
    open: set[asyncio.Transport] = field(default_factory=set)

    def got(self, recipient: str) -> list[Taken]:
        return [message for message in self.taken if message.recipient == recipient]

    def taken_from(self, peer: str) -> int:
        """How many messages came from this address."""
        return sum(self.peers[one.connection - 1] == peer for one in list(self.taken))

    def greeting(self, encrypted: bool) -> str:
        offers = ["relay.test", *self.offers, *(["PIPELINING"] * self.pipelining)]
        offers += ["STARTTLS"] * (self.starttls is not None and not encrypted)
        return "\r\n".join([*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])


class _Conversation(asyncio.Protocol):
    def __init__(self, log: RelayLog) -> None:
        self.log, self.buffer = log, bytearray()
        self.sender = self.recipient = ""
        self.accepted = self.in_content = self.silent = self.waiting = self.told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # asyncio does this only for sockets it has made itself.
        accepted: socket.socket = transport.get_extra_info("socket")
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.log.open.add(transport)
        self.log.connections += 1
        self.number = self.log.connections
        self.log.peers.append(transport.get_extra_info("peername")[0])
        self.log.connected_at.append(time.monotonic())
        self.log.most_open = max(self.log.most_open, len(self.log.open))
        self._answer("banner")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not (self.waiting or self.transport.is_closing()) and self._take():
            pass

    def _take(self) -> bool:
        end = b"\r\n.\r\n" if self.in_content else b"\r\n"
        if self.in_content and self.buffer.startswith(b".\r\n"):
            place, end = 0, b".\r\n"  # a lone dot: an empty message
        else:
            place = self.buffer.find(end)
        if place < 0:
            if self.in_content and self.buffer and not self.told:
                self.told = True
                self.log.script("partial", self.recipient)
            return False
        line = bytes(self.buffer[:place])
        del self.buffer[: place + len(end)]
        if self.in_content:
            self._content(line + b"\r\n")
        else:
            self._command(line.decode("utf-8", "backslashreplace"))
        return True

    @property
    def _encrypted(self) -> bool:
        return self.transport.get_extra_info("ssl_object") is not None

    def _command(self, line: str) -> None:
        verb = line.split(" ")[0].split(":")[0].upper()
        self.log.verbs.append(verb)
        if not self._encrypted:
            self.log.unencrypted.append(verb)
        address = line.partition("<")[2].partition(">")[0]
        match verb:
            case "EHLO":
                self._answer("ehlo", self.log.greeting(self._encrypted))
            case "STARTTLS" if self.log.starttls is not None:
                self._start_tls(self._answer("starttls"))
            case "AUTH":
                self._answer("auth")
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
                self.told = False
            case "QUIT":
                self._answer("quit")
                self.transport.close()
            case "STARTTLS":
                self._do("502 5.5.1 not here")
            case _:
                self._do("250 2.0.0 ok")

    def _start_tls(self, answer: str) -> None:
        going = answer.startswith("220") and not self.transport.is_closing()
        if going and self.log.starttls is not None:
            self.waiting = True
            self.buffer.clear()  # what came before the handshake must not count (RFC 3207 6)
            self._task = asyncio.get_running_loop().create_task(self._upgrade(self.log.starttls))

    async def _upgrade(self, context: ssl.SSLContext) -> None:
        loop, plain = asyncio.get_running_loop(), self.transport
        try:
            secure = await loop.start_tls(plain, self, context, server_side=True)
        except (OSError, ssl.SSLError):  # whoever spoke does not trust us
            secure = None
        self.log.open.discard(plain)
        if secure is None:
            plain.abort()
            return
        self.transport, self.waiting = secure, False
        self.log.open.add(secure)
        self._go_on()

    def _content(self, raw: bytes) -> None:
        self.in_content = False
        if not self.accepted:
            self._do("554 5.5.1 no valid recipients")
            return
        action = self.log.script("content", self.recipient) or USUAL["content"]
        wanted = _after_waiting(action) or USUAL["content"]
        if wanted.startswith(("2", "taken")):
            content = raw.replace(b"\r\n..", b"\r\n.").removeprefix(b".")
            self.log.taken.append(Taken(self.recipient, self.sender, content, self.number, raw))
        self._do(action, USUAL["content"])
        self.log.script("answered", self.recipient)

    def _answer(self, stage: str, usual: str | None = None) -> str:
        usual = usual or USUAL[stage]
        return self._do(self.log.script(stage, self.recipient) or usual, usual)

    def _do(self, action: str, usual: str = "") -> str:
        """Answer, at once or later; returns the answer it will be."""
        if not action.startswith("wait "):
            return self._say(action)
        wanted = _after_waiting(action) or usual
        self.waiting = True  # what follows is answered after this, not before
        seconds = float(action.removeprefix("wait ").partition(";")[0])
        asyncio.get_running_loop().call_later(seconds, self._say_now, wanted)
        return wanted

    def _say_now(self, action: str) -> None:
        self.waiting = False
        self._say(action)
        self._go_on()

    def _say(self, action: str) -> str:
        reply = action.removeprefix("say ").removesuffix(", then cut")
        if action.startswith("say ") and not self.silent:
            self.transport.write(reply.encode() + b"\r\n")
        if action.endswith("cut") and action.startswith("say "):
            self.transport.close()  # what was said still leaves
        elif action.endswith("cut"):
            self.transport.abort()
        elif action.endswith("silence"):
            self.silent = True
        elif not self.silent and not action.startswith("say "):
            self.transport.write(action.encode("utf-8", "surrogateescape") + b"\r\n")
        return reply


def _after_waiting(action: str) -> str:
    return action.partition("; ")[2] if action.startswith("wait ") else action


@contextmanager
def running(
    script: Script | None = None,
    *,
    pipelining: bool = True,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    offers: Sequence[str] = ("8BITMIME",),
    port: int = 0,
    window: int = 0,
    log: RelayLog | None = None,
    address: str = "127.0.0.1",
) -> Iterator[RelayLog]:
    """A relay, on a free port of 127.0.0.1 unless told; `tls` is spoken from the first byte.

    `window` is the size of its receive buffer (0: the system's), so that content comes in pieces;
    `log` goes on with what an earlier relay wrote.
    """
    log = log or RelayLog(pipelining=pipelining, offers=offers, starttls=starttls)
    if script:
        log.script = script
    listener = socket.create_server((address, port), backlog=256)
    if window:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    start = loop.create_server(lambda: _Conversation(log), sock=listener, ssl=tls)
    server = asyncio.run_coroutine_threadsafe(start, loop).result(10)
    log.port = listener.getsockname()[1]
    try:
        yield log
    finally:
        asyncio.run_coroutine_threadsafe(_close(server, log), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server, log: RelayLog) -> None:
    server.close()
    await asyncio.sleep(0.01)  # what was just accepted shows itself …
    if accepting := asyncio.all_tasks() - {asyncio.current_task()}:
        # … as soon as a busy machine comes to it; a handshake that nobody ends is broken off.
        _done, waiting = await asyncio.wait(accepting, timeout=1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
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
