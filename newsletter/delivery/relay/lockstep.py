"""One message at a time over a kept connection, each command answered before the next: notices."""

import contextlib
import smtplib
from types import TracebackType
from typing import Self

from newsletter.delivery.outcomes import Reply, Stage
from newsletter.delivery.relay.opening import mail_from, open_connection
from newsletter.settings import Settings

# What a relay would say that gets such an address unasked (RFC 6531 3.5).
NO_SMTPUTF8 = "5.6.7 the address needs SMTPUTF8, which the relay does not offer"


class Relay:
    """Hands messages to the relay, one at a time, over one connection that is kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Open the connection if it is not open; raises as `open_connection` does."""
        if self._smtp is None:
            self._smtp = open_connection(self.settings)
            self._smtp.command_encoding = "utf-8"  # for addresses that need SMTPUTF8

    def deliver(self, recipient: str, content: bytes, sender: str = "") -> Reply:
        """Hand over one message (dot-stuffed, with its dot) and return the reply that decides.

        The connection must be open (`connect`). A broken conversation is a Reply without code.
        `sender` is the envelope's; empty: MAIL_DEFAULT_SENDER.
        """
        sender = sender or self.settings.mail_default_sender.addr_spec
        stage = Stage.MAIL
        try:
            if not (recipient.isascii() or self._open.has_extn("smtputf8")):
                return Reply(Stage.RCPT, 553, NO_SMTPUTF8)
            for stage, command in (
                (Stage.MAIL, mail_from(sender, recipient)),
                (Stage.RCPT, f"RCPT TO:<{recipient}>"),
                (Stage.DATA, "DATA"),
            ):
                reply = self._say(stage, command)
                # RFC 5321 4.3.2: the first digit decides.
                if (reply.code or 0) // 100 != (3 if stage is Stage.DATA else 2):
                    self._reset(reply)
                    return reply
            stage = Stage.CONTENT
            self._open.send(content)
            return self._answer(stage, *self._open.getreply())
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            return Reply(stage, None, str(error) or type(error).__name__)

    def close(self) -> None:
        """Say QUIT and close; errors do not matter any more."""
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
        self._drop()

    @property
    def _open(self) -> smtplib.SMTP:
        if self._smtp is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        return self._smtp

    def _say(self, stage: Stage, command: str) -> Reply:
        return self._answer(stage, *self._open.docmd(command))

    def _answer(self, stage: Stage, code: int, text: bytes) -> Reply:
        if code == -1:
            raise smtplib.SMTPServerDisconnected("the relay answered nonsense")
        if code == 421:  # RFC 5321 3.8: the relay closes
            self._drop()
        return Reply(stage, code, text.decode("utf-8", "replace"))

    def _reset(self, reply: Reply) -> None:
        """After a refusal: RSET keeps the connection; 354 was not given, so no content is owed."""
        if self._smtp is None:
            return
        with contextlib.suppress(OSError, smtplib.SMTPException):
            if self._smtp.rset()[0] == 250:
                return
        self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
