"""What a report does: once, and only when it proves which message of ours it is about."""

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import func, select

from newsletter import suppression
from newsletter.bounces import intake
from newsletter.bounces.report import Kind, Report
from newsletter.delivery.return_path import ReturnPath
from newsletter.models import (
    Consent,
    ConsentEvent,
    Delivery,
    DeliveryState,
    Lease,
    Notice,
    NoticeKind,
    Setback,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
)
from newsletter.subscribers import consent
from newsletter.tokens import tokens_of
from tests.bounces.world import DAY, World

R1 = "r1@voorbeeld.example"


def entry(world: World, canonical: str = R1) -> Suppression | None:
    return suppression.is_suppressed(world.session, tokens_of(world.settings), canonical)


def states(world: World) -> list[SubscriberState]:
    return list(world.session.scalars(select(Subscriber.state).order_by(Subscriber.id)))


def test_a_hard_bounce_marks_its_delivery_and_ends_the_mail_at_once(world: World) -> None:
    reader, other = world.readers(2)
    first, _second = world.issue(1, world.now)
    counts = world.take(world.bounce(first), at=world.now + DAY)
    assert (counts.reports, counts.suppressed, counts.again, counts.unproven) == (1, 1, 0, 0)
    assert first.state is DeliveryState.ACCEPTED
    assert first.bounced_at == world.now + DAY
    assert (first.status, first.reply) == ("5.1.1", "550 5.1.1 <<address>>: no such user")
    assert (reader.state, reader.left_at) == (SubscriberState.SUPPRESSED, world.now + DAY)
    assert other.state is SubscriberState.ACTIVE
    found = entry(world)
    assert found is not None
    assert found.reason is SuppressionReason.BOUNCED
    assert found.why == "hard 5.1.1 (1): 550 5.1.1 <<address>>: no such user"
    assert suppression.until(found) is suppression.Until.CONFIRMED


def test_what_is_planned_for_who_bounced_is_withdrawn(world: World) -> None:
    world.readers()
    (row,) = world.issue(1, world.now)
    (planned,) = world.issue(2, world.now, state=DeliveryState.PENDING, settled_at=None)
    world.take(world.bounce(row))
    assert planned.state is DeliveryState.WITHDRAWN


def test_replay_counts_once(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now)
    found = world.bounce(row)
    assert world.take(found, found).suppressed == 1
    again = world.take(found, at=world.now + DAY)
    assert (again.again, again.suppressed) == (1, 0)
    assert row.bounced_at == world.now
    assert world.session.scalar(select(func.count()).select_from(Setback)) == 1
    assert reader.left_at == world.now


@pytest.mark.parametrize("damage", ["swapped", "guessed", "message_id", "none"])
def test_smt_13_a_forged_report_moves_nothing(world: World, damage: str) -> None:
    world.readers(2)
    mine, other = world.issue(1, world.now)
    path, message_id = world.verp(other), None
    if damage == "swapped":  # my token, another row
        local, _at, domain = world.verp(mine).partition("@")
        path = f"{local[:9]}{other.id:010x}{local[19:]}@{domain}"
    elif damage == "guessed":
        path = path.replace(path[-20:-12], "00000000")
    elif damage == "message_id":
        token = world.message_id(mine).replace("1.", "2.", 1)
        path, message_id = "bounce@nieuws.test", f"{token[:-30]}AAAA{token[-26:]}"
    else:
        path = "bounce@nieuws.test"
    for kind in (Kind.HARD, Kind.COMPLAINT, Kind.SOFT, Kind.UNSUBSCRIBE):
        report = Report(kind, "5.1.1", recipient=R1, return_path=path, message_id=message_id)
        counts = world.take(intake.of_report(world.settings, report))
        assert counts.suppressed == counts.left == counts.again == 0
        assert counts.unproven == (kind is not Kind.UNSUBSCRIBE)
    assert states(world) == [SubscriberState.ACTIVE] * 2
    assert not world.session.scalar(select(func.count()).where(Delivery.bounced_at.is_not(None)))
    assert entry(world) is None


def test_our_message_id_proves_as_much(world: World) -> None:
    world.readers()
    (row,) = world.issue(1, world.now)
    moved = world.bounce(row, return_path=None, message_id=world.message_id(row))
    assert world.take(moved).suppressed == 1
    assert row.bounced_at == world.now


