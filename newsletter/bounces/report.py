"""What a message that came back says: the value that reading yields, and that the rest works with.

Nothing in it is proven: anybody can write anything in a mail. Only a valid `return_path` (VERP) or
a `message_id` of ours ties it to a delivery (RFC 3464 appendix C; SMT-13).
"""

from dataclasses import dataclass
from enum import StrEnum

MAX_REASON = 500


class Kind(StrEnum):
    """What a message is; docs/BOUNCES.md says what follows from each."""

    HARD = "hard"  # there is no such mailbox, and there will not be one
    SOFT = "soft"  # given up: full, disabled, too late, or refused for a reason of its own
    DELAYED = "delayed"  # not yet; a relay goes on trying
    COMPLAINT = "complaint"  # a reader called it spam (ARF)
    AUTO_REPLY = "auto_reply"  # a program answered: out of office, "we got your mail"
    UNSUBSCRIBE = "unsubscribe"  # a reader wants to leave, by mail
    HUMAN = "human"  # somebody wrote to us
    UNKNOWN = "unknown"  # none of these, or not to be told


@dataclass(frozen=True, slots=True)
class Report:
    """What one message says of one recipient; each field is None where the message does not say.

    Text is one line without control characters; addresses are as they stand there, not checked.
    """

    kind: Kind
    status: str | None = None  # enhanced status (RFC 3463), as "5.1.1"
    reason: str | None = None  # the remote's words, at most MAX_REASON characters
    recipient: str | None = None  # whom the report speaks of; may be an address they forward to
    message_id: str | None = None  # Message-ID of the message that came back, without < >
    return_path: str | None = None  # where the report was sent: a VERP address or u+TOKEN
    sender: str | None = None  # From of the report itself
    subject: str | None = None  # Subject of the report itself
    ours: bool = False  # refused for what we are or sent (policy, reputation, format): never hard
    written: bool = False  # no field of it says that a program wrote it; so it may be a person's
    feedback_type: str | None = None  # of a complaint (RFC 5965), as "abuse"
