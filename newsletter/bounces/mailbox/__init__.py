"""Where mail comes in: an IMAP account, or a Maildir. Knows no database and no meaning.

Messages are read in chunks and stay where they are until the caller is done with a chunk, so that a
crash in between loses nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from newsletter.bounces.mailbox import imap, maildir
from newsletter.bounces.mailbox.mail import Mail, Unreachable
from newsletter.settings.mailboxes import Maildir, Place

__all__ = ["Mail", "Mailbox", "Spot", "Unreachable", "opened"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A mailbox, its password, and the folder in it for what was taken in (empty: none)."""

    place: Place
    password: str = ""
    done: str = ""


class Mailbox(Protocol):
    """An open mailbox. Whatever fails raises Unreachable, and may be done again."""

    def chunks(self, known: set[str]) -> Iterator[list[Mail]]:
        """All messages but those with a `known` key, some at a time; large ones cut short. What
        cannot be read is left where it is, and becomes known."""

    def whole(self, mail: Mail) -> bytes:
        """All of a message that was cut short."""

    def take_away(self, mails: Iterable[Mail]) -> None:
        """Into the folder for it, or delete. What is gone already is no error."""


def opened(spot: Spot) -> AbstractContextManager[Mailbox]:
    """Open a mailbox. Raises Unreachable."""
    if isinstance(spot.place, Maildir):
        return maildir.opened(spot.place, spot.done)
    return imap.opened(spot.place, spot.password, spot.done)
