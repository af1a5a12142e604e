"""Taking in: what a message that came in means for a delivery, an address, or a person.

Two steps. `look` reads it and checks its tokens, with no database; `take` does what follows, in the
caller's transaction. Only an address that we made for one message (VERP, with its HMAC) or our own
Message-ID can move anything (RFC 3464 appendix C; SMT-13); each report counts once.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import notices
from newsletter.addresses import without_addresses
from newsletter.bounces import meaning, setbacks
from newsletter.bounces.dsn import read
from newsletter.bounces.report import Kind, Report
from newsletter.bounces.setbacks import Blow
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Bounced
from newsletter.delivery.return_path import Returned, ReturnPath, Sent
from newsletter.models import Notice, NoticeKind, SetbackKind
from newsletter.settings import Settings
from newsletter.subscribers import leaving
from newsletter.subscribers.leaving import Wish
from newsletter.tokens import Purpose, parse, tokens_of

BATCH = 500  # findings in one transaction
ROUTE = "mail"  # how somebody left, in their proof
OF_ISSUE = re.compile(r"\d{1,9}\.")  # before the token in the Message-ID of a delivery
MAX_STATUS = 12
# Letters to another address than the reader's own: what comes back of them says nothing of theirs.
AWAY = (NoticeKind.NEW_ADDRESS, NoticeKind.ADDRESS_CHANGED)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came in. `envelope_to` is what the transport itself vouches for, if it knows:
    whom the message was given it for. `source` is for the log."""

    raw: bytes
    envelope_to: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a message says of one of ours; `about` is proven, or None."""

    kind: Kind
    setback: SetbackKind | None = None
    about: Returned | None = None
    status: str | None = None
    words: str | None = None
    message: bytes | None = None  # when it is for people

    @property
    def leaves(self) -> bool:
        """Does a reader leave by it? Nothing else comes to the address that is made for it."""
        if self.about is None:
            return False
        return self.about.sent is Sent.READER or self.kind is Kind.UNSUBSCRIBE


@dataclass(frozen=True, slots=True)
class Counts:
    """What was done; counts of the same names add up."""

    reports: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    again: int = 0  # setbacks that were counted before
    unproven: int = 0  # would move a delivery, but do not prove that they speak of it
    suppressed: int = 0  # readers who are mailed no more
    left: int = 0
    forwarded: int = 0
    kept: int = 0  # for people, and already where they read

    def __add__(self, other: "Counts") -> "Counts":
        kinds = Counter(self.kinds) + Counter(other.kinds)
        numbers = {
            one.name: getattr(self, one.name) + getattr(other, one.name)
            for one in fields(self)
            if one.name != "kinds"
        }
        return Counts(kinds=dict(kinds), **numbers)

    def as_dict(self) -> dict[str, object]:
        """For JSON: every kind is there."""
        kinds = {kind.value: self.kinds.get(kind.value, 0) for kind in Kind}
        return {one.name: getattr(self, one.name) for one in fields(self)} | {"kinds": kinds}


def look(settings: Settings, message: Incoming) -> list[Finding]:
    """What a message says, one finding for each recipient it speaks of; never raises."""
    return [
        of_report(settings, report, message.envelope_to, message.raw)
        for report in read(message.raw)
    ]


def of_report(
    settings: Settings, report: Report, envelope_to: str | None = None, raw: bytes | None = None
) -> Finding:
    """What a report says; without `raw` (a webhook) there is nothing to pass on to people."""
    about = _about(settings, report, envelope_to)
    for_people = raw if _is_for_people(report, about) else None
    said = without_addresses((report.reason or "").replace("\0", "")) or None
    return Finding(
        report.kind,
        meaning.of_report(report),
        about,
        (report.status or "")[:MAX_STATUS] or None,
        said[:500] if said else None,
        for_people,
    )


def stays(settings: Settings, findings: Iterable[Finding]) -> bool:
    """Must the message stay where it is, since that is where people read?"""
    return not people_read_at(settings) and any(one.message for one in findings)


def people_read_at(settings: Settings) -> str:
    """Where messages for people are passed on to; empty when they come in there anyway."""
    sender = settings.mail_default_sender.addr_spec
    box, to = settings.return_path or sender, settings.reply_to or sender
    return "" if to.lower() == box.lower() else to


def take(
    session: Session, settings: Settings, findings: Sequence[Finding], now: datetime
) -> Counts:
    """Do what follows from at most BATCH findings, each once, however often they come."""
    left = _take_leave(session, settings, findings, now)
    blows, confirmed = _blows(session, findings)
    fresh, stopped = setbacks.strike(session, settings, blows, confirmed, now)
    back = [blow for blow in blows if blow.sent is Sent.DELIVERY and blow.key in fresh]
    bounced = {
        blow.id: Bounced(blow.id, blow.status, blow.words)
        for blow in back
        if blow.kind is not SetbackKind.COMPLAINT
    }
    ledger.mark_bounced(session, list(bounced.values()), now)
    letters, to = [one.message for one in findings if one.message], people_read_at(settings)
    passed_on = notices.pass_on(session, settings, letters, to, now) if letters and to else 0
    return Counts(
        reports=len(findings),
        kinds=dict(Counter(one.kind.value for one in findings)),
        again=len(blows) - len(fresh),
        unproven=sum(one.setback is not None and one.about is None for one in findings),
        suppressed=stopped,
        left=left,
        forwarded=passed_on,
        kept=0 if to else len(letters),
    )


def _is_for_people(report: Report, about: Returned | None) -> bool:
    """Does a person have to read it? Also a wish nobody proved, what could not be read, and a
    bounce that proves nothing and that somebody may have written or quoted."""
    if about and about.sent is Sent.READER:
        return False
    unread = report.kind is Kind.UNKNOWN and not (report.sender or report.status)
    asked = report.kind is Kind.UNSUBSCRIBE and about is None
    quoted = report.written and about is None
    return report.kind is Kind.HUMAN or asked or unread or quoted


def _about(settings: Settings, report: Report, envelope_to: str | None) -> Returned | None:
    """Which message of ours a report proves to be about: by where it was sent, or its Message-ID.

    Neither can be made by who did not get that message.
    """
    paths = ReturnPath(settings)
    for address in (envelope_to, report.return_path):
        if address and (found := paths.read(address.strip().strip("<>"))):
            return found
    return _by_message_id(settings, report.message_id or "")


def _by_message_id(settings: Settings, message_id: str) -> Returned | None:
    name = message_id.strip().strip("<>").rpartition("@")[0]
    number = OF_ISSUE.match(name)
    claim = parse(name[number.end() :] if number else name)
    sent, bound = (Sent.DELIVERY, "") if number else (Sent.NOTICE, "notice")
    if claim is None or not tokens_of(settings).verify(Purpose.MESSAGE_ID, claim, bound):
        return None
    return Returned(sent, claim.id)


def _take_leave(
    session: Session, settings: Settings, findings: Sequence[Finding], now: datetime
) -> int:
    """Unsubscribe who asked so by mail; returns how many were still there."""
    rows = ledger.by_id(session, _asked(findings, Sent.DELIVERY)).values()
    letters = _notices(session, _asked(findings, Sent.NOTICE)).values()
    wishes = [Wish(id, ROUTE) for id in sorted(_asked(findings, Sent.READER))]
    wishes += [Wish(row.subscriber_id, ROUTE, issue_number=row.issue_number) for row in rows]
    wishes += [Wish(reader, ROUTE) for reader, _sent_at in letters]
    return (
        sum(bool(done) for done in leaving.leave_all(session, settings, wishes, now))
        if wishes
        else 0
    )


def _asked(findings: Sequence[Finding], sent: Sent) -> set[int]:
    return {one.about.id for one in findings if one.leaves and one.about and one.about.sent is sent}


def _blows(
    session: Session, findings: Sequence[Finding]
) -> tuple[list[Blow], dict[int, datetime | None]]:
    """Proven setbacks of messages and readers that there are; and those readers, held."""
    struck = [(one, one.setback, one.about) for one in findings if one.setback and one.about]
    ids = {sent: {about.id for _one, _kind, about in struck if about.sent is sent} for sent in Sent}
    rows = ledger.by_id(session, ids[Sent.DELIVERY])
    letters = _notices(session, ids[Sent.NOTICE], AWAY)
    readers = {row.subscriber_id for row in rows.values()}
    confirmed = setbacks.lock(session, readers | {reader for reader, _at in letters.values()})
    blows = []
    for one, kind, about in struck:
        words = (one.status, one.words)
        if about.sent is Sent.DELIVERY and (row := rows.get(about.id)):
            of = (row.subscriber_id, row.issue_number, row.settled_at)
            blows.append(Blow(about.sent, about.id, kind, *of, *words))
        elif about.sent is Sent.NOTICE and about.id in letters:
            reader, sent_at = letters[about.id]
            blows.append(Blow(about.sent, about.id, kind, reader, None, sent_at, *words))
    return blows, confirmed


def _notices(
    session: Session, ids: set[int], without: Collection[NoticeKind] = ()
) -> dict[int, tuple[int, datetime]]:
    """Reader and time of those of these letters that went to a reader."""
    columns = (Notice.id, Notice.subscriber_id, Notice.created_at)
    query = select(*columns).where(Notice.id.in_(ids), Notice.kind.not_in(without))
    found = session.execute(query) if ids else ()
    return {id: (reader, at) for id, reader, at in found if reader is not None}
