"""Counting, in sessions that only read; and `store`, the one writer of `figures`.

Readers are counted whole each time. Proofs are append-only: the days before yesterday are final,
and only what came since is counted again. An issue is counted when it has changed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from newsletter.models import (
    Consent,
    Delivery,
    Edition,
    Figure,
    Issue,
    IssueState,
    Setback,
    SetbackKind,
    Subscriber,
    SubscriberState,
    SurveyAnswer,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.statistics.reading import COMPLAINTS, Live, live

FEWEST = 5  # what fewer share is told together
OTHER = "*"
EVERY = ""  # the topic of who wants them all
DOMAINS = 40  # told one by one for an issue, the largest
RUNNING = timedelta(minutes=10)  # how often an issue that is being sent is counted in parts
PEOPLE = ("state", "language", "cadence", "topic", "joined", "gone", "survey")
PARTS = ("delivery", "domain", "complaint", "reply", "spoken", "chosen")
MARK = "mark"  # where counting goes on; period: the first day that is not final

Key = tuple[str, str, str]  # name, period, key of a figure


@dataclass(slots=True)
class Counts:
    """What was counted, and which figures it replaces: (name, first period) of each."""

    times: Counter[Key] = field(default_factory=Counter)
    replaces: list[ColumnElement[bool]] = field(default_factory=list)

    def add(self, name: str, period: str, key: str, times: int) -> None:
        """Count some more."""
        self.times[name, period, key] += times


def count_readers(session: Session, settings: Settings) -> Counts:
    """Subscribers by state; active ones by language, cadence and topic; who joined and went, by
    day; what leavers answered."""
    counts = Counts(replaces=[Figure.name.in_(PEOPLE)])
    sets = dict(session.execute(select(TopicChoice.id, TopicChoice.topics)).all())
    columns = (Subscriber.state, Subscriber.locale, Subscriber.cadence, Subscriber.topic_choice_id)
    topics = Counter[str]()
    for state, locale, cadence, choice, times in session.execute(
        select(*columns, func.count()).group_by(*columns)
    ):
        counts.add("state", "", state.value, times)
        if state is SubscriberState.ACTIVE:
            counts.add("language", "", locale, times)
            counts.add("cadence", "", cadence, times)
            for topic in sets[choice].split("|"):
                topics[topic] += times
    for topic, times in _grouped(topics, spared={EVERY}).items():
        counts.add("topic", "", topic, times)
    confirmed = Subscriber.confirmed_at.is_not(None)
    for name, column in (("joined", Subscriber.confirmed_at), ("gone", Subscriber.left_at)):
        for day, times in _by_day(session, settings, column, confirmed):
            counts.add(name, day, "", times)
    said = select(SurveyAnswer.reason, func.count()).group_by(SurveyAnswer.reason)
    for reason, times in session.execute(said):
        counts.add("survey", "", reason.value, times)
    return counts


def count_proofs(session: Session, settings: Settings, now: datetime) -> Counts:
    """Consents by day (in TIMEZONE, to the hour), event and way."""
    mark = session.execute(select(Figure.period, Figure.times).where(Figure.name == MARK)).first()
    first, after = (mark.period, mark.times) if mark else ("", 0)
    mine = Figure.name == "consent"
    counts = Counts(replaces=[mine & (Figure.period >= first), Figure.name == MARK])
    hour = _hour(session, Consent.at)
    fresh = Consent.id > after
    grouped = select(hour, Consent.event, Consent.route, func.count()).where(fresh)
    for moment, event, route, times in session.execute(
        grouped.group_by(hour, Consent.event, Consent.route)
    ):
        day = _day(moment, settings)
        if day >= first:
            counts.add("consent", day, f"{event.value} {route}", times)
    yesterday = now.astimezone(settings.timezone).date() - timedelta(days=1)
    newest = func.min(Consent.id)
    start = session.scalar(select(newest).where(fresh, Consent.at >= _start(yesterday, settings)))
    last = start - 1 if start else session.scalar(select(func.max(Consent.id)))
    counts.add(MARK, max(first, yesterday.isoformat()), "consent", max(last or 0, after))
    return counts


def due_issues(session: Session, now: datetime) -> list[int]:
    """Issues that changed since they were counted; one that is being sent, every ten minutes."""
    planned = select(Issue).where(Issue.planned_at.is_not(None)).order_by(Issue.number)
    counted = {
        int(row.period): row.times
        for row in session.scalars(select(Figure).where(Figure.name == "counted"))
    }
    return [
        issue.number
        for issue in session.scalars(planned)
        if _is_due(session, issue, counted.get(issue.number), now)
    ]


def count_issue(session: Session, number: int, now: datetime) -> Counts:
    """Deliveries of an issue by state, domain, reply, language and topic."""
    period = str(number)
    names = (*PARTS, "counted")
    counts = Counts(replaces=[Figure.name.in_(names) & (Figure.period == period)])
    _count_by_reply(session, number, counts)
    _count_by_choice(session, number, counts)
    counts.add("counted", period, "", int(now.timestamp()))
    return counts


def store(session: Session, counts: Counts) -> None:
    """Put figures in the place of those they replace."""
    for old in counts.replaces:
        session.execute(delete(Figure).where(old))
    rows = [
        {"name": name, "period": period, "key": key, "times": times}
        for (name, period, key), times in counts.times.items()
    ]
    if rows:
        session.execute(insert(Figure), rows)


def forget(session: Session) -> None:
    """Take all figures away: the next round of the clock makes them again."""
    session.execute(delete(Figure))


def _is_due(session: Session, issue: Issue, counted: int | None, now: datetime) -> bool:
    if counted is None:
        return True
    at = datetime.fromtimestamp(counted, UTC)
    if issue.state is IssueState.SENT and issue.sent_at and issue.sent_at >= at:
        return True
    if issue.state is not IssueState.SENT and now - at < RUNNING:
        return False
    known = session.execute(
        select(Figure.key, Figure.times).where(
            Figure.name == "delivery", Figure.period == str(issue.number)
        )
    ).all()
    return live(session, issue.number, dict(known)) != Live.of(dict(known))


def _count_by_reply(session: Session, number: int, counts: Counts) -> None:
    """By state, and by domain and reply: one pass over the rows."""
    period, bounced = str(number), Delivery.bounced_at.is_not(None)
    domain = _domain(session)
    columns = (Delivery.state, Delivery.status, bounced, domain)
    query = (
        select(*columns, func.count(), func.count().filter(Delivery.in_doubt > 0))
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_number == number)
        .group_by(*columns)
    )
    domains, outcomes = Counter[str](), Counter[tuple[str, str]]()
    for state, status, came_back, name, times, in_doubt in session.execute(query):
        counts.add("delivery", period, state.value, times)
        counts.add("delivery", period, "in_doubt", in_doubt)
        outcome = "bounced" if came_back else state.value
        domains[name or OTHER] += times
        outcomes[name or OTHER, outcome] += times
        if came_back:
            counts.add("delivery", period, "bounced", times)
        if outcome in ("refused", "bounced", "deferred"):
            counts.add("reply", period, f"{outcome} {status or '-'}", times)
    told = {name for name, times in domains.most_common(DOMAINS) if times >= FEWEST}
    for (name, outcome), times in outcomes.items():
        counts.add("domain", period, f"{name if name in told else OTHER} {outcome}", times)
    for name, times in _complaints(session, number):
        counts.add("complaint", period, name if name in told else OTHER, times)
        counts.add("delivery", period, COMPLAINTS, times)


def _complaints(session: Session, number: int) -> Iterable[tuple[str, int]]:
    """By domain: how often a message of the issue was called spam."""
    domain = _domain(session)
    query = (
        select(domain, func.count())
        .select_from(Setback)
        .join(Subscriber, Subscriber.id == Setback.subscriber_id)
        .where(Setback.issue_number == number, Setback.kind == SetbackKind.COMPLAINT)
        .group_by(domain)
    )
    return [(name or OTHER, times) for name, times in session.execute(query)]


def _count_by_choice(session: Session, number: int, counts: Counts) -> None:
    """By language of the edition and chosen topics."""
    period, bounced = str(number), Delivery.bounced_at.is_not(None)
    columns = (Delivery.state, bounced, Delivery.edition_id, Subscriber.topic_choice_id)
    query = (
        select(*columns, func.count())
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_number == number)
        .group_by(*columns)
    )
    sets = dict(session.execute(select(TopicChoice.id, TopicChoice.topics)).all())
    spoken = select(Edition.id, Edition.locale).where(Edition.issue_number == number)
    locales = dict(session.execute(spoken).all())
    whole, topics = Counter[str](), Counter[tuple[str, str]]()
    for state, came_back, edition, choice, times in session.execute(query):
        outcome = "bounced" if came_back else state.value
        counts.add("spoken", period, f"{locales[edition]} {outcome}", times)
        for topic in sets[choice].split("|"):
            whole[topic] += times
            topics[topic, outcome] += times
    for (topic, outcome), times in topics.items():
        told = topic if whole[topic] >= FEWEST or topic == EVERY else OTHER
        counts.add("chosen", period, f"{told} {outcome}", times)


def _grouped(times: Mapping[str, int], spared: Collection[str]) -> Counter[str]:
    """What few share, together."""
    found = Counter[str]()
    for key, count in times.items():
        found[key if count >= FEWEST or key in spared else OTHER] += count
    return found


def _by_day(
    session: Session,
    settings: Settings,
    column: InstrumentedAttribute[Any],
    *conditions: ColumnElement[bool],
) -> Iterable[tuple[str, int]]:
    hour = _hour(session, column)
    query = select(hour, func.count()).where(column.is_not(None), *conditions).group_by(hour)
    for moment, times in session.execute(query):
        yield _day(moment, settings), times


def _hour(session: Session, column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """The hour of a time, as `_day` reads it: neither database knows the other's zones."""
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(column, 1, 13)
    return func.date_trunc("hour", column, "UTC")


def _day(hour: Any, settings: Settings) -> str:
    moment = datetime.fromisoformat(f"{hour}:00") if isinstance(hour, str) else hour
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return aware.astimezone(settings.timezone).date().isoformat()


def _start(day: date, settings: Settings) -> datetime:
    return datetime.combine(day, time(), settings.timezone)


def _domain(session: Session) -> ColumnElement[Any]:
    """The domain of a reader's address; empty once it was erased."""
    if session.get_bind().dialect.name == "sqlite":
        at = func.instr(Subscriber.canonical, "@")
        return func.substr(Subscriber.canonical, at + 1)
    return func.split_part(Subscriber.canonical, "@", 2)
