"""Subscribers from a CSV file, in batches: memory stays flat, and the same file again adds nobody.

Nobody who left, was erased or is suppressed comes back by an import (UNS-14). All happens in the
caller's transaction; a door may commit after each batch, in `progress`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from newsletter import addresses, i18n, notices, suppression
from newsletter.addresses import MailAddress
from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.models import ConsentEvent, NoticeKind, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences
from newsletter.subscribers.consent import Person
from newsletter.subscribers.csvfile import Row, rows
from newsletter.tokens import Tokens

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that stayed out: 1-based line and an English sentence, without the address."""

    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """How many rows made a subscriber, made a pending one active, changed nothing; and the rest."""

    added: int = 0
    activated: int = 0
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    address: MailAddress
    locale: str
    cadence: str
    topics: str
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Run:
    session: Session
    settings: Settings
    source: str
    now: datetime
    invite: bool
    topics_known: Collection[str]
    topic_ids: dict[str, int] = field(default_factory=dict)
    report: ImportReport = field(default_factory=ImportReport)


def import_csv(
    session: Session,
    settings: Settings,
    lines: Iterable[str],
    *,
    source: str,
    now: datetime,
    invite: bool,
    topics_known: Collection[str],
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take in rows of `email[, locale, topics a|b, cadence, confirmed_at ISO 8601]`.

    With `confirmed_at` (without an offset: in TIMEZONE) a row is active and `source` its proof;
    without, it is pending and gets a confirm notice only when `invite`. `progress` gets the number
    of rows read so far. Raises FixRequest, before anything is written, for a wrong header.
    """
    if not source.strip():
        raise FixRequest("Say where the addresses come from; it is the proof of their consent.")
    nameless = addresses.without_addresses(source.strip())  # the proofs survive erasure
    run = _Run(session, settings, nameless, now, invite, topics_known)
    reading, done = rows(lines), 0
    while batch := list(islice(reading, BATCH)):
        _store(run, list(_checked(run, batch)))
        done += len(batch)
        if progress is not None:
            progress(done)
    run.report.refused.sort(key=lambda refusal: refusal.line)
    return run.report


def _checked(run: _Run, batch: Iterable[Row]) -> Iterator[_Entry]:
    for row in batch:
        try:
            yield _entry(run, row)
        except FixRequest as error:
            run.report.refused.append(Refusal(row.line, str(error)))


def _entry(run: _Run, row: Row) -> _Entry:
    if row.surplus:
        raise FixRequest("there are more values than the header has columns.")
    cadence = row.values["cadence"] or run.settings.default_cadence
    if cadence not in run.settings.cadences:
        known = ", ".join(run.settings.cadences)
        raise FixRequest(f"there is no cadence {cadence!r}; the cadences are {known}.")
    locale = row.values["locale"].lower() or i18n.DEFAULT
    if locale not in i18n.LOCALES:
        known = ", ".join(i18n.LOCALES)
        raise FixRequest(f"there is no locale {locale!r}; the locales are {known}.")
    address, topics = _address(run, row.values["email"]), _topics(run, row.values["topics"])
    confirmed_at = _moment(run, row.values["confirmed_at"])
    return _Entry(row.line, address, locale, cadence, topics, confirmed_at)


def _address(run: _Run, text: str) -> MailAddress:
    try:
        return addresses.parse(text, allow_utf8=run.settings.mail_smtputf8)
    except FixRequest as error:  # Dutch, since visitors see it too
        raise FixRequest(i18n.translate("en", str(error))) from None


def _topics(run: _Run, text: str) -> str:
    keys = [key.strip() for key in text.split("|") if key.strip()]
    for key in keys:
        if key not in run.topics_known:
            known = ", ".join(sorted(run.topics_known))
            raise FixRequest(f"there is no topic {key!r}; the topics are {known}.")
    return preferences.joined(keys)


def _moment(run: _Run, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=run.settings.timezone)
        moment = zoned.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FixRequest(
            f"confirmed_at {text!r} is not an ISO 8601 time such as 2026-05-01T09:30:00+02:00."
        ) from None
    if moment > run.now:
        raise FixRequest(f"confirmed_at {text!r} lies in the future.")
    return moment


def _store(run: _Run, entries: Sequence[_Entry]) -> None:
    first = {entry.address.canonical: entry for entry in reversed(entries)}
    run.report.unchanged += len(entries) - len(first)
    query = select(Subscriber).where(Subscriber.canonical.in_(first))
    known = {subscriber.canonical: subscriber for subscriber in run.session.scalars(query)}
    blocked = suppression.among(run.session, Tokens(run.settings.secret_key), first)
    fresh, activated = [], []
    for canonical, entry in sorted(first.items(), key=lambda item: item[1].line):
        if canonical in blocked:
            _refuse(run, entry, "this address must not be mailed.")
        elif canonical not in known:
            fresh.append(entry)
        elif _meet(run, known[canonical], entry):
            activated.append(consent.person(run.session, known[canonical]))
    _start(run, activated)
    run.report.activated += len(activated)
    _add(run, fresh)


def _meet(run: _Run, subscriber: Subscriber, entry: _Entry) -> bool:
    """What a row means for somebody we know: True when it makes a pending one active."""
    if subscriber.state is SubscriberState.LEFT:
        _refuse(run, entry, "this person left; only they can come back, by signing up.")
    elif subscriber.state is SubscriberState.SUPPRESSED:
        _refuse(run, entry, "this address must not be mailed.")
    elif (
        subscriber.state is SubscriberState.PENDING
        and entry.confirmed_at is not None
        # Somebody who had left or bounced and asks again comes back by confirming only.
        and subscriber.left_at is None
        and subscriber.confirmed_at is None
    ):
        subscriber.state, subscriber.confirmed_at = SubscriberState.ACTIVE, entry.confirmed_at
        return True
    else:
        run.report.unchanged += 1
    return False


def _refuse(run: _Run, entry: _Entry, reason: str) -> None:
    run.report.refused.append(Refusal(entry.line, reason))


def _add(run: _Run, fresh: Sequence[_Entry]) -> None:
    if not fresh:
        return
    insertion = insert(Subscriber).returning(Subscriber.id, sort_by_parameter_order=True)
    values = [_values(run, entry) for entry in fresh]
    ids = run.session.scalars(insertion, values).all()
    people = list(zip(map(_person, ids, fresh), fresh, strict=True))
    _start(run, [person for person, entry in people if entry.confirmed_at is not None])
    _ask(run, [person for person, entry in people if entry.confirmed_at is None])
    run.report.added += len(fresh)


def _person(id: int, entry: _Entry) -> Person:
    return Person(id, entry.address.typed, entry.locale, entry.cadence, entry.topics)


def _values(run: _Run, entry: _Entry) -> dict[str, object]:
    active = entry.confirmed_at is not None
    return {
        "email": entry.address.typed,
        "canonical": entry.address.canonical,
        "locale": entry.locale,
        "cadence": entry.cadence,
        "topic_choice_id": _topic_choice_id(run, entry.topics),
        "state": SubscriberState.ACTIVE if active else SubscriberState.PENDING,
        "created_at": run.now,
        "confirmed_at": entry.confirmed_at,
    }


def _topic_choice_id(run: _Run, topics: str) -> int:
    if topics not in run.topic_ids:
        keys = topics.split("|") if topics else []
        run.topic_ids[topics] = preferences.choice(run.session, keys).id
    return run.topic_ids[topics]


def _start(run: _Run, people: Sequence[Person]) -> None:
    """Proof and cursor of those who consented elsewhere."""
    _prove(run, people, ConsentEvent.IMPORTED)
    ledger.start_cursors(run.session, [person.subscriber_id for person in people])


def _ask(run: _Run, people: Sequence[Person]) -> None:
    """Where the pending ones come from, and their letter when they are invited."""
    _prove(run, people, ConsentEvent.ASKED)
    if run.invite:
        for person in people:
            _invite(run, person)
        run.session.flush()


def _invite(run: _Run, person: Person) -> None:
    notices.queue(
        run.session,
        NoticeKind.CONFIRM,
        email=person.email,
        locale=person.locale,
        subscriber_id=person.subscriber_id,
        facts={"asked_at": run.now.isoformat(), "source": run.source},
        now=run.now,
    )


def _prove(run: _Run, people: Sequence[Person], event: ConsentEvent) -> None:
    proof = consent.Proof("import", source=run.source)
    consent.record_all(run.session, people, event, proof, run.now)
