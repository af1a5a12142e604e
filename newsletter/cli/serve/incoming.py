"""The bytes of one connection, until a whole request is among them (RFC 9112).

Little is judged here: gunicorn parses what is handed to it, and refuses what is wrong. So a
mistake in these few lines can only make a connection wait, or end.
"""

import re
from collections.abc import Callable
from enum import Enum, auto

HEAD = 32 * 1024  # octets of a request line and its headers
CHUNK_LINE = 256  # octets
SLACK = 4  # times what a body may weigh: chunks of one octet weigh six
HEAD_END = b"\r\n\r\n"
FRAMING = re.compile(
    rb"\r\n(content-length|transfer-encoding|expect):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
CHUNK = re.compile(rb"([0-9a-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n", re.IGNORECASE)


class Look(Enum):
    """What the bytes so far amount to."""

    PART = auto()  # wait for more
    WHOLE = auto()  # `take` gives a request
    HEAD_ALONE = auto()  # `take` gives a head whose body is too large to be waited for
    BROKEN = auto()  # in chunks that are none: where the next request would start, nobody knows
    LONG_HEAD = auto()
    LONG_BODY = auto()  # in chunks, so that its length was not said before


class Incoming:
    """Grows by `add`, is asked by `look`, gives by `take`; never looks at the same bytes twice."""

    def __init__(self, largest: int, larger: Callable[[bytes], int] | None = None) -> None:
        """`largest`: octets of a body that is waited for; `larger` says by the head how many are,
        where its length is said."""
        self.bytes, self._least, self._larger = bytearray(), largest, larger
        self._begin()

    def _begin(self) -> None:
        self._seen = 0
        self._body = 0  # where it starts; 0: the head is not whole
        self._end = 0  # of the request; 0: not known yet
        self._chunk = 0  # where the next chunk starts; 0: the body is not in chunks
        self._largest = self._least
        self._asks = self._broken = False

    def add(self, data: bytes) -> None:
        """What came from the socket."""
        self.bytes += data

    def look(self) -> Look:
        """Is a whole request there?"""
        if not self._body:
            end = self.bytes.find(HEAD_END, max(0, self._seen - len(HEAD_END)))
            self._seen = len(self.bytes)
            if end > HEAD or (end < 0 and self._seen > HEAD):
                return Look.LONG_HEAD
            if end < 0:
                return Look.PART
            self._body = end + len(HEAD_END)
            self._read_framing(bytes(self.bytes[: end + 2]))
        return self._look_at_body()

    def _read_framing(self, head: bytes) -> None:
        length = 0
        for name, value in FRAMING.findall(head):
            match name.lower():
                case b"content-length":
                    length = int(value) if value.isdigit() and len(value) < 19 else 0
                case b"expect":
                    self._asks = value.lower() == b"100-continue"
                case _:
                    self._chunk = self._body
        if not self._chunk:
            self._end = self._body + length
            if length > self._largest and self._larger:
                self._largest = max(self._least, self._larger(head))

    def _look_at_body(self) -> Look:
        if self._chunk and not self._end:
            self._pass_chunks()
            if self._broken:
                return Look.BROKEN
            if max(self._chunk, len(self.bytes)) - self._body > SLACK * self._largest:
                return Look.LONG_BODY
        if self._end - self._body > self._largest and not self._chunk:
            self._end = self._body
            return Look.HEAD_ALONE
        return Look.WHOLE if 0 < self._end <= len(self.bytes) else Look.PART

    def _pass_chunks(self) -> None:
        """Go on to the first chunk that is not whole, or to the end (RFC 9112, 7.1)."""
        while self._chunk < len(self.bytes):
            line = CHUNK.match(self.bytes, self._chunk)
            if line is None or not self._follows_a_line():
                rest = self.bytes[self._chunk : self._chunk + CHUNK_LINE]
                self._broken = line is not None or len(rest) == CHUNK_LINE or b"\n" in rest
                return
            if not (size := int(line[1], 16)):
                self._pass_trailers(line.end())
                return
            self._chunk = line.end() + size + 2

    def _follows_a_line(self) -> bool:
        return self._chunk == self._body or self.bytes.endswith(b"\r\n", 0, self._chunk)

    def _pass_trailers(self, start: int) -> None:
        if self.bytes[start : start + 2] == b"\r\n":
            self._end = start + 2
        elif (end := self.bytes.find(HEAD_END, start)) >= 0:
            self._end = end + len(HEAD_END)

    def asks(self) -> bool:
        """Does the client wait for "100 Continue" before it sends the body? True once."""
        asks, self._asks = self._asks, False
        return asks

    def take(self) -> bytes:
        """The request that `look` found; what follows it stays."""
        whole = bytes(self.bytes[: self._end])
        del self.bytes[: self._end]
        self._begin()
        return whole
