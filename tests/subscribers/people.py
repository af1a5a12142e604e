"""What the tests of people share: signing up, tokens, and a dump of every table."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.models import Base, Notice, NoticeKind, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import signup
from newsletter.subscribers.signup import SignupForm
from newsletter.tokens import Purpose, Tokens

IP = "203.0.113.77"
AGENT = "Testbrowser/17 (very particular)"


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
    }
    return SignupForm(**(defaults | values))


def ask(session: Session, settings: Settings, now: datetime, *forms: SignupForm) -> None:
    """The form, then the clock."""
    for one in forms or (form(),):
        signup.request(session, one, now)
    signup.settle_requests(session, settings, now)
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
    assert signup.confirm(session, settings, link, now, IP, AGENT).result == "confirmed"
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
