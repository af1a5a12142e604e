"""One kept SMTP conversation with the relay. It knows addresses and bytes, not what they mean."""

import contextlib
import smtplib
import ssl
from types import TracebackType
from typing import Self

import flask_mail

from newsletter.delivery.outcomes import Reply, Stage
from newsletter.errors import FixSettings, TryLater
from newsletter.settings import Settings


class _Connection(flask_mail.Connection):
    """Flask-Mail's connection, with what it lacks: time limits and a verified certificate."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(flask_mail.Mail())
        self.settings = settings

    def configure_host(self) -> smtplib.SMTP:
        settings, (host, port) = self.settings, self.settings.relay
        context = ssl.create_default_context()
        if settings.mail_use_ssl:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=settings.mail_timeout, context=context
            )
        else:
            smtp = smtplib.SMTP(host, port, timeout=settings.mail_timeout)
        if settings.mail_use_tls:
            smtp.starttls(context=context)  # never falls back to plaintext: it raises
        smtp.ehlo_or_helo_if_needed()
        if settings.mail_username:
            smtp.login(settings.mail_username, settings.mail_password)
        return smtp


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
        """Open the connection if it is not open.

        Raises TryLater when the relay does not answer, FixSettings when it refuses who we are.
        """
        if self._smtp is not None:
            return
        host, _port = self.settings.relay
        try:
            self._smtp = _Connection(self.settings).configure_host()
        except smtplib.SMTPAuthenticationError as error:
            raise FixSettings(
                f"The relay {host} refuses MAIL_USERNAME and MAIL_PASSWORD: {_words(error)}"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise FixSettings(
                f"The certificate of MAIL_SERVER {host} is not valid: {error.verify_message}."
            ) from None
        except smtplib.SMTPNotSupportedError as error:
            raise FixSettings(
                f"The relay {host} does not offer what MAIL_USE_TLS or MAIL_USERNAME ask: {error}"
            ) from None
        except smtplib.SMTPResponseException as error:
            raise TryLater(f"The relay {host} does not take mail now: {_words(error)}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise TryLater(_unreachable(self.settings, error)) from None

    def deliver(self, recipient: str, content: bytes) -> Reply:
        """Hand over one message (CRLF lines, not dot-stuffed) and return the reply that decides.

        The connection must be open (`connect`). A broken conversation is a Reply without code.
        """
        stage = Stage.MAIL
        try:
            for stage, command in (
                (Stage.MAIL, f"MAIL FROM:<{self.settings.mail_default_sender.addr_spec}>"),
                (Stage.RCPT, f"RCPT TO:<{recipient}>"),
                (Stage.DATA, "DATA"),
            ):
                reply = self._say(stage, command)
                if reply.code != (354 if stage is Stage.DATA else 250) and reply.code != 251:
                    self._reset(reply)
                    return reply
            stage = Stage.CONTENT
            self._open.send(_stuffed(content))
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


def _stuffed(content: bytes) -> bytes:
    """Dot-stuffed and ended by CRLF . CRLF (RFC 5321 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _words(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return (
        f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
    )


def _unreachable(settings: Settings, error: Exception) -> str:
    host, port = settings.relay
    if settings.uses_catcher:
        return (
            f"The mail catcher on port {port} does not answer; start `newsletter serve`, "
            "or set MAIL_SERVER."
        )
    return f"The relay {host}:{port} (MAIL_SERVER, MAIL_PORT) does not answer: {error}."
