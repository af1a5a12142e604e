"""A new address: its owner confirms it, the old one is told, and nobody learns who else reads."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.errors import FixRequest
from newsletter.models import (
    AddressChange,
    Consent,
    ConsentDetails,
    ConsentEvent,
    Limit,
    Notice,
    NoticeKind,
    NoticeState,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.notices import moving
from newsletter.settings import Settings
from newsletter.subscribers import access, addressing, leaving, preferences, privacy
from newsletter.subscribers.addressing import Result
from newsletter.tokens import Purpose, tokens_of
from tests.subscribers.people import ask, dump, form, kinds, reader, token
from tests.subscribers.test_preferences import plan_delivery

NEW = "Jan.Nieuw@example.be"
CANONICAL = "jan.nieuw@example.be"


def wish(
    session: Session, settings: Settings, someone: Subscriber, now: datetime, email: str = NEW
) -> str:
    """Ask for a new address; the token that is mailed there."""
    addressing.ask(session, settings, someone, email, now)
    session.flush()
    return mailed(settings, someone, now, email)


def mailed(settings: Settings, someone: Subscriber, now: datetime, email: str = NEW) -> str:
    return tokens_of(settings).issue(Purpose.NEW_ADDRESS, someone.id, now, email.lower())


def confirm(session: Session, settings: Settings, link: str, now: datetime) -> Result:
    result = addressing.confirm(session, settings, link, now).result
    session.flush()
    return result


def letter(session: Session, settings: Settings) -> str | None:
    """Why the letter to the new address must not go; None when it may."""
    newest = select(Notice).where(Notice.kind == NoticeKind.NEW_ADDRESS)
    notice = session.scalars(newest.order_by(Notice.id.desc())).first()
    assert notice
    return moving.unwanted(session, settings, notice)


def test_sec_21_nothing_changes_before_the_new_mailbox_confirms(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = wish(session, settings, someone, now)
    assert someone.canonical == "jan@example.be"
    before = dump(session)
    found = addressing.look(session, settings, link, now)
    assert (found.result, found.subscriber, found.email) == (Result.OPEN, someone, NEW)
    assert dump(session) == before, "looking changes nothing (UNS-05)"
    assert kinds(session)[-1] is NoticeKind.NEW_ADDRESS
    assert letter(session, settings) is None


def test_sec_21_the_new_address_is_confirmed_and_the_old_one_told(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    assert confirm(session, settings, wish(session, settings, someone, now), now) is Result.CHANGED
    assert (someone.email, someone.canonical) == (NEW, CANONICAL)
    assert not session.scalars(select(AddressChange)).all()
    notice = session.scalars(select(Notice).order_by(Notice.id.desc())).first()
    assert notice
    assert (notice.kind, notice.email) == (NoticeKind.ADDRESS_CHANGED, "jan@example.be")
    assert "example.be" not in str(notice.facts)
    proof = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert proof
    assert (proof.event, proof.route, proof.facts["address"]) == (
        ConsentEvent.CHANGED,
        "page",
        "changed",
    )
    assert session.get_one(ConsentDetails, proof.id).email == NEW


def test_pressed_again_it_is_changed_already(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = wish(session, settings, someone, now)
    results = [confirm(session, settings, link, now) for _ in range(3)]
    assert results == [Result.CHANGED, Result.ALREADY, Result.ALREADY]
    assert addressing.look(session, settings, link, now).result is Result.ALREADY
    assert kinds(session).count(NoticeKind.ADDRESS_CHANGED) == 1


def test_uns_09_links_of_old_mails_keep_working(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    old = {purpose: token(settings, purpose, someone, now) for purpose in Purpose}
    data = tokens_of(settings).issue(Purpose.DATA, someone.id, now, someone.canonical or "")
    confirm(session, settings, wish(session, settings, someone, now), now)
    assert preferences.find(session, settings, old[Purpose.PREFERENCES]) is someone
    assert leaving.find(session, settings, old[Purpose.UNSUBSCRIBE]) is someone
    assert access.find(session, settings, data, now) is None, "bound to the old mailbox"


def test_in_mid_send_what_is_not_claimed_goes_to_the_new_address(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone, other = (
        reader(session, settings, now),
        reader(session, settings, now, "els@example.be"),
    )
    plan_delivery(session, someone, now)
    confirm(session, settings, wish(session, settings, someone, now), now)
    lease = ledger.take_lease(session, settings, "test", now)
    (row,) = ledger.claim(session, settings, lease, ledger.Claim(5), now).rows
    assert row.email == NEW
    confirm(session, settings, wish(session, settings, someone, now, "derde@example.be"), now)
    opened = ledger.settle_and_open(session.connection(), settings, lease, [], [row.id], now)
    assert opened == {row.id}, "what is claimed goes as it was read"
    assert other.canonical == "els@example.be"


# --- who has the new address already --------------------------------------------------------------


@pytest.mark.parametrize("reason", ["complaint", "never", "staff"])
def test_sec_07_an_address_that_must_not_be_mailed_gets_no_letter_and_cannot_be_confirmed(
    session: Session, settings: Settings, now: datetime, reason: str
) -> None:
    someone = reader(session, settings, now)
    keys = tokens_of(settings)
    suppression.add(session, keys, CANONICAL, SuppressionReason(reason), now)
    link = wish(session, settings, someone, now)
    assert letter(session, settings) == moving.UNWANTED
    assert addressing.look(session, settings, link, now).result is Result.UNKNOWN
    assert confirm(session, settings, link, now) is Result.UNKNOWN
    assert someone.canonical == "jan@example.be"
    assert suppression.is_suppressed(session, keys, CANONICAL)


@pytest.mark.parametrize("reason", ["bounced", "erased"])
def test_an_address_that_bounced_or_was_erased_comes_back_by_confirming(
    session: Session, settings: Settings, now: datetime, reason: str
) -> None:
    someone = reader(session, settings, now)
    keys = tokens_of(settings)
    suppression.add(session, keys, CANONICAL, SuppressionReason(reason), now)
    link = wish(session, settings, someone, now)
    assert letter(session, settings) is None
    assert confirm(session, settings, link, now) is Result.CHANGED
    assert suppression.is_suppressed(session, keys, CANONICAL) is None


def test_sec_07_the_address_of_another_reader_gets_no_letter_and_stays_theirs(
    session: Session, settings: Settings, now: datetime
) -> None:
    other = reader(session, settings, now, NEW)
    someone = reader(session, settings, now)
    link = wish(session, settings, someone, now)
    assert letter(session, settings) == moving.UNWANTED
    assert addressing.look(session, settings, link, now).result is Result.UNKNOWN
    before = dump(session)
    assert confirm(session, settings, link, now) is Result.UNKNOWN
    assert dump(session) == before
    assert other.state is SubscriberState.ACTIVE


@pytest.mark.parametrize("state", ["pending", "left", "suppressed"])
def test_prv_12_the_row_of_who_gets_no_issues_is_emptied_when_the_address_moves(
    session: Session, settings: Settings, now: datetime, state: str
) -> None:
    if state == "pending":
        ask(session, settings, now, form(NEW))
        other = session.scalars(select(Subscriber)).one()
    else:
        other = reader(session, settings, now, NEW)
        if state == "left":
            leaving.leave(session, settings, other, "page", now)
        else:
            privacy.suppress(session, settings, NEW, SuppressionReason.BOUNCED, now)
    someone = reader(session, settings, now)
    assert confirm(session, settings, wish(session, settings, someone, now), now) is Result.CHANGED
    session.refresh(other)
    assert (other.email, other.canonical, other.state) == (None, None, SubscriberState.ERASED)
    theirs = select(Consent.id).where(Consent.subscriber_id == other.id)
    known = select(ConsentDetails).where(ConsentDetails.consent_id.in_(theirs))
    assert not session.scalars(known).all()
    assert someone.canonical == CANONICAL
    assert not suppression.is_suppressed(session, tokens_of(settings), CANONICAL)


def test_sec_07_asking_is_the_same_work_whatever_the_address_is(
    session: Session, settings: Settings, now: datetime
) -> None:
    """One wish and one letter, for the address of a reader, a leaver, nobody, or who complained."""
    reader(session, settings, now, "lezer@example.be")
    gone = reader(session, settings, now, "weg@example.be")
    leaving.leave(session, settings, gone, "page", now)
    keys = tokens_of(settings)
    suppression.add(session, keys, "klacht@example.be", SuppressionReason.COMPLAINT, now)
    someone = reader(session, settings, now)
    for place, name in enumerate(("lezer", "weg", "klacht", "niemand")):
        before = len(kinds(session))
        later = now + place * timedelta(days=1)
        wish(session, settings, someone, later, f"{name}@example.be")
        assert kinds(session)[before:] == [NoticeKind.NEW_ADDRESS]
        row = session.scalars(select(AddressChange)).one()
        assert row.email == f"{name}@example.be"


# --- limits and ends ------------------------------------------------------------------------------


def test_sec_07_the_copy_of_ones_data_does_not_tell_about_the_other_address(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    wish(session, settings, someone, now)
    settled = update(Notice).where(Notice.kind == NoticeKind.NEW_ADDRESS)
    session.execute(settled.values(state=NoticeState.DROPPED, settled_at=now, reply="not wanted"))
    copy = privacy.export(session, settings, someone)
    told = [one for one in copy["notices"] if one["kind"] == "new_address"]
    assert [set(one) for one in told] == [{"kind", "created_at"}]


def test_a_new_wish_replaces_the_one_before(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    first = wish(session, settings, someone, now)
    second = wish(session, settings, someone, now, "derde@example.be")
    assert addressing.look(session, settings, first, now).result is Result.UNKNOWN
    assert confirm(session, settings, first, now) is Result.UNKNOWN
    assert confirm(session, settings, second, now) is Result.CHANGED
    assert someone.email == "derde@example.be"


def test_sec_03_three_wishes_a_day_and_one_letter_a_day_to_an_address(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone, other = (
        reader(session, settings, now),
        reader(session, settings, now, "els@example.be"),
    )
    wish(session, settings, someone, now)
    wish(session, settings, other, now)
    assert kinds(session).count(NoticeKind.NEW_ADDRESS) == 1, "two readers, one address"
    for name in ("a", "b"):
        wish(session, settings, someone, now, f"{name}@example.be")
    with pytest.raises(FixRequest, match="al drie keer"):
        wish(session, settings, someone, now, "c@example.be")
    wish(session, settings, someone, now + timedelta(hours=25))
    assert kinds(session).count(NoticeKind.NEW_ADDRESS) == 4
    names = session.scalars(select(Limit.name)).all()
    assert names
    assert not any("example" in name for name in names)


@pytest.mark.parametrize("email", ["", "geen adres", "JAN@example.be", "jan@"])
def test_a_wrong_address_is_refused_in_a_sentence(
    session: Session, settings: Settings, now: datetime, email: str
) -> None:
    someone = reader(session, settings, now)
    before = dump(session)
    with pytest.raises(FixRequest):
        addressing.ask(session, settings, someone, email, now)
    assert dump(session) == before


def test_sec_08_the_link_ends_and_no_other_works(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    link = wish(session, settings, someone, now)
    last = now + timedelta(days=settings.confirm_days)
    assert addressing.look(session, settings, link, last).result is Result.OPEN
    late = last + timedelta(seconds=1)
    others = [token(settings, purpose, someone, now) for purpose in Purpose]
    wrong = [link[:-1], link + "A", "", mailed(settings, someone, now, "x@example.be"), *others]
    before = dump(session)
    assert confirm(session, settings, link, late) is Result.UNKNOWN
    assert {confirm(session, settings, one, now) for one in wrong} == {Result.UNKNOWN}
    assert dump(session) == before


def test_who_left_changes_no_address(session: Session, settings: Settings, now: datetime) -> None:
    someone = reader(session, settings, now)
    link = wish(session, settings, someone, now)
    leaving.leave(session, settings, someone, "page", now)
    assert confirm(session, settings, link, now) is Result.UNKNOWN
    with pytest.raises(FixRequest):
        addressing.ask(session, settings, someone, NEW, now)


def test_the_letter_goes_only_while_the_wish_is_open(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    wish(session, settings, someone, now)
    session.execute(update(AddressChange).values(canonical="derde@example.be"))
    assert letter(session, settings) == moving.UNWANTED
    session.execute(delete(AddressChange))
    session.expire_all()
    assert letter(session, settings) == moving.UNWANTED


# --- two at once ----------------------------------------------------------------------------------


def at_once(database: Database, *works: object) -> None:
    """Each in a thread and a transaction of its own, started together."""
    barrier = threading.Barrier(len(works))

    def run(work: object) -> None:
        barrier.wait()
        with database.write() as session:
            assert callable(work)
            work(session)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_sec_21_two_presses_at_once_change_once(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        link = wish(session, settings, reader(session, settings, now), now)
    results: list[Result] = []

    def press(session: Session) -> None:
        results.append(confirm(session, settings, link, now))

    at_once(database, press, press)
    assert sorted(results) == [Result.ALREADY, Result.CHANGED]
    with database.read() as session:
        assert kinds(session).count(NoticeKind.ADDRESS_CHANGED) == 1


def test_two_readers_who_want_one_address_get_one_answer_each(
    database: Database, settings: Settings, now: datetime
) -> None:
    """Both open the letter in that mailbox; it becomes the address of one of them."""
    with database.write() as session:
        people = [reader(session, settings, now, f"{name}@example.be") for name in ("jan", "els")]
        links = [wish(session, settings, one, now) for one in people]
    results: list[Result] = []

    def press(link: str) -> object:
        return lambda session: results.append(confirm(session, settings, link, now))

    at_once(database, *map(press, links))
    assert sorted(results) == [Result.CHANGED, Result.UNKNOWN]
    with database.read() as session:
        taken = select(Subscriber.id).where(Subscriber.canonical == CANONICAL)
        assert len(session.scalars(taken).all()) == 1


def test_readers_who_swap_addresses_do_not_wait_for_each_other_for_ever(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        jan = reader(session, settings, now, "jan@example.be")
        els = reader(session, settings, now, "els@example.be")
        links = [
            wish(session, settings, jan, now, "els@example.be"),
            wish(session, settings, els, now, "jan@example.be"),
        ]
    results: list[Result] = []

    def press(link: str) -> object:
        return lambda session: results.append(confirm(session, settings, link, now))

    at_once(database, *map(press, links))
    assert results == [Result.UNKNOWN, Result.UNKNOWN]


def test_somebody_signs_up_with_the_new_address_at_the_same_moment(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        link = wish(session, settings, reader(session, settings, now), now)
    results: list[Result] = []
    at_once(
        database,
        lambda session: results.append(confirm(session, settings, link, now)),
        lambda session: ask(session, settings, now, form(NEW)),
    )
    assert results == [Result.CHANGED]
    with database.read() as session:
        taken = select(Subscriber.state).where(Subscriber.canonical == CANONICAL)
        assert session.scalars(taken).all() == [SubscriberState.ACTIVE]
