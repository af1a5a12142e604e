"""Most engaged domains first: the order of rows while the sending domain is warmed up.

Nothing is measured of anybody (no opens, no clicks). What is known of a domain of readers is how
our mail fared there, and who confirmed lately.
"""

from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session
from sqlalchemy.schema import Column

from newsletter.delivery.ledger.planning import after
from newsletter.models import (
    AT_ONCE,
    Delivery,
    DeliveryState,
    Subscriber,
    SubscriberState,
)

LATELY = timedelta(days=90)  # a confirmation is a good sign for so long
LAST = 1000  # seconds after AT_ONCE, for a domain of which nothing is known

# How many seconds after AT_ONCE rows of a domain are due: the better, the earlier.
_domains = Table(
    "engaged_domains",
    MetaData(),
    Column("domain", String, primary_key=True),
    Column("place", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)


def engaged_first(session: Session, now: datetime) -> ColumnElement[datetime]:
    """For every reader at once, in the order in which their domain took our mail well.

    A place is `1000 - 1000 * good / (good + bad + 1)`: good is a message that was accepted and did
    not come back, or a reader who confirmed lately; bad is one that was refused or came back, or
    whose reader must not be mailed any more. Unknown domains are last.
    """
    _domains.create(session.connection(), checkfirst=True)
    session.execute(delete(_domains))
    session.execute(insert(_domains).from_select(["domain", "place"], _places(session, now)))
    mine = select(_domains.c.place).where(_domains.c.domain == _domain(session))
    return after(session, AT_ONCE, func.coalesce(mine.scalar_subquery(), LAST))


def _places(session: Session, now: datetime) -> Select[str, int]:
    signs = union_all(_sent(session), _confirmed(session, now)).subquery()
    good, bad = func.sum(signs.c.good), func.sum(signs.c.bad)
    place = LAST - LAST * good / (good + bad + 1)
    return select(signs.c.domain, cast(place, Integer)).group_by(signs.c.domain)


def _sent(session: Session) -> Select[str, int, int]:
    """How our mail fared, by domain."""
    lost = or_(
        Delivery.state == DeliveryState.REFUSED,
        Delivery.bounced_at.is_not(None),
        Subscriber.state == SubscriberState.SUPPRESSED,
    )
    known = Delivery.state.in_((DeliveryState.ACCEPTED, DeliveryState.REFUSED))
    bad = func.sum(case((lost, 1), else_=0))
    return (
        select(
            _domain(session).label("domain"), (func.count() - bad).label("good"), bad.label("bad")
        )
        .join_from(Delivery, Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(and_(known, Subscriber.canonical.is_not(None)))
        .group_by("domain")
    )


def _confirmed(session: Session, now: datetime) -> Select[str, int, int]:
    """Readers who confirmed lately, by domain."""
    lately = Subscriber.confirmed_at > now - LATELY
    return (
        select(
            _domain(session).label("domain"), func.count().label("good"), literal(0).label("bad")
        )
        .where(lately, Subscriber.state == SubscriberState.ACTIVE)
        .group_by("domain")
    )


def _domain(session: Session) -> ColumnElement[str]:
    """What follows the @ of an address, in lower-case A-labels."""
    if session.get_bind().dialect.name == "sqlite":
        at = func.instr(Subscriber.canonical, "@")
        return func.substr(Subscriber.canonical, at + 1)
    return func.split_part(Subscriber.canonical, "@", 2)
