"""The promise of the cursor, over whatever happens in whatever order.

Each matching item exactly once to each reader, none after its deadline: also through changed
cadences and topics, pauses, readers who leave and come back, replies of all kinds, messages in
doubt, items edited, back-dated, translated and withdrawn, issues stopped, superseded and missed.

The same examples each time, so that nobody's build fails by luck. `make chaos` looks further, by
chance, with HYPOTHESIS_EXAMPLES=2000; it prints the HYPOTHESIS_SEED that does it again.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import click
import pytest
from hypothesis import HealthCheck, seed
from hypothesis import settings as amount
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from newsletter.content.frontmatter import FrontMatter
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Settled
from newsletter.delivery.outcomes import Outcome, Reply, Stage
from newsletter.errors import FixContent
from newsletter.issues import planning, preflight, publishing, searching
from newsletter.issues.compiler import compile_issue
from newsletter.issues.rendering import RenderedEdition
from newsletter.models import Delivery, Issue, IssueState, ItemNumber, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers.preferences import choice
from tests.delivery.conftest import claim
from tests.issues.judge import CADENCES, LOCALES, TOPICS, Judge, Reader

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
ABOUT = st.sampled_from([("water",), ("jeugd",), TOPICS])
MEANWHILE = ("other issue", "other issue", "by name", "joins", "wakes", "sleeps", "withdrawn")
AFTER_NEXT = -1  # a call whose last day is that of the slot after the next
EXAMPLES = {"sqlite": 25, "postgresql": 4}


class Road(Judge):
    """Editors, readers, relays and clocks, in any order."""

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
        topics=ABOUT,
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
    @rule(data=st.data(), what=st.sampled_from(["edit", "translate", "withdraw", "put back"]))
    def change_item(self, data: st.DataObject, what: str) -> None:
        item = self.shelf.found[data.draw(st.sampled_from(sorted(self.shelf.found)))]
        front = item.original.front
        if what == "edit":
            self.shelf.put(item.slug, "nl", replace(front, title=front.title + "!"))
        elif what == "translate":
            self.shelf.put(item.slug, "fr", front)
        else:
            status = "draft" if what == "withdraw" else "ready"
            self.shelf.put(item.slug, "nl", replace(front, status=status))

    @rule(cadence=st.sampled_from(CADENCES))
    def compile(self, cadence: str) -> None:
        self.compiled(cadence)

    def compiled(self, cadence: str) -> Issue | None:
        self.tick()
        last_days = self.last_days(cadence)
        issue = compile_issue(self.session, self.settings, self.shelf, self.now, cadence)  # type: ignore[arg-type]
        self.judge_compiled(cadence, issue, last_days)
        return issue

    @rule(cadence=st.sampled_from(CADENCES))
    def compile_and_send(self, cadence: str) -> None:
        if issue := self.compiled(cadence):
            self.send_issue(issue)

    @rule(
        cadence=st.sampled_from(CADENCES),
        topics=ABOUT,
        call=st.none() | st.integers(0, 45) | st.just(AFTER_NEXT),
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
        if call == AFTER_NEXT:
            after = self.slots(cadence, self.slots(cadence)[1])[1]
            call = (after.date() - self.today).days
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

    @rule(
        data=st.data(),
        cadence=st.sampled_from(CADENCES),
        back=st.sampled_from([0, 30]),
        meanwhile=st.lists(st.sampled_from(MEANWHILE), min_size=1, max_size=3),
    )
    def send_late(self, data: st.DataObject, cadence: str, back: int, meanwhile: list[str]) -> None:
        """An issue waits in its hold window; its readers and the other issues do not."""
        self.new_item(TOPICS, None, back)
        issue = self.compiled(cadence)
        for event in meanwhile:
            self.happen(event, data, cadence)
        if issue and issue.state is IssueState.COMPILED:
            self.send_issue(issue)
            self.deliver([Outcome.ACCEPTED] * 3)

    def happen(self, event: str, data: st.DataObject, cadence: str) -> None:
        """What makes an issue of this cadence another one than was compiled."""
        other = next(one for one in CADENCES if one != cadence)
        if event in ("other issue", "withdrawn"):
            self.new_item(data.draw(ABOUT), None, 0)
            self.compile_and_send(other)
            self.deliver([Outcome.ACCEPTED] * 3)
        elif event == "by name":
            self.new_item(data.draw(ABOUT), None, 0)
            self.compile_by_name(data)
            self.send(data)
        elif event in ("joins", "wakes", "sleeps"):
            self.change_mind(event, data, cadence)
        if event == "withdrawn":  # noticed by the next compile
            self.change_item(data, "withdraw")
            self.compiled(other)

    def change_mind(self, event: str, data: st.DataObject, cadence: str) -> None:
        """Of a reader whom that makes one of this issue's, or no longer one."""
        everybody = [self.session.get_one(Subscriber, id) for id in sorted(self.readers)]
        others = [reader for reader in everybody if reader.cadence != cadence]
        asleep = [reader for reader in everybody if reader.paused_until]
        found = {"joins": others, "wakes": asleep, "sleeps": everybody}[event]
        if not found:
            return
        reader = data.draw(st.sampled_from(found))
        if event == "joins":
            reader.cadence = cadence
        else:
            self.rest_until(reader, 40 if event == "sleeps" else None)
        self.session.flush()

    @rule(data=st.data())
    def sleep_through(self, data: st.DataObject) -> None:
        """A reader who pauses misses an issue of theirs, which all the others get."""
        reader = self.somebody(data)
        self.rest_until(reader, 40)
        self.publish(reader.cadence, TOPICS, None, [Outcome.ACCEPTED] * 5, 0)

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
            with self.watched(), self.allowed():
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
        self.rest_until(self.somebody(data), days)

    def rest_until(self, reader: Subscriber, days: int | None) -> None:
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

    def tick(self) -> None:
        self.now += timedelta(minutes=1)

    # --- how it goes on, and how it ends ----------------------------------------------------------

    def somebody(self, data: st.DataObject) -> Subscriber:
        id = data.draw(st.sampled_from(sorted(self.readers)))
        return self.session.get_one(Subscriber, id)

    def send_issue(self, issue: Issue) -> None:
        self.tick()
        before = {piece.id for piece in self.pieces(issue)}
        with self.watched(), self.allowed():
            publishing.send(self.session, self.settings, issue.number, self.now)
        if issue.top is not None:
            self.judge_begun(issue, before)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """What has nothing left to tell is refused, and then nothing has changed."""
        try:
            with self.session.begin_nested():
                yield
        except FixContent:
            self.session.expire_all()

    def is_due(self) -> bool:
        due_at = ledger.next_due(self.session)
        return due_at is not None and due_at <= self.now

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
            with self.allowed():
                publishing.resume(self.session, self.settings, issue.number, self.now)
        self.new_item(TOPICS, None, 0)
        # The second number of a call may come with any of them: until a round brings none.
        known = None
        while known != self.numbers():
            known = self.numbers()
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


