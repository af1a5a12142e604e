"""Finding messages of ours in the account of a reader who is one of us."""

import imaplib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from imap_tools import AND, BaseMailBox, H

from newsletter.bounces.mailbox.imap import connected
from newsletter.settings.mailboxes import Account

JUNK = r"\Junk"  # RFC 6154
NAMES = {"spam", "junk", "junk e-mail", "junk email", "bulk", "bulk mail"}


@dataclass(frozen=True, slots=True)
class Found:
    """Where a message lies, and when it arrived."""

    spam: bool
    at: datetime


def find(account: Account, password: str, message_ids: Iterable[str]) -> Mapping[str, Found]:
    """Those of these messages (Message-ID without < >) that lie in the account's folder, or with
    its spam. Changes nothing there. Raises Unreachable."""
    found = dict[str, Found]()
    with connected(account, password) as box:
        for folder in (account.folder, *_junk(box)):
            box.folder.set(folder, readonly=True)
            for message_id in message_ids:
                if message_id not in found and (at := _arrived(box, message_id)):
                    found[message_id] = Found(folder != account.folder, at)
    return found


def _junk(box: BaseMailBox) -> list[str]:
    """The folders for spam: marked as such, or named so."""
    folders = box.folder.list()
    marked = [one.name for one in folders if JUNK in one.flags]
    named = (one.name for one in folders if one.name.split(one.delim or "/")[-1].lower() in NAMES)
    return marked or list(named)


def _arrived(box: BaseMailBox, message_id: str) -> datetime | None:
    uids = box.uids(AND(header=H("Message-ID", message_id)), charset=None)
    if not uids:
        return None
    _status, data = box.client.uid("FETCH", uids[0], "(INTERNALDATE)")
    told = imaplib.Internaldate2tuple(data[0]) if data and isinstance(data[0], bytes) else None
    return datetime(*told[:6]).astimezone(UTC) if told else datetime.now(UTC)