def test_what_the_transport_says_counts_before_the_message(world: World) -> None:
    world.readers()
    (row,) = world.issue(1, world.now)
    report = Report(Kind.HARD, "5.1.1", return_path="bounce@nieuws.test")
    found = intake.of_report(world.settings, report, f"<{world.verp(row).upper()}>")
    assert world.take(found).suppressed == 1


def test_delayed_and_vacation_change_nothing(world: World) -> None:
    world.readers()
    (row,) = world.issue(1, world.now)
    for kind in (Kind.DELAYED, Kind.AUTO_REPLY):
        counts = world.take(world.bounce(row, kind, status="4.4.1"))
        assert counts.kinds == {kind.value: 1}
        assert counts.suppressed == counts.again == counts.unproven == counts.forwarded == 0
    assert row.bounced_at is None
    assert states(world) == [SubscriberState.ACTIVE]
    assert not world.session.scalar(select(func.count()).select_from(Setback))


def test_what_was_our_own_fault_is_counted_and_blames_nobody(world: World) -> None:
    world.readers()
    for number in range(1, 5):
        (row,) = world.issue(number, world.now + 30 * number * DAY)
        blocked = world.bounce(row, Kind.SOFT, status="5.7.26", ours=True)
        assert world.take(blocked, at=world.now + 30 * number * DAY).suppressed == 0
        assert row.bounced_at is not None
    assert states(world) == [SubscriberState.ACTIVE]


def test_soft_bounces_of_three_issues_over_weeks(world: World) -> None:
    world.readers()
    for number, day in ((1, 0), (2, 7), (3, 14)):
        at = world.now + day * DAY
        (row,) = world.issue(number, at)
        full = world.bounce(row, Kind.SOFT, status="5.2.2", reason="552 5.2.2 mailbox full")
        assert world.take(full, at=at).suppressed == (number == 3)
    found = entry(world)
    assert found is not None
    assert found.why == "soft 5.2.2 (1, 2, 3): 552 5.2.2 mailbox full"


def test_an_issue_that_arrives_forgives_what_came_before(world: World) -> None:
    world.readers()
    for number in range(1, 6):
        at = world.now + 10 * number * DAY
        (row,) = world.issue(number, at)
        if number != 3:
            assert world.take(world.bounce(row, Kind.SOFT, status="5.2.2"), at=at).suppressed == 0
    assert states(world) == [SubscriberState.ACTIVE]
    (row,) = world.issue(6, world.now + 60 * DAY)
    last = world.bounce(row, Kind.SOFT, status="5.2.2")
    assert world.take(last, at=world.now + 60 * DAY).suppressed == 1


def test_a_complaint_ends_it_at_once_as_the_readers_own_word(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now)
    spam = world.bounce(row, Kind.COMPLAINT, status=None, reason=None, feedback_type="abuse")
    assert world.take(spam).suppressed == 1
    assert row.bounced_at is None  # it arrived
    found = entry(world)
    assert found is not None
    assert (found.reason, found.why) == (SuppressionReason.COMPLAINT, "complaint (1)")
    assert suppression.until(found) is suppression.Until.STAFF
    proof = world.session.scalars(select(Consent).where(Consent.subscriber_id == reader.id)).one()
    assert (proof.event.value, proof.route) == ("withdrawn", "complaint")
    assert world.take(world.bounce(row)).suppressed == 0  # nothing softens it
    world.session.refresh(found)
    assert found.reason is SuppressionReason.COMPLAINT


def test_who_came_back_is_not_sent_away_by_an_old_bounce(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now)
    reader.confirmed_at = world.now + DAY
    assert world.take(world.bounce(row), at=world.now + 2 * DAY).suppressed == 0
    assert row.bounced_at is not None
    assert entry(world) is None
    (later,) = world.issue(2, world.now + 3 * DAY)
    assert world.take(world.bounce(later)).suppressed == 1


def test_the_new_address_does_not_pay_for_the_old_one(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now)
    proof = consent.Proof("page", facts={"address": "changed"})
    consent.record(world.session, reader, ConsentEvent.CHANGED, proof, world.now + DAY)
    assert world.take(world.bounce(row)).suppressed == 0
    assert row.bounced_at is not None


def test_a_bounce_that_is_faster_than_the_relays_answer_counts(world: World) -> None:
    world.readers()
    world.session.add(Lease(id=1, owner="x", expires_at=world.now))
    world.session.flush()
    claimed = {"state": DeliveryState.CLAIMED, "lease_id": 1, "opened_at": world.now}
    (row,) = world.issue(1, world.now, **claimed)
    world.take(world.bounce(row))
    assert (row.state, row.bounced_at) == (DeliveryState.CLAIMED, world.now)