def look(road: type[Road], examples: int, start: int) -> None:
    """Run the machine; the same `start` gives the same examples."""
    chosen = amount(
        max_examples=examples,
        stateful_step_count=40,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(start)(road), settings=chosen)


def test_each_matching_item_once_and_none_after_its_deadline(
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What an edition looks like is not the matter here: it is not made."""
    nothing = RenderedEdition("", "", "")
    monkeypatch.setattr(planning.Renderings, "edition", lambda *_, **__: nothing)
    monkeypatch.setattr(planning.Renderings, "checked", lambda *_, **__: None)
    monkeypatch.setattr(preflight, "check", lambda *_: [])
    monkeypatch.setattr(searching, "index", lambda *_: None)
    # Else numbers come from the source of whatever happens to be imported.
    monkeypatch.setattr(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None)
    Road.database, Road.settings = database, replace(settings, backlog=2)
    kind, wanted = database.engine.name, int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
    start, examples = len(kind), EXAMPLES[kind]
    if wanted:
        examples = wanted * examples // EXAMPLES["sqlite"] or 1
        start = int(os.environ.get("HYPOTHESIS_SEED") or random.SystemRandom().randrange(10**6))
        with capsys.disabled():
            click.echo(f"\nThe cursor on {kind}: {examples} examples, HYPOTHESIS_SEED={start}")
    look(Road, examples, start)
