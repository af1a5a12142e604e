"""What the tests of people share: signing up, tokens, and a dump of every table."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.models import Base, Notice, NoticeKind, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import confirming, leaving, settling, signup
from newsletter.subscribers.confirming import Result
from newsletter.subscribers.leaving import Left
from newsletter.subscribers.signup import Answer, SignupForm
from newsletter.tokens import Purpose, Tokens

IP = "203.0.113.77"
AGENT = "Testbrowser/17 (very particular)"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # the fixture `now`
SECRET = "a key for tests that is long enough"  # of the fixture `settings`
TYPING = timedelta(seconds=10)


def form(email: str = "jan@example.be", **values: Any) -> SignupForm:
    defaults: dict[str, Any] = {
        "email": email,
        "locale": "nl",
        "topics": (),
        "cadence": "monthly",
        "wording": "signup-1.nl",
        "form_url": "https://nieuws.test/nl/",
        "ip": IP,
        "user_agent": AGENT,
        "made": made(NOW),
    }
    return SignupForm(**(defaults | values))


def made(now: datetime) -> str:
    """The time token of a form that is sent at `now`, by a person."""
    return Tokens(SECRET).issue(Purpose.FORM, 0, now - TYPING)


def request(session: Session, settings: Settings, asked: SignupForm, now: datetime) -> None:
    """The form alone, freshly made, whose work was done."""
    fresh, easy = replace(asked, made=made(now)), replace(settings, work_bits=0)
    assert signup.request(session, easy, fresh, now).answer is Answer.TAKEN


def ask(session: Session, settings: Settings, now: datetime, *forms: SignupForm) -> None:
    """The form, then the clock."""
    for one in forms or (form(),):
        request(session, settings, one, now)
    settling.settle_requests(session, settings, now)
    session.flush()


def token(settings: Settings, purpose: Purpose, subscriber: Subscriber, now: datetime) -> str:
    bound = subscriber.canonical or "" if purpose is Purpose.CONFIRM else ""
    return Tokens(settings.secret_key).issue(purpose, subscriber.id, now, bound)


def only(session: Session) -> Subscriber:
    """The one subscriber there is."""
    return session.scalars(select(Subscriber)).one()


def reader(
    session: Session, settings: Settings, now: datetime, email: str = "jan@example.be"
) -> Subscriber:
    """An active subscriber, who went the whole way."""
    ask(session, settings, now, form(email))
    found = session.scalars(select(Subscriber).order_by(Subscriber.id.desc())).first()
    assert found is not None
    link = token(settings, Purpose.CONFIRM, found, now)
    assert confirming.confirm(session, settings, link, now, IP, AGENT).result == "confirmed"
    return found


def kinds(session: Session) -> list[NoticeKind]:
    """The kinds of all notices, in order."""
    return list(session.scalars(select(Notice.kind).order_by(Notice.id)))


def dump(session: Session) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    session.flush()
    return {
        table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
        for table in Base.metadata.sorted_tables
    }


def at_once(*works: Callable[[], object]) -> list[object]:
    """What comes of works that begin at the same moment."""
    barrier, results = threading.Barrier(len(works)), list[object]()

    def begin(work: Callable[[], object]) -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=begin, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def leave_by_token(
    session: Session,
    settings: Settings,
    link: str,
    route: str,
    now: datetime,
    issue_number: int | None = None,
) -> Left | None:
    """Leave whom the token names, as the site does; None for an unknown token."""
    claim = leaving.read(settings, link)
    if claim is None:
        return None
    wish = leaving.Wish(claim.id, route, claim.issued_at, issue_number)
    [changed] = leaving.leave_all(session, settings, [wish], now)
    if changed is None:
        return None
    return Left(session.get_one(Subscriber, claim.id, populate_existing=True), changed)


def confirm(session: Session, settings: Settings, link: str, now: datetime) -> Result:
    """Press the button of a confirm letter."""
    return confirming.confirm(session, settings, link, now, IP, AGENT).result


def link_of(session: Session, settings: Settings, now: datetime) -> str:
    """The token in the confirm letter of the one subscriber there is."""
    return token(settings, Purpose.CONFIRM, only(session), now)
