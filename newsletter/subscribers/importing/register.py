"""The people an import meets: read, added to, made active. And the same for a dry run."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import (
    Boolean,
    Column,
    MetaData,
    Table,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from newsletter.delivery import ledger
from newsletter.models import (
    ConsentEvent,
    Subscriber,
    SubscriberState,
    Suppression,
)
from newsletter.models.columns import BIG_ID
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences
from newsletter.subscribers.importing import bulk
from newsletter.subscribers.importing.bulk import Known
from newsletter.subscribers.importing.entries import Entry
from newsletter.tokens import tokens_of

NOTED = Table(
    "noted",
    MetaData(),
    Column("key", BIG_ID, primary_key=True, autoincrement=False),
    Column("active", Boolean),
    prefixes=["TEMPORARY"],
)


class Register:
    """People as they are in the database, inside the caller's transaction."""

    def __init__(
        self, session: Session, settings: Settings, source: str, now: datetime, invite: bool
    ) -> None:
        self.session, self._settings, self._source = session, settings, source
        self._now, self._invite = now, invite
        self._topic_choices: dict[str, int] = {}

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """All or nothing. SQLite's write lock keeps others out anyway, and its savepoints cost."""
        if self.session.get_bind().dialect.name == "sqlite":
            yield
            return
        before = dict(self._topic_choices)
        try:
            with self.session.begin_nested():
                yield
        except IntegrityError:
            self._topic_choices = before  # what was made is gone again
            raise

    def known(self, canonicals: Sequence[str]) -> dict[str, Known]:
        """Those of the addresses that have a row."""
        return bulk.known(self.session, canonicals)

    def blocked(self, canonicals: Sequence[str]) -> set[str]:
        """Those of the addresses that are suppressed; `suppression.among`, for thousands."""
        first = select(Suppression.address_key).where(Suppression.lifted_at.is_(None)).limit(1)
        if self.session.scalar(first) is None:
            return set()  # the keyed hashes of a million addresses take seconds
        tokens = tokens_of(self._settings)
        keys = {key: one for one in canonicals for key in tokens.address_keys(one)}
        found = set[str]()
        for some in bulk.parts(list(keys)):
            mine = bulk.among(self.session, Suppression.address_key, some)
            query = select(Suppression.address_key).where(mine, Suppression.lifted_at.is_(None))
            found |= {keys[key] for key in self.session.scalars(query)}
        return found

    def add(self, entries: Sequence[Entry]) -> None:
        """People nobody knows: active ones with a time of consent, pending ones without."""
        if not entries:
            return
        for topics in {entry.topics for entry in entries} - self._topic_choices.keys():
            keys = preferences.apart(topics)
            self._topic_choices[topics] = preferences.choice(self.session, keys).id
        bulk.add(self.session, entries, self._topic_choices, self._source, self._now, self._invite)

    def start(self, starting: Sequence[tuple[int, Entry]]) -> int:
        """Make pending people active who consented elsewhere; returns how many still were pending.

        Somebody who had left or bounced and asks again comes back by confirming only.
        """
        confirmed = {id: entry.confirmed_at for id, entry in starting}
        query = (
            select(Subscriber)
            .where(
                bulk.among(self.session, Subscriber.id, list(confirmed)),
                Subscriber.state == SubscriberState.PENDING,
                Subscriber.left_at.is_(None),
                Subscriber.confirmed_at.is_(None),
            )
            .order_by(Subscriber.id)
        )
        locked = query.with_for_update().execution_options(populate_existing=True)
        found = self.session.scalars(locked).all() if starting else []
        for subscriber in found:
            subscriber.state = SubscriberState.ACTIVE
            subscriber.confirmed_at = confirmed[subscriber.id]
        people = [consent.person(self.session, subscriber) for subscriber in found]
        proof = consent.Proof("import", source=self._source)
        consent.record_all(self.session, people, ConsentEvent.IMPORTED, proof, self._now)
        ledger.start_cursors(self.session, [person.subscriber_id for person in people])
        return len(people)


class DryRegister(Register):
    """Reads the same people and writes nobody: whom the file would have added is noted apart.

    A hash of each address, in a temporary table, so that a million fit in little memory.
    """

    def __init__(
        self, session: Session, settings: Settings, source: str, now: datetime, invite: bool
    ) -> None:
        super().__init__(session, settings, source, now, invite)
        self.session.connection().execute(CreateTable(NOTED, if_not_exists=True))
        self.session.connection().execute(delete(NOTED))

    def known(self, canonicals: Sequence[str]) -> dict[str, Known]:
        """Those who have a row, or would have one by now."""
        found = super().known(canonicals)
        keys = {_key(canonical): canonical for canonical in canonicals}
        for some in bulk.parts(list(keys)):
            noted = bulk.among(self.session, NOTED.c.key, some)
            query = select(NOTED.c.key, NOTED.c.active).where(noted)
            for key, active in self.session.connection().execute(query):
                state = SubscriberState.ACTIVE if active else SubscriberState.PENDING
                found[keys[key]] = Known(0, state, not active)
        return found

    def add(self, entries: Sequence[Entry]) -> None:
        """Note who would have been added."""
        self._note(entries)

    def start(self, starting: Sequence[tuple[int, Entry]]) -> int:
        """Note who would have become active."""
        entries = [entry for _id, entry in starting]
        for some in bulk.parts([_key(entry.canonical) for entry in entries]):
            noted = bulk.among(self.session, NOTED.c.key, some)
            self.session.connection().execute(delete(NOTED).where(noted))
        self._note(entries)
        return len(entries)

    def _note(self, entries: Sequence[Entry]) -> None:
        rows = [
            {"key": _key(entry.canonical), "active": entry.confirmed_at is not None}
            for entry in entries
        ]
        if rows:
            self.session.connection().execute(insert(NOTED), rows)


def _key(canonical: str) -> int:
    digest = hashlib.blake2b(canonical.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
