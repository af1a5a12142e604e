"""What the desk reads: rows of `figures`; and of an issue that runs, its own rows by indexes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.delivery.ledger import Progress
from newsletter.models import (
    Delivery,
    DeliveryState,
    Figure,
    Issue,
    IssueState,
    Setback,
    SetbackKind,
)
from newsletter.models.delivery import BOUNCED, CLOSED, LEASED, WAITING

COMPLAINTS = "complaints"  # a mark beside the state, as bounced
ENDED = (DeliveryState.REFUSED, DeliveryState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Growth:
    """A day or a month: who joined, who went, and how many readers there were at its end."""

    period: str
    joined: int
    gone: int
    readers: int


@dataclass(frozen=True, slots=True)
class Live:
    """How the rows of an issue stand at this moment; the states add up to `planned`."""

    planned: int
    open: int
    accepted: int
    refused: int
    withdrawn: int
    bounced: int
    complaints: int

    @property
    def answered(self) -> int:
        """Messages of which somebody said what became of them."""
        return self.accepted + self.refused

    @property
    def failed(self) -> int:
        """Messages that did not arrive: refused at once, or back later."""
        return self.refused + self.bounced

    @property
    def bounce_share(self) -> float:
        """Which share of the messages failed (0 to 1)."""
        return self.failed / self.answered if self.answered else 0.0

    @property
    def complaint_share(self) -> float:
        """Which share of the messages was called spam (0 to 1)."""
        return self.complaints / self.answered if self.answered else 0.0

    @classmethod
    def of(cls, known: Mapping[str, int]) -> "Live":
        """As it was counted."""
        states = {state: known.get(state.value, 0) for state in DeliveryState}
        refused, withdrawn = (states[state] for state in ENDED)
        accepted, planned = states[DeliveryState.ACCEPTED], sum(states.values())
        left = planned - accepted - refused - withdrawn
        marks = (known.get("bounced", 0), known.get(COMPLAINTS, 0))
        return cls(planned, left, accepted, refused, withdrawn, *marks)


@dataclass(frozen=True, slots=True)
class IssueRow:
    """An issue and how its deliveries stand; `running` is live, the others as they were counted."""

    number: int
    planned_at: datetime | None
    running: bool
    counts: Live


def by_key(session: Session, name: str, period: str = "") -> dict[str, int]:
    """The figures of one name and period, by key, the largest first."""
    query = select(Figure.key, Figure.times).where(Figure.name == name, Figure.period == period)
    return dict(session.execute(query.order_by(Figure.times.desc(), Figure.key)).all())


def parted(session: Session, name: str, period: str) -> dict[str, dict[str, int]]:
    """Figures whose key has two words (a domain and an outcome): by the first, then the second;
    those with the most deliveries first."""
    found: dict[str, dict[str, int]] = {}
    for key, times in by_key(session, name, period).items():
        first, _blank, second = key.rpartition(" ")
        found.setdefault(first, {})[second] = times
    return dict(sorted(found.items(), key=lambda item: -sum(item[1].values())))


def growth(session: Session, *, months: bool) -> list[Growth]:
    """Every day, or month, on which anybody joined or went, oldest first."""
    query = select(Figure.name, Figure.period, Figure.times)
    rows = session.execute(query.where(Figure.name.in_(("joined", "gone"))))
    sums: dict[str, dict[str, int]] = {}
    for name, day, times in rows:
        of = sums.setdefault(day[:7] if months else day, {"joined": 0, "gone": 0})
        of[name] += times
    readers, found = 0, []
    for period, of in sorted(sums.items()):
        readers += of["joined"] - of["gone"]
        found.append(Growth(period, of["joined"], of["gone"], readers))
    return found


def consents(session: Session, since: date) -> dict[str, dict[tuple[str, str], int]]:
    """By month since a day: how often each event happened in each way."""
    query = select(Figure.period, Figure.key, Figure.times)
    rows = session.execute(
        query.where(Figure.name == "consent", Figure.period >= since.isoformat())
    )
    found: dict[str, dict[tuple[str, str], int]] = {}
    for day, key, times in rows:
        event, _blank, route = key.partition(" ")
        month = found.setdefault(day[:7], {})
        month[event, route] = month.get((event, route), 0) + times
    return dict(sorted(found.items()))


def issues(session: Session, limit: int, number: int | None = None) -> list[IssueRow]:
    """The newest planned issues, newest first; or one of them."""
    query = select(Issue).where(Issue.planned_at.is_not(None)).order_by(Issue.number.desc())
    if number is not None:
        query = query.where(Issue.number == number)
    found = session.scalars(query.limit(limit)).all()
    periods = [str(issue.number) for issue in found]
    known: dict[str, dict[str, int]] = {}
    rows = select(Figure).where(Figure.name == "delivery", Figure.period.in_(periods))
    for row in session.scalars(rows):
        known.setdefault(row.period, {})[row.key] = row.times
    return [_row(session, issue, known.get(str(issue.number), {})) for issue in found]


def live(session: Session, number: int, known: Mapping[str, int]) -> Live:
    """How an issue stands now, by the small indexes of rows that are not accepted: who was planned
    is known since the first count."""
    mine = Delivery.issue_number == number
    count = select(func.count()).select_from(Delivery).where(mine)
    # By the small index of rows with a lease, not by the large one of the issue: hence the + 0.
    claimed = select(func.count()).where(LEASED, Delivery.issue_number + 0 == number)
    left = sum(session.scalar(query) or 0 for query in (count.where(WAITING), claimed))
    ended = select(Delivery.state, func.count()).where(mine, CLOSED)
    states = dict(session.execute(ended.group_by(Delivery.state)).all())
    refused, withdrawn = (states.get(state, 0) for state in ENDED)
    planned = sum(known.get(state.value, 0) for state in DeliveryState)
    if not planned:  # not counted yet
        planned = session.scalar(count) or 0
    accepted = max(planned - left - refused - withdrawn, 0)
    return Live(planned, left, accepted, refused, withdrawn, *_marks(session, number))


def standing(session: Session, progress: Progress, number: int) -> Live:
    """The same of an issue whose rows were just counted."""
    left = progress.waiting + progress.in_doubt
    ends = (progress.accepted, progress.refused, progress.withdrawn)
    return Live(progress.planned, left, *ends, *_marks(session, number))


def _marks(session: Session, number: int) -> tuple[int, int]:
    """How many messages of an issue came back, and how many were called spam."""
    came_back = select(func.count()).select_from(Delivery)
    called_spam = (Setback.issue_number == number, Setback.kind == SetbackKind.COMPLAINT)
    queries = (
        came_back.where(Delivery.issue_number == number, BOUNCED),
        select(func.count()).where(*called_spam),
    )
    bounced, complaints = (session.scalar(query) or 0 for query in queries)
    return bounced, complaints


def counted_at(session: Session, number: int) -> datetime | None:
    """When an issue was last counted in parts."""
    query = select(Figure.times).where(Figure.name == "counted", Figure.period == str(number))
    seconds = session.scalar(query)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _row(session: Session, issue: Issue, known: Mapping[str, int]) -> IssueRow:
    running = issue.state is not IssueState.SENT
    counts = live(session, issue.number, known) if running or not known else Live.of(known)
    return IssueRow(issue.number, issue.planned_at, running, counts)
