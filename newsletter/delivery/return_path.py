"""Where a bounce comes back: an envelope sender of its own for each message (VERP).

`bounce@domain` becomes `bounce+dTOKEN@domain`, with `d` for a delivery and `n` for a notice; the
token holds the row's id and proves that we wrote it (RFC 3464 appendix C; SMT-11, SMT-13). Letters
of either case mean the same in it. `bounce+uTOKEN@domain`, in the same mailbox, is where a reader
who mails leaves (UNS-10).
"""

from dataclasses import dataclass
from enum import StrEnum

from newsletter.errors import FixSettings
from newsletter.settings import Settings
from newsletter.tokens import SHORT_LENGTH, Purpose, tokens_of

MAX_LOCAL_PART = 64  # octets (RFC 5321 4.5.3.1.1)
ROOM = MAX_LOCAL_PART - len("+d") - SHORT_LENGTH


class Sent(StrEnum):
    """What an address was made for: its letter in it."""

    DELIVERY = "d"
    NOTICE = "n"
    READER = "u"  # to leave by mail


PURPOSES = {
    Sent.DELIVERY: Purpose.RETURN_PATH,
    Sent.NOTICE: Purpose.NOTICE_RETURN_PATH,
    Sent.READER: Purpose.LEAVE_BY_MAIL,
}


@dataclass(frozen=True, slots=True)
class Returned:
    """The row that an address was made for: a delivery, a notice or a subscriber."""

    sent: Sent
    id: int


class ReturnPath:
    """Envelope senders; all the same, the sender's, when RETURN_PATH is not set."""

    def __init__(self, settings: Settings) -> None:
        """Raises FixSettings when RETURN_PATH leaves no room for a token."""
        local, _at, domain = settings.return_path.rpartition("@")
        if len(local) > ROOM:
            raise FixSettings(
                f"RETURN_PATH may have {ROOM} characters before the @, since each message adds its "
                f"own {MAX_LOCAL_PART - ROOM}; it has {len(local)}."
            )
        self._tokens = tokens_of(settings)
        self._start, self._end = f"{local}+", f"@{domain}"
        self._constant = "" if domain else settings.mail_default_sender.addr_spec

    def of(self, sent: Sent, id: int) -> str:
        """The envelope sender of one message."""
        if self._constant:
            return self._constant
        return f"{self._start}{sent}{self._tokens.issue_short(PURPOSES[sent], id)}{self._end}"

    def to_leave(self, token: str) -> str:
        """Where a reader mails to leave, with this token (or a gap); empty without RETURN_PATH."""
        return "" if self._constant else f"{self._start}{Sent.READER}{token}{self._end}"

    def leave_token(self, subscriber_id: int) -> bytes:
        """The token of `to_leave` for one reader."""
        return self._tokens.issue_short(Purpose.LEAVE_BY_MAIL, subscriber_id).encode()

    def read(self, address: str) -> Returned | None:
        """Which message an address was made for; None when it is none of ours.

        The token alone proves it, so that bounces still count after RETURN_PATH has changed.
        """
        letter_and_token = address.rpartition("@")[0].rpartition("+")[2].lower()
        for sent, purpose in PURPOSES.items():
            if letter_and_token.startswith(sent):
                id = self._tokens.read_short(purpose, letter_and_token.removeprefix(sent))
                return None if id is None else Returned(sent, id)
        return None
