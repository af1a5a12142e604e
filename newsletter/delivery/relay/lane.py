"""One pipelined conversation: the content of a message and the envelope of the next in one write.

RFC 2920 3.1 lets them travel together: DATA ends a group, and the final dot may be followed by the
next group. Where the relay does not offer PIPELINING each command waits for its answer. The lane
owns its socket, which never blocks, and reports what happened as events; it decides nothing.
"""

import contextlib
import re
import smtplib
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from newsletter import metrics
from newsletter.delivery.outcomes import Reply, Stage
from newsletter.delivery.relay.opening import mail_from

MAX_REPLY = 64 * 1024  # octets of one reply; more is not SMTP
READ = 64 * 1024
# Time limits as shares of MAIL_TIMEOUT, which is five minutes in RFC 5321 4.5.3.2: two for the
# answer to DATA, three for a block of content to leave, ten for the answer to the last dot.
LIMITS: dict[Stage | None, float] = {Stage.DATA: 0.4, Stage.CONTENT: 2.0}
BLOCK = 0.6
REPLY = re.compile(rb"[2-5]\d\d(?:[ -]|$)")  # RFC 5321 4.2.1: nothing else is a reply
END = b".\r\n"


@dataclass(frozen=True, slots=True)
class Ready:
    """The relay waits for the content of this delivery (354)."""

    id: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of this delivery."""

    id: int
    reply: Reply


Event: TypeAlias = Ready | Answered


@dataclass(slots=True)
class _Envelope:
    """A delivery whose MAIL, RCPT and DATA are under way."""

    id: int
    refusal: Reply | None = None
    has_recipient: bool = False


class Lane:
    """A connection that carries one message at a time, and one envelope ahead of it."""

    def __init__(self, smtp: smtplib.SMTP, timeout: float) -> None:
        assert smtp.sock is not None  # noqa: S101 (it was just opened)
        self._smtp, self._sock, self._timeout = smtp, smtp.sock, timeout
        self._sock.setblocking(False)
        self._pipelining = smtp.has_extn("pipelining")
        self.smtputf8 = smtp.has_extn("smtputf8")  # may an address be other than ASCII (RFC 6531)?
        self._out = b""
        self._in = bytearray()
        self._commands: deque[tuple[Stage | None, bytes]] = deque()
        self._expected: deque[Stage | None] = deque()  # None: a reply that decides nothing
        self._envelope: _Envelope | None = None
        self._content: int | None = None
        self._behind_dot = 0  # octets that follow the content's last dot in `_out`
        self._must_reset = False
        self._asked_at = 0.0  # monotonic: since when the relay could answer about the envelope …
        self._sent_at = 0.0  # … and about the content
        self.deadline = 0.0
        self.alive = True
        self.used = False  # was it given a message?
        self.fruitful = False  # has it carried a message to an answer about that message?
        self.watched = False  # is the loop told when there is room to write?

    def fileno(self) -> int:
        """For select."""
        return self._sock.fileno()

    @property
    def idle(self) -> bool:
        """Does it carry nothing, and could it?"""
        return self.alive and self._envelope is None and self._content is None

    @property
    def waits(self) -> bool:
        """Is it the relay's turn?"""
        return self.alive and bool(self._expected or self._out)

    @property
    def in_flight(self) -> bool:
        """Has content left that was not answered?"""
        return self._content is not None

    @property
    def wants_to_write(self) -> bool:
        """Is something waiting for room in the socket?"""
        return bool(self._out)

    def begin(self, id: int, sender: str, recipient: str) -> list[Event]:
        """Send the envelope of a delivery."""
        self.used = True
        return self._write(b"", self._group(id, sender, recipient))

    def send(self, content: bytes, following: tuple[int, str, str] | None) -> list[Event]:
        """Send the content that is waited for (dot-stuffed, with its dot), and what follows."""
        assert self._envelope is not None  # noqa: S101 (only after Ready)
        self._content, self._envelope = self._envelope.id, None
        self._expected.append(Stage.CONTENT)
        group = self._group(*following) if following else b""
        self._behind_dot = len(group)
        self._sent_at = time.monotonic()
        return self._write(content, group)

    def _group(self, id: int, sender: str, recipient: str) -> bytes:
        """The commands of an envelope; those that must wait for an answer are kept."""
        self._envelope = _Envelope(id)
        self._asked_at = time.monotonic()
        commands: list[tuple[Stage | None, bytes]] = [
            (Stage.MAIL, f"{mail_from(sender, recipient)}\r\n".encode("ascii")),
            (Stage.RCPT, f"RCPT TO:<{recipient}>\r\n".encode()),
            (Stage.DATA, b"DATA\r\n"),
        ]
        if self._must_reset:
            commands.insert(0, (None, b"RSET\r\n"))
            self._must_reset = False
        if not self._pipelining:
            self._commands.extend(commands)
            return b""
        self._expected.extend(stage for stage, _command in commands)
        return b"".join(command for _stage, command in commands)

    def _write(self, content: bytes, group: bytes) -> list[Event]:
        self._out = b"".join((self._out, content, group))
        self._next_command()
        return self.flush()

    def _next_command(self) -> None:
        """Lockstep: the next command once nothing is unanswered."""
        if self._commands and not self._expected:
            stage, command = self._commands.popleft()
            self._expected.append(stage)
            self._out += command

    def flush(self) -> list[Event]:
        """Write what the socket takes."""
        try:
            while self._out:
                sent = self._sock.send(self._out)
                self._out = self._out[sent:]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            return self.fail(str(error))
        self.deadline = time.monotonic() + self._patience()
        return []

    def _patience(self) -> float:
        """How long the relay may be silent now (RFC 5321 4.5.3.2), in seconds."""
        if len(self._out) > self._behind_dot:
            return self._timeout * BLOCK
        stage = self._expected[0] if self._expected else None
        return self._timeout * LIMITS.get(stage, 1.0)

    def receive(self) -> list[Event]:
        """Read what has come; a broken conversation ends in `fail`."""
        try:
            while data := self._sock.recv(READ):
                self._in += data
                if len(data) < READ and not isinstance(self._sock, ssl.SSLSocket):
                    return self._understand()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return self._understand()
        except OSError as error:
            return self._understand() + self.fail(str(error))
        return self._understand() + self.fail("the relay closed the connection")

    def _understand(self) -> list[Event]:
        events: list[Event] = []
        while self.alive and (found := self._take_reply()):
            code, text = found
            if code < 0 or not self._expected:
                # 421 may come unasked (RFC 5321 3.8); anything else here is not SMTP.
                return events + self.fail(text)
            events += self._hear(self._expected.popleft(), code, text)
            if code == 421:
                return events + self.fail(text)
            self._next_command()
        self.deadline = time.monotonic() + self._patience()
        return events + self.flush() if self._out else events

    def _take_reply(self) -> tuple[int, str] | None:
        """One whole reply, (-1, why) for nonsense, None when more has to come (RFC 5321 4.2)."""
        start, lines = 0, []
        while (end := self._in.find(b"\n", start)) >= 0:
            line = bytes(self._in[start:end]).rstrip(b"\r")
            start = end + 1
            if not REPLY.match(line):
                return -1, f"the relay answered nonsense: {line[:60]!r}"
            lines.append(line[4:].decode("utf-8", "replace"))
            if line[3:4] != b"-":
                del self._in[:start]
                return int(line[:3]), "\n".join(lines)
        if len(self._in) > MAX_REPLY:
            return -1, "the relay answered without end"
        return None

    def _hear(self, stage: Stage | None, code: int, text: str) -> list[Event]:
        reply = Reply(stage or Stage.MAIL, code, text)
        if stage is None:
            return []
        if stage is Stage.CONTENT:
            id, self._content = self._content or 0, None
            self._asked_at = time.monotonic()  # a relay takes one message at a time
            metrics.RELAY.observe(self._asked_at - self._sent_at, "content")
            return [Answered(id, reply)]
        envelope = self._envelope
        assert envelope is not None  # noqa: S101 (an envelope was asked about)
        if stage is Stage.DATA:
            return self._hear_data(envelope, reply)
        if 200 <= code < 300:  # RFC 5321 4.3.2: the first digit decides
            envelope.has_recipient = stage is Stage.RCPT
            return []
        envelope.refusal = envelope.refusal or reply
        if self._pipelining:
            return []
        self._commands.clear()
        return self._refuse(envelope.id, reply)

    def _hear_data(self, envelope: _Envelope, reply: Reply) -> list[Event]:
        metrics.RELAY.observe(time.monotonic() - self._asked_at, "envelope")
        if reply.code == 354 and envelope.refusal is None:
            return [Ready(envelope.id)]
        events = self._refuse(envelope.id, envelope.refusal or reply)
        if reply.code == 354 and envelope.has_recipient:
            # A dot would deliver an empty mail to a recipient that was accepted.
            return events + self.fail("the relay waits for content it should not get")
        if reply.code == 354:
            # No recipient and still 354: only here a lone dot is right (RFC 2920 3.1).
            self._out += END
            self._expected.append(None)
        return events

    def _refuse(self, id: int, reply: Reply) -> list[Event]:
        self._envelope, self._must_reset = None, True
        return [Answered(id, reply)]

    def fail(self, why: str) -> list[Event]:
        """End the conversation; what becomes of its deliveries is certain but for sent content."""
        if not self.alive:
            return []
        self.alive = False
        events: list[Event] = []
        if self._content is not None:
            # The dot goes last: while any of it is still here, nothing can have been delivered.
            stage = Stage.DATA if len(self._out) > self._behind_dot else Stage.CONTENT
            events.append(Answered(self._content, Reply(stage, None, why)))
        if self._envelope is not None:
            # What was said of this very reader counts, even if the relay closes with it (421).
            said = self._envelope.refusal or Reply(Stage.MAIL, None, why)
            events.append(Answered(self._envelope.id, said))
        self._content = self._envelope = None
        self._close()
        return events

    def abandon(self) -> list[Event]:
        """Break off without a dot: the delivery the relay waits for must not be sent."""
        self._envelope = None
        return self.fail("the row was lost")

    def quit(self) -> None:
        """Say goodbye and close; without a dot, should the relay wait for content."""
        if self.alive and self._envelope is None:
            with contextlib.suppress(OSError):
                self._sock.send(b"QUIT\r\n")
        self.alive = False
        self._close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._smtp.close()
