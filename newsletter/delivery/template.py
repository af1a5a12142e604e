"""A message as bytes with gaps: made once for an edition, filled for each reader."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Gap(StrEnum):
    """What differs from reader to reader."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    TO = "to"
    MESSAGE_ID = "message-id"
    DATE = "date"
    LEAVE = "leave"  # the token of the address to leave by mail


@dataclass(frozen=True, slots=True)
class Template:
    """CRLF lines without NUL, with gaps between the parts: part, gap, part, gap … part.

    A value of a gap is never empty and holds no line break. It neither begins nor ends with white
    space, has no two blanks in a row, and no value begins a line with a dot.
    """

    parts: Sequence[bytes]
    gaps: Sequence[Gap]

    @classmethod
    def split(cls, whole: bytes, before: bytes, after: bytes) -> "Template":
        """From bytes in which each gap stands as its name between `before` and `after`."""
        parts = re.split(re.escape(before) + b"([a-z-]+)" + re.escape(after), whole)
        return cls(parts[::2], [Gap(name.decode()) for name in parts[1::2]])

    def fill(self, values: Mapping[Gap, bytes]) -> bytes:
        """The bytes of one reader's message (not dot-stuffed). A missing value is a KeyError."""
        pieces: list[bytes] = [b""] * (2 * len(self.gaps) + 1)
        pieces[::2] = self.parts
        pieces[1::2] = [values[name] for name in self.gaps]
        return b"".join(pieces)

    def for_wire(self) -> "Template":
        """The same, dot-stuffed and with the last dot (RFC 5321 4.5.2): made once, sent often.

        No value of a gap begins a line with a dot, so that parts can be stuffed by themselves.
        """
        stuffed = [part.replace(b"\r\n.", b"\r\n..") for part in self.parts]
        return Template(
            [*stuffed[:-1], stuffed[-1].removesuffix(b"\r\n") + b"\r\n.\r\n"], self.gaps
        )

    def halves(self) -> tuple["Template", "Template"]:
        """Header and body, without the empty line between them."""
        for index, part in enumerate(self.parts):
            head, empty_line, body = part.partition(b"\r\n\r\n")
            if empty_line:
                return (
                    Template([*self.parts[:index], head + b"\r\n"], self.gaps[:index]),
                    Template([body, *self.parts[index + 1 :]], self.gaps[index:]),
                )
        raise ValueError("this message has no body")

    def rewritten(self, rewrite: Callable[[bytes], bytes]) -> "Template":
        """What `rewrite` makes of the whole, gaps kept; it must let NUL and letters be."""
        marked = self.fill({name: b"\0" + name.encode() + b"\0" for name in Gap})
        return Template.split(rewrite(marked), b"\0", b"\0")
