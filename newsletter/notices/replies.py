"""Replies: messages for people that came in, kept until the relay took them to where people read.

Each is passed on once, as a letter of ours with the mail itself as a file: From is ours, so that it
is signed and aligned; answers go to who wrote. It says that a program sent it, so that what answers
by itself does not start a loop. Writes `replies`.
"""

import email.policy
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from newsletter import limits
from newsletter.db import insertion
from newsletter.delivery.message import ADDR_SPEC, Attached, angled
from newsletter.models import Notice, NoticeKind, NoticeState, Reply
from newsletter.notices.letters import replies as letters
from newsletter.notices.letters.paper import Letter
from newsletter.settings import Settings
from newsletter.tokens import tokens_of

UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ue000-\uf8ff]")
MOST_TEXT = 20_000  # characters of the mail in the letter itself; all of it is in the file
MOST_SUBJECT = 200
LOCALE = "nl"


def pass_on(
    session: Session, settings: Settings, mails: Sequence[bytes], to: str, now: datetime
) -> int:
    """Put these mails in the outbox, for `to`; FORWARD_RATE spreads them, and none is lost.

    Returns how many were not in it before.
    """
    key = tokens_of(settings).lasting("replies")
    found = {hmac.digest(key, mail, "sha256")[:16].hex(): mail for mail in mails}
    rows = [{"key": key, "content": found[key], "at": now} for key in sorted(found)]
    fresh = insertion(session, Reply).values(rows).on_conflict_do_nothing().returning(Reply.key)
    new = sorted(session.scalars(fresh))
    rate = settings.forward_rate
    times = limits.book(session, "replies", rate, now, len(new)) if rate and new else []
    for position, name in enumerate(new):
        notice = Notice(
            kind=NoticeKind.REPLY,
            email=to,
            locale=LOCALE,
            facts={"reply": name},
            state=NoticeState.WAITING,
            created_at=now,
            due_at=times[position] if times else now,
            attempts=0,
        )
        session.add(notice)
    session.flush()
    return len(new)


def content(session: Session, notice: Notice) -> bytes | None:
    """The mail that a letter passes on; None when it passes on none, or is done with."""
    name = notice.facts.get("reply")
    return session.scalar(select(Reply.content).where(Reply.key == name)) if name else None


def passed_on(session: Session, notice: Notice) -> None:
    """The relay has it: only that it was here is kept, so that it is not passed on again."""
    mine = Reply.key == notice.facts.get("reply")
    session.execute(update(Reply).where(mine).values(content=None))


def forget(session: Session, before: datetime, limit: int) -> int:
    """Delete what is known of at most `limit` mails passed on before this moment; how many."""
    old = select(Reply.key).where(Reply.content.is_(None), Reply.at < before).limit(limit)
    gone = delete(Reply).where(Reply.key.in_(old)).returning(Reply.key)
    return len(session.scalars(gone).all())


def write(settings: Settings, locale: str, mail: bytes, *, whole: bool) -> tuple[Letter, Attached]:
    """The letter that passes on a mail, and the mail as its file (when `whole`), for
    `message.letter`; for any bytes."""
    parsed = message_from_bytes(mail, policy=email.policy.compat32)
    name, address = _sender(parsed)
    letter = letters.reply(
        settings,
        locale,
        sender=f"{name} <{address}>" if name and address else name or address,
        subject=_said(parsed, "Subject")[:MOST_SUBJECT],
        text=_text(parsed)[:MOST_TEXT],
        whole=whole,
    )
    answer = angled("Reply-To", name, address) if ADDR_SPEC.fullmatch(address) else ""
    return letter, Attached(mail if whole else b"", answer if answer.isascii() else "")


def _sender(mail: Message) -> tuple[str, str]:
    """Who wrote, as far as the mail says: a name and an address, each may be empty."""
    for header in ("Reply-To", "From"):
        name, address = parseaddr(_said(mail, header))
        if address:
            return name[:MOST_SUBJECT], address
    return "", ""


def _said(mail: Message, header: str) -> str:
    """A header in readable words; empty when there is none."""
    value = str(mail.get(header, ""))
    try:
        decoded = str(email.header.make_header(email.header.decode_header(value)))
    except (ValueError, LookupError, email.errors.MessageError):
        decoded = value
    return " ".join(_seen(decoded).split())


def _text(mail: Message) -> str:
    """The readable text, of the first part that has any."""
    for part in mail.walk():
        if part.get_content_type() == "text/plain" and not part.is_multipart():
            raw = part.get_payload(decode=True)
            if isinstance(raw, bytes):
                return _seen(_decoded(raw, part)).strip()
    return ""


def _decoded(raw: bytes, part: Message) -> str:
    try:
        return raw.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        return raw.decode("latin-1")


def _seen(text: str) -> str:
    return UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
