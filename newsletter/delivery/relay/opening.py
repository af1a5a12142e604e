"""Opening a conversation: verified TLS, time limits, who we are; and what a failure means."""

import smtplib
import ssl

import flask_mail

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
        try:
            if settings.mail_use_tls:
                smtp.starttls(context=context)  # never falls back to plaintext: it raises
            smtp.ehlo_or_helo_if_needed()
            if settings.mail_username:
                smtp.login(settings.mail_username, settings.mail_password)
        except BaseException:
            smtp.close()
            raise
        return smtp


def open_connection(settings: Settings) -> smtplib.SMTP:
    """A greeted, secured and authenticated connection; its socket blocks for MAIL_TIMEOUT at most.

    Raises TryLater when the relay does not answer, FixSettings when it refuses who we are.
    """
    host, _port = settings.relay
    try:
        return _Connection(settings).configure_host()
    except smtplib.SMTPAuthenticationError as error:
        raise FixSettings(
            f"The relay {host} refuses MAIL_USERNAME and MAIL_PASSWORD: {_words(error)}"
        ) from None
    except UnicodeEncodeError:
        raise FixSettings("MAIL_USERNAME and MAIL_PASSWORD may hold ASCII letters only.") from None
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
        raise TryLater(_unreachable(settings, error)) from None


def mail_from(sender: str, recipient: str) -> str:
    """The command that begins an envelope; an address that is not ASCII asks for SMTPUTF8.

    Its To: has more than seven bits then, and who offers the one offers 8BITMIME (RFC 6531 3.1).
    """
    return f"MAIL FROM:<{sender}>{'' if recipient.isascii() else ' BODY=8BITMIME SMTPUTF8'}"


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
