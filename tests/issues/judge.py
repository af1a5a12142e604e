"""Who judges what the cursor's machine does (test_cursor.py).

It knows nothing of cursors. It keeps, for each reader, the numbers that were published while they
read and that they have neither got nor were rightly left out of; and judges by that. When a call is
told once more it works out from the calendar, in its own words.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.content.files import Files
from newsletter.content.frontmatter import FrontMatter
from newsletter.content.gallery import Gallery
from newsletter.content.intros import Greeting
from newsletter.content.markdown import Body
from newsletter.content.shelf import Item, ItemText
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Claimed
from newsletter.issues.outline import LAST_DAYS
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

CADENCES, TOPICS, LOCALES = ("weekly", "monthly"), ("water", "jeugd"), ("nl", "fr")
START = datetime(2026, 11, 3, 9, tzinfo=UTC)
TUESDAY, THURSDAY = 1, 3  # of datetime.weekday()
AT = time(9)  # of the slots, in TIMEZONE


class Shelf:
    """The content folder, without files."""

    def __init__(self) -> None:
        self.found: dict[str, Item] = {}
        self.gallery = Gallery(Files(Path("nowhere")))

    def items(self) -> list[Item]:
        return list(self.found.values())

    def intros(self, _cadence: str | None) -> dict[str, Greeting]:
        return {}

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


class Judge(RuleBasedStateMachine):
    """What is known of the readers, and whether all that is planned is right."""

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

    @property
    def today(self) -> date:
        return self.now.astimezone(self.settings.timezone).date()

    def reread(self) -> None:
        """The ledger writes past the session."""
        self.session.flush()
        self.session.expire_all()

    def issues(self, *states: IssueState) -> list[Issue]:
        query = select(Issue).where(Issue.state.in_(states)).order_by(Issue.number)
        return list(self.session.scalars(query))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever is planned within is judged."""
        ids, numbers, before = self.planned(), self.numbers(), self.cursors()
        yield
        self.reread()
        new = self.numbers() - numbers
        newest = max(numbers, default=0)
        assert sorted(new) == list(range(newest + 1, newest + 1 + len(new))), "numbers rise by one"
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
        assert subscriber.state is SubscriberState.ACTIVE, "mail for somebody who left"
        assert (subscriber.paused_until or self.now) <= self.now, "mail in a pause"
        assert issue.cadence in (None, subscriber.cadence), "mail of another cadence"
        edition = self.session.get_one(Edition, delivery.edition_id)
        ids = [int(id) for id in edition.piece_ids.rstrip("+").split(",")]
        pieces = [self.session.get_one(Piece, id) for id in ids]
        assert edition.locale == subscriber.locale
        assert all(p.locale == subscriber.locale for p in pieces), "an item in two languages"
        assert all(p.issue_number == issue.number for p in pieces)
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

    def slug(self, number: int) -> str:
        return self.session.get_one(ItemNumber, number).slug

    # --- what is compiled, and what an issue that begins takes in and takes over ----------------

    def judge_compiled(self, cadence: str, issue: Issue | None, last_days: set[str]) -> None:
        """It has news for readers of its cadence, and tells once more what ends before the next."""
        highest, had = self.highest(), self.had(cadence)
        fresh = {
            item.slug
            for item in self.shelf.items()
            if item.slug not in highest and self.is_ready(item)
        }
        if issue is None:
            assert not fresh | last_days, "nothing compiled, and there was news"
            return
        pieces, withdrawn = self.pieces(issue), self.withdrawn()
        for slug in {piece.slug for piece in pieces}:
            assert self.is_ready(self.shelf.found[slug]), slug
            assert slug not in withdrawn, slug
        assert fresh | last_days <= {piece.slug for piece in pieces}
        told = {piece.slug for piece in pieces if piece.facts.get(LAST_DAYS)}
        assert told - self.told_twice() == last_days
        news = {p.slug for p in pieces if highest.get(p.slug) not in had} | last_days
        assert news, "an issue of old news alone"

    def last_days(self, cadence: str) -> set[str]:
        """Calls that these readers had last before the slot we are in, and whose deadline comes
        before their next issue, or on its day."""
        slot, coming = self.slots(cadence)
        planned: dict[str, datetime] = {}
        for issue in self.gone_out(cadence):
            for piece in self.pieces(issue):
                planned[piece.slug] = max(planned.get(piece.slug, START), issue.planned_at or START)
        return {
            slug
            for slug, at in planned.items()
            if at < slot
            and self.is_ready(self.shelf.found[slug])
            and (self.shelf.found[slug].original.front.deadline or date.max) <= coming.date()
        } - (self.told_twice() | self.withdrawn())

    def slots(self, cadence: str, at: datetime | None = None) -> tuple[datetime, datetime]:
        """The slot of a moment, and the next: Thursdays, or first Tuesdays, at nine."""
        here = (at or self.now).astimezone(self.settings.timezone)
        days = [here.date() + timedelta(days=days) for days in range(-40, 41)]
        if cadence == "weekly":
            days = [day for day in days if day.weekday() == THURSDAY]
        else:
            days = [day for day in days if day.weekday() == TUESDAY and day.day <= 7]
        moments = [datetime.combine(day, AT, self.settings.timezone) for day in days]
        return max(m for m in moments if m <= here), min(m for m in moments if m > here)

    def is_ready(self, item: Item) -> bool:
        front = item.original.front
        open_call = front.deadline is None or front.deadline >= self.today
        return front.status == "ready" and front.date <= self.today and open_call

    def gone_out(self, cadence: str) -> list[Issue]:
        """Issues that readers of the cadence were to have."""
        return [
            issue
            for issue in self.session.scalars(select(Issue).where(Issue.planned_at.is_not(None)))
            if issue.state is not IssueState.STOPPED and issue.cadence in (None, cadence)
        ]

    def had(self, cadence: str) -> set[int | None]:
        return {
            piece.item_number for issue in self.gone_out(cadence) for piece in self.pieces(issue)
        }

    def pieces(self, issue: Issue) -> Sequence[Piece]:
        return self.session.scalars(select(Piece).where(Piece.issue_number == issue.number)).all()

    def highest(self) -> dict[str, int]:
        rows = self.session.scalars(select(ItemNumber).order_by(ItemNumber.number))
        return {row.slug: row.number for row in rows}

    def told_twice(self) -> set[str]:
        return set(self.session.scalars(select(ItemNumber.slug).where(ItemNumber.repeat)))

    def withdrawn(self) -> set[str]:
        gone = select(ItemNumber.slug).where(ItemNumber.withdrawn_at.is_not(None))
        return set(self.session.scalars(gone))

    def judge_begun(self, issue: Issue, before: set[int]) -> None:
        """What came along is as readers saw it last; what it takes over goes out no more."""
        for piece in self.pieces(issue):
            if piece.id not in before:
                same = (
                    Piece.slug == piece.slug,
                    Piece.locale == piece.locale,
                    Piece.id != piece.id,
                )
                seen = select(Piece).where(*same, Piece.item_number == piece.item_number)
                last = max(self.session.scalars(seen), key=lambda one: one.issue_number)
                assert piece.hash == last.hash
        repeats = {piece.slug for piece in self.pieces(issue) if piece.facts.get(LAST_DAYS)}
        assert repeats <= self.told_twice(), "told once more without a number for it"
        waiting = select(Delivery).where(Delivery.state.in_(["pending", "deferred"]))
        for row in self.session.scalars(waiting):
            older = self.session.get_one(Issue, row.issue_number)
            if older is issue or (older.top or 0) > (issue.top or 0) or row.in_doubt:
                continue
            reader = self.session.get_one(Subscriber, row.subscriber_id)
            assert issue.cadence not in (None, reader.cadence), "an older row waits still"
        self.judge_passed_on(issue)

    def judge_passed_on(self, issue: Issue) -> None:
        """Who has no row now, and needs to wait for none, has been moved past the issue."""
        rows = self.session.scalars(select(Delivery)).all()
        done = ("accepted", "refused", "withdrawn")
        mine = {row.subscriber_id for row in rows if row.issue_number == issue.number}
        waiting = {row.subscriber_id for row in rows if row.state not in done}
        for id, cursor in self.cursors().items():
            reader = self.session.get_one(Subscriber, id)
            reads = reader.state == "active" and (reader.paused_until or self.now) <= self.now
            if reads and issue.cadence in (None, reader.cadence) and id not in waiting | mine:
                assert cursor >= (issue.top or 0), "left behind without a row"

    def judge_at_rest(self, subscriber: Subscriber) -> None:
        """Nobody who reads is owed anything that is not too old, and cursors have moved along."""
        if subscriber.state is not SubscriberState.ACTIVE:
            return
        theirs = [i for i in self.issues(IssueState.SENT) if i.cadence == subscriber.cadence]
        floor = self.floor(max(theirs, key=lambda issue: issue.planned_at or START))
        owed = self.readers[subscriber.id].owed
        assert not {n for n in owed if n > floor and self.fits(subscriber, n)}
        assert self.cursors()[subscriber.id] >= max(issue.top or 0 for issue in theirs)