def test_a_confirm_letter_that_bounces_blocks_the_address_and_keeps_nobody(world: World) -> None:
    (reader,) = world.readers()
    reader.state, reader.confirmed_at = SubscriberState.PENDING, None
    report = world.returned_letter(NoticeKind.CONFIRM, reader)
    assert world.take(intake.of_report(world.settings, report)).suppressed == 0
    assert entry(world) is not None
    assert reader.state is SubscriberState.PENDING  # and is forgotten as all who do not confirm


def test_erased_readers_leave_nothing_to_block(world: World) -> None:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now)
    reader.email = reader.canonical = None
    reader.state = SubscriberState.ERASED
    world.session.flush()
    assert world.take(world.bounce(row)).suppressed == 0
    assert row.bounced_at == world.now


def test_uns_10_whatever_comes_to_the_address_to_leave_by_lets_its_reader_go(
    world: World,
) -> None:
    reader, other = world.readers(2)
    world.issue(1, world.now)
    paths = ReturnPath(world.settings)
    address = paths.to_leave(paths.leave_token(reader.id).decode())
    assert len(address.partition("@")[0]) <= 64
    for kind in (Kind.UNSUBSCRIBE, Kind.HUMAN, Kind.AUTO_REPLY, Kind.UNKNOWN):
        finding = intake.of_report(world.settings, Report(kind, return_path=address), None, b"x")
        counts = world.take(finding)
        assert counts.left == (kind is Kind.UNSUBSCRIBE)
        assert counts.forwarded == 0
    assert reader.state is SubscriberState.LEFT
    assert other.state is SubscriberState.ACTIVE
    proof = world.session.scalars(select(Consent).where(Consent.subscriber_id == reader.id)).one()
    assert (proof.event.value, proof.route) == ("withdrawn", "mail")


def test_who_asks_to_leave_in_an_answer_to_an_issue_leaves_with_its_number(world: World) -> None:
    reader, _other = world.readers(2)
    row, _ = world.issue(7, world.now)
    asked = Report(Kind.UNSUBSCRIBE, message_id=world.message_id(row))
    assert world.take(intake.of_report(world.settings, asked, None, b"stop")).left == 1
    proof = world.session.scalars(select(Consent).where(Consent.subscriber_id == reader.id)).one()
    assert proof.issue_number == 7


def test_messages_for_people_are_passed_on_once(world: World, now: datetime) -> None:
    for kind, raw in ((Kind.HUMAN, b"a"), (Kind.UNKNOWN, b"b"), (Kind.UNSUBSCRIBE, b"c")):
        finding = intake.of_report(world.settings, Report(kind), None, raw)
        assert world.take(finding, finding).forwarded == 1
        assert world.take(finding).forwarded == 0
    letters = world.session.scalars(select(Notice)).all()
    assert {(one.kind, one.email) for one in letters} == {
        (NoticeKind.REPLY, "redactie@nieuws.test")
    }
    assert len(letters) == 3


def test_a_bounce_that_somebody_quotes_is_read_by_people(world: World) -> None:
    world.readers(2)
    row, _ = world.issue(7, world.now)
    quoted = Report(Kind.HARD, status="5.1.1", written=True)
    assert world.take(intake.of_report(world.settings, quoted, None, b"a")).forwarded == 1
    proven = replace(quoted, message_id=world.message_id(row))
    assert world.take(intake.of_report(world.settings, proven, None, b"b")).forwarded == 0


def test_where_people_read_anyway_nothing_is_passed_on(world: World) -> None:
    world.settings = replace(world.settings, return_path="", reply_to="")
    finding = intake.of_report(world.settings, Report(Kind.HUMAN), None, b"a")
    assert intake.stays(world.settings, [finding])
    counts = world.take(finding)
    assert (counts.forwarded, counts.kept) == (0, 1)


def test_counts_add_up() -> None:
    one = intake.Counts(2, {"hard": 1, "soft": 1}, suppressed=1)
    both = one + intake.Counts(1, {"hard": 1}, forwarded=3)
    assert both == intake.Counts(3, {"hard": 2, "soft": 1}, suppressed=1, forwarded=3)
    assert both.as_dict()["kinds"] == {
        **dict.fromkeys(("delayed", "complaint", "auto_reply", "unsubscribe"), 0),
        **{"hard": 2, "soft": 1, "human": 0, "unknown": 0},
    }
