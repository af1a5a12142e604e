"""A message as it lies in a mailbox."""

from dataclasses import dataclass

from newsletter.errors import TryLater

CHUNK = 250  # messages read, taken in and taken away together
PART = 128 * 1024  # octets that are read of a message: a report says what it has to say before


class Unreachable(TryLater):
    """The mailbox cannot be read now; the message says why."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message: what it is called for good, where it lies now, its beginning (at most PART), and
    how many octets all of it has."""

    key: str
    place: str
    raw: bytes
    size: int

    @property
    def cut(self) -> bool:
        """Is there more of it?"""
        return self.size > len(self.raw)
