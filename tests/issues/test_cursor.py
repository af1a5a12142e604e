"""The promise of the cursor, over whatever happens in whatever order.

Each matching item exactly once to each reader, none after its deadline: also through changed
cadences and topics, pauses, readers who leave and come back, replies of all kinds, messages in
doubt, items edited, back-dated, translated and withdrawn, issues stopped, superseded and missed.

The machine knows nothing of cursors. It keeps, for each reader, the numbers that were published
while they read and that they have neither got nor were rightly left out of; and judges by that.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as amount
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.content.frontmatter import FrontMatter
from newsletter.content.markdown import Body
from newsletter.content.shelf import Item, ItemText
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Claimed, Settled
from newsletter.delivery.outcomes import Outcome, Reply, Stage
from newsletter.issues import planning, preflight, publishing, searching
from newsletter.issues.compiler import compile_issue
from newsletter.issues.rendering import RenderedEdition
from newsletter.models import (
    Cursor,
    Delivery,
    Edition,
    Issue,
    IssueState,
    ItemNumber,
    Piece,
    Subscriber,
    SubscriberState,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.subscribers.preferences import choice
from tests.delivery.conftest import claim

CADENCES, TOPICS, LOCALES = ("weekly", "monthly"), ("water", "jeugd"), ("nl", "fr")
START = datetime(2026, 11, 3, 9, tzinfo=UTC)
REPLIES = {
    Outcome.ACCEPTED: Reply(Stage.CONTENT, 250, "2.0.0 ok"),
    Outcome.DEFERRED: Reply(Stage.RCPT, 451, "4.2.0 later"),
    Outcome.REFUSED: Reply(Stage.RCPT, 550, "5.1.1 unknown"),
    Outcome.IN_DOUBT: Reply(Stage.CONTENT, None, "the connection was lost"),
}
# What comes back for most messages is yes.
OUTCOMES = st.sampled_from([Outcome.ACCEPTED] * 4 + list(REPLIES))
HALTED = (IssueState.PAUSED, IssueState.STOPPED)
WANTED = st.lists(st.sampled_from(TOPICS), max_size=2, unique=True).map(tuple)

# More of them: HYPOTHESIS_EXAMPLES=2000 make test ARGS="tests/issues/test_cursor.py"
SETTINGS = amount(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "40")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Shelf:
    """The content folder, without files."""

    def __init__(self) -> None:
        self.found: dict[str, Item] = {}

    def items(self) -> list[Item]:
        return list(self.found.values())

    def topics(self) -> dict[str, dict[str, str]]:
        return {key: dict.fromkeys(("nl", "fr", "en", "de"), key) for key in TOPICS}

    def put(self, slug: str, locale: str, front: FrontMatter) -> None:
        text = ItemText(slug, locale, Path(slug), front, Body("<p>x</p>", "x"), 1)
        texts = self.found[slug].texts if slug in self.found else {}
        self.found[slug] = Item(slug, {**texts, locale: text})


@dataclass
class Reader:
    """What the machine knows of a reader; `owed` are numbers they should get when they can."""

    id: int
    owed: set[int] = field(default_factory=set)
    got: Counter[int] = field(default_factory=Counter)


@dataclass
class Row:
    """What an open delivery brings, and which numbers it rightly leaves out."""

    brings: set[int]
    excused: set[int]


class Road(RuleBasedStateMachine):
    """Editors, readers, relays and clocks, in any order."""

    database: Database
    settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(self.database.engine, expire_on_commit=False)
        self.now, self.shelf = START, Shelf()
        self.readers: dict[int, Reader] = {}
        self.rows: dict[int, Row] = {}
        self.flying: list[Claimed] = []
        self.lease = ledger.take_lease(self.session, self.settings, "test", self.now)

    def teardown(self) -> None:
        try:
            self.come_to_rest()
        finally:
            self.session.close()  # rolls back: the database is empty again

    # --- what editors do --------------------------------------------------------------------------

    @initialize(cadences=st.lists(st.sampled_from(CADENCES), min_size=1, max_size=3))
    def first_readers(self, cadences: list[str]) -> None:
        for cadence in [*CADENCES, *cadences]:
            self.new_reader(cadence, (), "nl")

    @rule(
        topics=st.sampled_from([("water",), ("jeugd",), TOPICS]),
        days=st.none() | st.integers(0, 45),
        back=st.integers(0, 60),
    )
    def new_item(self, topics: tuple[str, ...], days: int | None, back: int) -> None:
        """Also one that is back-dated, or a call with a deadline."""
        deadline = self.today + timedelta(days=days) if days is not None else None
        slug = f"item-{len(self.shelf.found)}"
        day = self.today - timedelta(days=back)
        self.shelf.put(slug, "nl", FrontMatter(slug, day, "ready", topics, slug, deadline=deadline))

    @precondition(lambda self: self.shelf.found)
    @rule(data=st.data(), what=st.sampled_from(["edit", "translate", "withdraw"]))
    def change_item(self, data: st.DataObject, what: str) -> None:
        item = self.shelf.found[data.draw(st.sampled_from(sorted(self.shelf.found)))]
        front = item.original.front
        if what == "edit":
            self.shelf.put(item.slug, "nl", replace(front, title=front.title + "!"))
        elif what == "translate":
            self.shelf.put(item.slug, "fr", front)
        else:
            self.shelf.put(item.slug, "nl", replace(front, status="draft"))

    @rule(cadence=st.sampled_from(CADENCES))
    def compile(self, cadence: str) -> None:
        self.compiled(cadence)

    def compiled(self, cadence: str) -> Issue | None:
        self.tick()
        return compile_issue(self.session, self.settings, self.shelf, self.now, cadence)  # type: ignore[arg-type]

    @rule(cadence=st.sampled_from(CADENCES))
    def compile_and_send(self, cadence: str) -> None:
        if issue := self.compiled(cadence):
            self.send_issue(issue)

    @rule(
        cadence=st.sampled_from(CADENCES),
        topics=st.sampled_from([("water",), ("jeugd",), TOPICS]),
        call=st.none() | st.integers(0, 45),
        fates=st.lists(OUTCOMES, min_size=5, max_size=5),
        days=st.sampled_from([0, 1, 7, 30]),
    )
    def publish(
        self,
        cadence: str,
        topics: tuple[str, ...],
        call: int | None,
        fates: list[Outcome],
        days: int,
    ) -> None:
        """An issue as it should go, some of it; else machines rarely come so far."""
        self.new_item(topics, call, 0)
        self.compile_and_send(cadence)
        self.deliver(fates)
        self.finish()
        self.wait(days)

    @rule(cadence=st.sampled_from(CADENCES), days=st.sampled_from([1, 7, 30]))
    def compile_and_wait(self, cadence: str, days: int) -> None:
        """Held for days, by whatever: others change their minds, and other issues go out."""
        self.compiled(cadence)
        self.wait(days)

    @rule(data=st.data())
    def compile_by_name(self, data: st.DataObject) -> None:
        self.tick()
        numbered = set(self.session.scalars(select(ItemNumber.slug)))
        good = [
            item.slug
            for item in self.shelf.items()
            if item.status == "ready"
            and item.slug not in numbered
            and (item.original.front.deadline or self.today) >= self.today
        ]
        if good:
            slug = data.draw(st.sampled_from(sorted(good)))
            compile_issue(self.session, self.settings, self.shelf, self.now, None, (slug,))  # type: ignore[arg-type]

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """One that was compiled, perhaps long ago: missed runs, and a late decision."""
        if waiting := self.issues(IssueState.COMPILED):
            self.send_issue(data.draw(st.sampled_from(waiting)))

    @rule(data=st.data(), what=st.sampled_from(["stop", "pause", "resume"]))
    def decide(self, data: st.DataObject, what: str) -> None:
        self.tick()
        going = (IssueState.SENDING,) if what != "resume" else HALTED
        if found := self.issues(*going):
            number = data.draw(st.sampled_from(found)).number
            with self.watched():
                if what == "stop":
                    publishing.stop(self.session, number, self.now)
                elif what == "pause":
                    publishing.pause(self.session, self.settings, number, "why", self.now)
                else:
                    publishing.resume(self.session, self.settings, number, self.now)

    # --- what readers do --------------------------------------------------------------------------

    @rule(cadence=st.sampled_from(CADENCES), topics=WANTED, locale=st.sampled_from(LOCALES))
    def new_reader(self, cadence: str, topics: tuple[str, ...], locale: str) -> None:
        name = f"r{len(self.readers)}@voorbeeld.example"
        reader = Subscriber(
            email=name,
            canonical=name,
            locale=locale,
            cadence=cadence,
            topic_choice_id=choice(self.session, topics).id,
            state=SubscriberState.ACTIVE,
            created_at=self.now,
            confirmed_at=self.now,
        )
        self.session.add(reader)
        self.session.flush()
        ledger.start_cursors(self.session, [reader.id])
        self.readers[reader.id] = Reader(reader.id)

    @rule(data=st.data(), cadence=st.sampled_from(CADENCES), topics=WANTED)
    def choose(self, data: st.DataObject, cadence: str, topics: tuple[str, ...]) -> None:
        reader = self.somebody(data)
        reader.cadence, reader.topic_choice_id = cadence, choice(self.session, topics).id
        self.session.flush()

    @rule(data=st.data(), days=st.none() | st.integers(1, 60))
    def pause(self, data: st.DataObject, days: int | None) -> None:
        reader = self.somebody(data)
        if days:
            ledger.withdraw_unsent(self.session, reader.id, self.now)
        reader.paused_until = self.now + timedelta(days=days) if days else None
        self.session.flush()

    @rule(data=st.data())
    def leave_or_come_back(self, data: st.DataObject) -> None:
        reader = self.somebody(data)
        if reader.state is SubscriberState.ACTIVE:
            reader.state = SubscriberState.LEFT
            self.session.flush()
            ledger.withdraw(self.session, reader.id, self.now)
        else:
            reader.state, reader.paused_until = SubscriberState.ACTIVE, None
            self.session.flush()
            ledger.start_cursors(self.session, [reader.id])
        self.readers[reader.id].owed.clear()

    # --- what relays and clocks do ----------------------------------------------------------------

    @rule(fates=st.lists(OUTCOMES, min_size=1, max_size=4))
    def deliver(self, fates: list[Outcome]) -> None:
        """As the sender does: claim, open, settle."""
        self.take_off(len(fates))
        self.land(fates)

    @rule(count=st.integers(1, 3))
    def take_off(self, count: int) -> None:
        """Content is on its way, and nobody knows yet what becomes of it."""
        self.tick()
        for row in claim(self.session, self.settings, self.lease, self.now, count):
            connection = self.session.connection()
            ledger.settle_and_open(connection, self.settings, self.lease, [], [row.id], self.now)
            self.flying.append(row)

    @rule(fates=st.lists(OUTCOMES, min_size=1, max_size=4))
    def land(self, fates: list[Outcome]) -> None:
        self.tick()
        for row, fate in zip(self.flying[:], fates, strict=False):
            self.flying.remove(row)
            done = [Settled(row.id, fate, REPLIES[fate])]
            connection = self.session.connection()
            ledger.settle_and_open(connection, self.settings, self.lease, done, [], self.now)
            self.reread()
            if self.session.get_one(Delivery, row.id).state == "accepted":
                self.accepted(row)

    @rule()
    def crash(self) -> None:
        """The sender dies: what was on its way is in doubt."""
        ledger.release_lease(self.session, self.settings, self.lease, self.now)
        self.flying.clear()
        self.lease = ledger.take_lease(self.session, self.settings, "test", self.now)
        self.reread()

    @rule()
    def finish(self) -> None:
        self.tick()
        with self.watched():
            publishing.finish(self.session, self.settings, self.now)

    @rule(days=st.sampled_from([1, 1, 3, 7, 30]))
    def wait(self, days: int) -> None:
        self.now += timedelta(days=days)

    def reread(self) -> None:
        """The ledger writes past the session."""
        self.session.flush()
        self.session.expire_all()

    def tick(self) -> None:
        self.now += timedelta(minutes=1)

    # --- the judge --------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.now.astimezone(self.settings.timezone).date()

    def issues(self, *states: IssueState) -> list[Issue]:
        query = select(Issue).where(Issue.state.in_(states)).order_by(Issue.number)
        return list(self.session.scalars(query))

    def somebody(self, data: st.DataObject) -> Subscriber:
        id = data.draw(st.sampled_from(sorted(self.readers)))
        return self.session.get_one(Subscriber, id)

    def send_issue(self, issue: Issue) -> None:
        self.tick()
        with self.watched():
            publishing.send(self.session, self.settings, issue.number, self.now)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever is planned within is judged."""
        ids, numbers, before = self.planned(), self.numbers(), self.cursors()
        yield
        self.reread()
        new = self.numbers() - numbers
        for reader in self.readers.values():
            if self.session.get_one(Subscriber, reader.id).state is SubscriberState.ACTIVE:
                reader.owed |= new
        for id in sorted(self.planned() - ids):
            self.judge_row(self.session.get_one(Delivery, id))
        for id, cursor in self.cursors().items():
            if cursor > before[id]:
                self.judge_skip(self.session.get_one(Subscriber, id), cursor)

    def planned(self) -> set[int]:
        return set(self.session.scalars(select(Delivery.id)))

    def numbers(self) -> set[int]:
        return set(self.session.scalars(select(ItemNumber.number)))

    def cursors(self) -> dict[int, int]:
        return {row.subscriber_id: row.number for row in self.session.scalars(select(Cursor))}

    def accepted(self, row: Claimed) -> None:
        reader, brought = self.readers[row.subscriber_id], self.rows[row.id]
        for number in brought.brings:
            reader.got[number] += 1
            assert reader.got[number] == 1, f"reader {reader.id} got number {number} twice"
        reader.owed -= brought.brings | brought.excused

    def floor(self, issue: Issue) -> int:
        """What is older than BACKLOG issues before this one."""
        before = [
            one
            for one in self.session.scalars(select(Issue))
            if one.planned_at
            and one.number != issue.number
            and one.state is not IssueState.STOPPED
            and one.cadence in (None, issue.cadence)
        ]
        before.sort(key=lambda one: one.planned_at or START, reverse=True)
        too_old = before[self.settings.backlog :]
        return too_old[0].top or 0 if too_old else 0

    def fits(self, subscriber: Subscriber, number: int) -> bool:
        """Is it news for this reader today?"""
        row = self.session.get_one(ItemNumber, number)
        front = self.shelf.found[row.slug].original.front
        text = self.session.get_one(TopicChoice, subscriber.topic_choice_id).topics
        open_call = front.deadline is None or front.deadline >= self.today
        matches = not text or bool(set(text.split("|")) & set(front.topics))
        return row.withdrawn_at is None and open_call and matches

    def judge_row(self, delivery: Delivery) -> None:
        """A new row brings all that its reader is owed, and nothing else."""
        subscriber = self.session.get_one(Subscriber, delivery.subscriber_id)
        issue = self.session.get_one(Issue, delivery.issue_number)
        top, floor = issue.top or 0, self.floor(issue)
        owed = {number for number in self.readers[subscriber.id].owed if number <= top}
        due = {n for n in owed if n > floor and self.fits(subscriber, n)}
        edition = self.session.get_one(Edition, delivery.edition_id)
        ids = [int(id) for id in edition.piece_ids.rstrip("+").split(",")]
        pieces = [self.session.get_one(Piece, id) for id in ids]
        assert edition.locale == subscriber.locale
        assert all(p.locale == subscriber.locale for p in pieces), "an item in two languages"
        slugs = [piece.slug for piece in pieces]
        assert len(set(slugs)) == len(slugs), "an item twice in one edition"
        assert set(slugs) == {self.slug(n) for n in due}, (slugs, due, owed, floor)
        assert all(p.deadline is None or p.deadline >= self.today for p in pieces)
        self.rows[delivery.id] = Row(due, owed - due)

    def judge_skip(self, subscriber: Subscriber, cursor: int) -> None:
        """Nobody is passed over for whom there was something."""
        floor = max(self.floor(one) for one in self.issues(*IssueState) if one.top == cursor)
        reader = self.readers[subscriber.id]
        passed = {number for number in reader.owed if number <= cursor}
        missed = {n for n in passed if n > floor and self.fits(subscriber, n)}
        assert not missed, f"reader {reader.id} was passed over with {missed}"
        reader.owed -= passed

    def is_due(self) -> bool:
        due_at = ledger.next_due(self.session)
        return due_at is not None and due_at <= self.now

    def slug(self, number: int) -> str:
        return self.session.get_one(ItemNumber, number).slug

    def come_to_rest(self) -> None:
        """At last everybody can be reached: then nobody is owed anything, and nothing is open."""
        if not self.readers:
            return
        for reader in self.readers:
            self.session.get_one(Subscriber, reader).paused_until = None
        self.session.flush()
        self.land([Outcome.ACCEPTED] * len(self.flying))
        for issue in self.issues(*HALTED):
            self.tick()
            publishing.resume(self.session, self.settings, issue.number, self.now)
        self.new_item(TOPICS, None, 0)
        for _round in range(3):  # the second number of a call may come with the last cadence
            for cadence in CADENCES:
                self.compile_and_send(cadence)
            self.deliver_all()
        for id in self.readers:
            self.judge_at_rest(self.session.get_one(Subscriber, id))

    def deliver_all(self) -> None:
        """Until no issue is being sent; that takes a day, or a second day where one waits."""
        for _day in range(30):
            self.wait(1)
            while self.flying or self.is_due():
                self.deliver([Outcome.ACCEPTED] * 20)
            self.finish()
            for issue in self.issues(IssueState.SENDING):
                publishing.resume(self.session, self.settings, issue.number, self.now)
            if not self.issues(IssueState.SENDING):
                return
        raise AssertionError("an issue does not come to its end")

    def judge_at_rest(self, subscriber: Subscriber) -> None:
        """Nobody who reads is owed anything that is not too old."""
        if subscriber.state is not SubscriberState.ACTIVE:
            return
        theirs = [i for i in self.issues(IssueState.SENT) if i.cadence == subscriber.cadence]
        floor = self.floor(max(theirs, key=lambda issue: issue.planned_at or START))
        owed = self.readers[subscriber.id].owed
        assert not {n for n in owed if n > floor and self.fits(subscriber, n)}


@pytest.mark.sqlite("thousands of steps, in memory; what differs on PostgreSQL has its own tests")
def test_each_matching_item_once_and_none_after_its_deadline(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an edition looks like is not the matter here: it is not made."""
    monkeypatch.setattr(planning, "render_edition", lambda *_, **__: RenderedEdition("", "", ""))
    monkeypatch.setattr(preflight, "check", lambda *_: [])
    monkeypatch.setattr(searching, "index", lambda *_: None)
    Road.database, Road.settings = database, replace(settings, backlog=2)
    run_state_machine_as_test(Road, settings=SETTINGS)
