"""Leases: the right of one process to work its rows, and what happens when it falls silent."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from newsletter import fence
from newsletter.delivery.ledger.rows import changed, doubtful, withdraw_gone
from newsletter.models import Delivery, DeliveryState, Lease
from newsletter.settings import Settings


def take_lease(session: Session, settings: Settings, owner: str, now: datetime) -> int:
    """A new lease; its id is never used again, so a process that slept too long is fenced off."""
    lease = Lease(owner=owner, expires_at=now + timedelta(seconds=settings.lease_seconds))
    session.add(lease)
    session.flush()
    return lease.id


def renew_lease(session: Session, settings: Settings, lease_id: int, now: datetime) -> bool:
    """Say that the process lives; False when the lease was already taken away."""
    expires_at = now + timedelta(seconds=settings.lease_seconds)
    change = update(Lease).where(Lease.id == lease_id).values(expires_at=expires_at)
    return changed(session.execute(change)) == 1


def release_lease(session: Session, settings: Settings, lease_id: int, now: datetime) -> None:
    """Give back what was claimed; what was opened and not settled is in doubt."""
    if not _locked(session, lease_id):
        return
    _give_back(session, settings, Delivery.lease_id == lease_id, now)
    session.execute(delete(Lease).where(Lease.id == lease_id))
    fence.advance_with(session, settings)  # so that no backup of a run is level with its end


def _locked(session: Session, lease_id: int) -> bool:
    """Nobody claims under this lease, or gives it back, until this transaction ends."""
    query = select(Lease.id).where(Lease.id == lease_id).with_for_update()
    return session.scalar(query) is not None


def ran_out(session: Session, settings: Settings, now: datetime) -> list[int]:
    """Leases whose process fell silent.

    An expiry much further ahead than LEASE_SECONDS was written by a clock that was wrong: run out,
    too. As much again is allowed, for clocks that differ and for time spent waiting for a lock.
    """
    furthest = now + timedelta(seconds=2 * settings.lease_seconds)
    silent = or_(Lease.expires_at < now, Lease.expires_at > furthest)
    return list(session.scalars(select(Lease.id).where(silent)))


def others_work(session: Session, settings: Settings, now: datetime) -> bool:
    """Do processes that live hold rows? To be asked by one that holds none itself."""
    silent = ran_out(session, settings, now)
    claimed = select(Delivery.lease_id).where(Delivery.state == DeliveryState.CLAIMED)
    return session.scalar(claimed.where(Delivery.lease_id.not_in(silent)).limit(1)) is not None


def reclaim(session: Session, settings: Settings, now: datetime) -> int:
    """Take over the rows of leases that ran out; returns how many leases."""
    ids = ran_out(session, settings, now)
    for lease_id in ids:
        release_lease(session, settings, lease_id, now)
    return len(ids)


def _give_back(
    session: Session, settings: Settings, rows: ColumnElement[bool], now: datetime
) -> None:
    mine = and_(Delivery.state == DeliveryState.CLAIMED, rows)
    ids = session.scalars(select(Delivery.id).where(mine)).all()
    session.execute(
        update(Delivery)
        .where(mine, Delivery.opened_at.is_not(None))
        .values(**doubtful(settings, now))
    )
    session.execute(
        update(Delivery)
        .where(mine, Delivery.opened_at.is_(None))
        .values(state=DeliveryState.PENDING, lease_id=None)
    )
    withdraw_gone(session, Delivery.id.in_(ids), now)
