"""An IMAP account (RFC 9051), over TLS with a verified certificate, and with time limits."""

import contextlib
import imaplib
import logging
import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from imap_tools import BaseMailBox, ImapToolsError, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import UnexpectedCommandStatusError

from newsletter.addresses import without_addresses
from newsletter.bounces.mailbox.mail import CHUNK, PART, Mail, Unreachable
from newsletter.settings.mailboxes import Account

log = logging.getLogger(__name__)

TIMEOUT = 60.0  # seconds the server may be silent
UID = re.compile(rb"\bUID (\d+)")
SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
SHORT = re.compile(rb'BODY\[\](?:<0>)? (?:NIL|"((?:[^"\\]|\\.)*)")')  # a short text may be quoted
FAILURES = (ImapToolsError, imaplib.IMAP4.error, OSError)


@contextlib.contextmanager
def connected(account: Account, password: str) -> Iterator[BaseMailBox]:
    """An account, signed in, with its folder open. Raises Unreachable, also for what fails inside;
    neither user nor password is in its message."""
    try:
        box = _connect(account)
        try:
            box.login(account.user, password, account.folder)
            yield box
        finally:
            with contextlib.suppress(*FAILURES):
                box.logout()
    except FAILURES as error:
        raise Unreachable(f"The mailbox {account} cannot be used: {_why(error)}.") from None


@contextlib.contextmanager
def opened(account: Account, password: str, done: str) -> Iterator["ImapBox"]:
    """A folder to read all of, and to empty."""
    with connected(account, password) as box:
        yield ImapBox(box, done)


class ImapBox:
    """The open folder of an account; see `mailbox.Mailbox`.

    Numbers of messages (UIDs) are used in one connection only, and keys hold UIDVALIDITY: a server
    that numbers anew does no harm.
    """

    def __init__(self, box: BaseMailBox, done: str) -> None:
        self._box, self._done, self._has_done = box, done, False
        validity = box.client.response("UIDVALIDITY")[1][0] or b""
        self._prefix = f"{validity.decode('ascii', 'replace')}/"

    def chunks(self, known: set[str]) -> Iterator[list[Mail]]:
        """See `Mailbox`; the oldest first."""
        uids = [
            uid
            for uid in self._box.uids("UNDELETED", charset=None)
            if self._prefix + uid not in known
        ]
        for start in range(0, len(uids), CHUNK):
            yield self._read(uids[start : start + CHUNK], known)

    def whole(self, mail: Mail) -> bytes:
        """See `Mailbox`."""
        found = self._fetch([mail.place], "(UID RFC822.SIZE BODY.PEEK[])")
        if not found:
            raise OSError("a message is gone")
        return found[0].raw

    def take_away(self, mails: Iterable[Mail]) -> None:
        """See `Mailbox`."""
        uids = [mail.place for mail in mails]
        if not self._done:
            self._box.delete(uids)
        elif uids:
            if not (self._has_done or self._box.folder.exists(self._done)):
                self._box.folder.create(self._done)
            self._has_done = True
            self._box.move(uids, self._done)

    def _read(self, uids: Sequence[str], known: set[str]) -> list[Mail]:
        """A server refuses a whole chunk when one message of it is damaged: then one by one."""
        try:
            return self._fetch(uids, f"(UID RFC822.SIZE BODY.PEEK[]<0.{PART}>)")
        except Refused as error:
            if len(uids) > 1:
                return [mail for uid in uids for mail in self._read([uid], known)]
            log.warning("A message (UID %s) cannot be read, and stays: %s", uids[0], error)
            known.add(self._prefix + uids[0])
            return []

    def _fetch(self, uids: Sequence[str], what: str) -> list[Mail]:
        status, data = self._box.client.uid("FETCH", ",".join(uids), what)
        if status != "OK":
            raise Refused(_text(data[0] if data else ""))
        return [self._mail(uid, size, raw) for uid, size, raw in _answers(data)]

    def _mail(self, uid: str, size: int, raw: bytes) -> Mail:
        # Some servers count another size than they send; only a full part may have been cut.
        return Mail(self._prefix + uid, uid, raw, size if len(raw) == PART else len(raw))


class Refused(Exception):
    """The server said NO to a FETCH."""


def _connect(account: Account) -> BaseMailBox:
    context = ssl.create_default_context()
    where = (account.host, account.port, TIMEOUT)
    if account.tls_at_once:
        return MailBox(*where, ssl_context=context)
    if account.local:
        return MailBoxUnencrypted(*where)
    return MailBoxStartTls(*where, ssl_context=context)


def _answers(data: Sequence[Any]) -> Iterator[tuple[str, int, bytes]]:
    """UID, size and text of each answer to FETCH, as imaplib splits them: a literal makes a tuple,
    and what follows it comes next."""
    head, text = b"", b""
    for part in data:
        if isinstance(part, tuple):
            head, text = head + part[0], part[1]
            continue
        head += part or b""
        uid, size, short = UID.search(head), SIZE.search(head), SHORT.search(head)
        if uid and size:
            if short:
                text = re.sub(rb"\\(.)", rb"\1", short[1] or b"")
            yield uid[1].decode(), int(size[1]), text
        head, text = b"", b""


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    answer = error.command_result if isinstance(error, UnexpectedCommandStatusError) else ()
    words = " ".join(_text(answer[1][0] if answer and answer[1] else error).split())
    return without_addresses(words).rstrip(".")[:300] or type(error).__name__


def _text(words: Any) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
