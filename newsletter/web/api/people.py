"""Subscribers and suppressions for programs: what the desk does, by the same functions."""

import csv
import io
from datetime import datetime

from newsletter import addresses, suppression
from newsletter.errors import FixRequest
from newsletter.models import Subscriber, SubscriberState, SuppressionReason
from newsletter.subscribers import consent, importing, leaving, listing, preferences, privacy
from newsletter.tokens import tokens_of
from newsletter.web.api import shapes
from newsletter.web.api.calls import Call, on_offer
from newsletter.web.api.problems import Problem
from newsletter.web.page import state

COLUMNS = ("email", "locale", "topics", "cadence", "confirmed_at")


def subscribers(call: Call) -> shapes.Subscribers:
    """A page of them."""
    [last] = call.after(int) or [0]
    rows = listing.after(call.session, last, call.query.limit + 1)
    shown, following = call.page(rows, lambda row: [row.id])
    return shapes.Subscribers(data=list(map(_shape, shown)), next=following)


def subscriber(call: Call, id: int) -> shapes.Subscriber:
    """One of them."""
    found = listing.one(call.session, id)
    if found is None:
        raise _unknown(id)
    return _shape(found)


def find(call: Call) -> shapes.Subscribers:
    """Who has an address: one, or nobody."""
    found = preferences.find_by_address(call.session, call.body.email)
    row = listing.one(call.session, found.id) if found else None
    return shapes.Subscribers(data=[_shape(row)] if row else [], next=None)


def add(call: Call) -> shapes.Taken:
    """Take somebody in as an import of one row: nobody becomes active without proof, and who left
    or must not be mailed stays so."""
    sent, settings = call.body, state().settings
    if sent.confirmed_at and sent.confirmed_at > call.now:
        error = {"detail": "lies in the future", "pointer": "/confirmed_at"}
        raise Problem(422, "Nobody can have confirmed in the future.", [error])
    report = importing.import_csv(
        call.session,
        settings,
        _lines(sent),
        source=sent.source,
        now=call.now,
        invite=sent.invite,
        topics_known=on_offer()["topics"],
    )
    for refusal in report.refused:
        raise FixRequest(refusal.reason[:1].upper() + refusal.reason[1:])
    made = preferences.find_by_address(call.session, sent.email)
    if made is None:
        raise FixRequest("This address could not be taken in.")
    call.session.refresh(made)
    changed = bool(report.added or report.activated)
    if changed:
        facts = {"confirmed": made.state is SubscriberState.ACTIVE}
        call.record("subscriber.add", f"subscriber {made.id}", facts)
    return shapes.Taken(id=made.id, state=made.state, changed=changed)


def leave(call: Call, id: int) -> shapes.Taken:
    """End a subscription."""
    found = call.session.get(Subscriber, id)
    if found is None:
        raise _unknown(id)
    why = consent.nameless(call.body.why, found.email or "")
    left = leaving.leave(call.session, state().settings, found, "api", call.now, reason=why)
    if left.changed:
        call.record("subscriber.leave", f"subscriber {id}")
    return shapes.Taken(id=id, state=left.subscriber.state, changed=left.changed)


def suppressions(call: Call) -> shapes.Suppressions:
    """A page of them."""
    last = call.after(str, str)
    before = (datetime.fromisoformat(last[0]), last[1]) if last else None
    rows = suppression.page(call.session, before, call.query.limit + 1)
    shown, following = call.page(rows, lambda row: [row.since.isoformat(), row.address_key])
    data = [
        shapes.Suppression(
            key=row.address_key[:16],
            reason=row.reason,
            since=row.since,
            why=row.why,
            lifted_at=row.lifted_at,
            lifted_why=row.lifted_why,
        )
        for row in shown
    ]
    return shapes.Suppressions(data=data, next=following)


def suppress(call: Call) -> shapes.Suppressed:
    """Never mail an address."""
    sent, staff = call.body, SuppressionReason.STAFF
    privacy.suppress(call.session, state().settings, sent.email, staff, call.now, sent.why)
    call.record("suppression.add", _named(sent.email))
    return shapes.Suppressed(suppressed=True)


def lift(call: Call) -> shapes.Suppressed:
    """Allow an address again."""
    sent, tokens = call.body, tokens_of(state().settings)
    canonical = addresses.parse(sent.email).canonical
    why = consent.nameless(sent.why, canonical)
    if not suppression.lift(call.session, tokens, canonical, call.now, why):
        raise FixRequest("This address is not suppressed.")
    call.record("suppression.lift", _named(sent.email))
    return shapes.Suppressed(suppressed=False)


def _shape(row: listing.Row) -> shapes.Subscriber:
    return shapes.Subscriber.model_validate(row)


def _lines(sent: shapes.NewSubscriber) -> list[str]:
    """The row of a file that an import would read."""
    confirmed = sent.confirmed_at.isoformat() if sent.confirmed_at else ""
    text = io.StringIO()
    csv.writer(text).writerows(
        [COLUMNS, [sent.email, sent.locale, "|".join(sent.topics), sent.cadence or "", confirmed]]
    )
    return text.getvalue().splitlines(keepends=True)


def _named(email: str) -> str:
    """A suppression, by the beginning of its keyed hash."""
    canonical = addresses.parse(email).canonical
    return f"suppression {tokens_of(state().settings).address_key(canonical)[:16]}"


def _unknown(id: int) -> Problem:
    return Problem(404, f"There is no subscriber {id}.")
