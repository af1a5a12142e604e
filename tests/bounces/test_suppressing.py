"""A suppression says why and until when, survives erasure and restore, and can be ended."""

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.bounces import intake
from newsletter.bounces.report import Kind
from newsletter.models import (
    Notice,
    NoticeKind,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import confirming, privacy
from newsletter.suppression import Entry
from newsletter.tokens import Purpose, Tokens, tokens_of
from tests.bounces.world import DAY, World
from tests.subscribers import people

R1 = "r1@voorbeeld.example"
BOUNCED, ERASED = SuppressionReason.BOUNCED, SuppressionReason.ERASED
WHY = "hard 5.1.1 (1): 550 5.1.1 <<address>>: no such user"


def bounced(world: World) -> tuple[Subscriber, Suppression]:
    (reader,) = world.readers()
    (row,) = world.issue(1, world.now)
    world.take(world.bounce(row), at=world.now + DAY)
    return reader, entry(world)


def entry(world: World) -> Suppression:
    found = suppression.about(world.session, tokens_of(world.settings), R1)
    assert found is not None
    return found


def test_it_survives_erasure_with_its_reason(world: World) -> None:
    reader, found = bounced(world)
    privacy.erase(world.session, world.settings, reader, world.now + 2 * DAY)
    assert (found.reason, found.why, found.since) == (BOUNCED, WHY, world.now + DAY)
    assert found.erased_at == world.now + 2 * DAY
    assert R1 not in str(people.dump(world.session))


def test_prv_15_a_restored_reader_is_erased_again_whatever_the_reason(world: World) -> None:
    reader, found = bounced(world)
    newer = Entry(found.address_key, BOUNCED, found.since, WHY, erased_at=world.now)
    suppression.forget(world.session, tokens_of(world.settings), R1)
    reader.state = SubscriberState.ACTIVE  # the backup knows nothing of it
    world.session.flush()
    world.session.expunge(found)
    for _time in range(2):
        privacy.reapply(world.session, world.settings, [newer], world.now)
        assert reader.state is SubscriberState.ERASED
        again = entry(world)
        assert (again.reason, again.why, again.erased_at) == (BOUNCED, WHY, world.now)


def test_prv_15_a_restored_reader_is_blocked_again_with_the_same_words(world: World) -> None:
    reader, found = bounced(world)
    newer = Entry(found.address_key, BOUNCED, found.since, WHY)
    suppression.forget(world.session, tokens_of(world.settings), R1)
    reader.state = SubscriberState.ACTIVE
    world.session.flush()
    world.session.expunge(found)
    privacy.reapply(world.session, world.settings, [newer], world.now)
    assert reader.state is SubscriberState.SUPPRESSED
    assert entry(world).why == WHY


def test_staff_lift_it_with_a_reason_and_a_later_bounce_is_a_new_one(world: World) -> None:
    _reader, found = bounced(world)
    tokens = tokens_of(world.settings)
    privacy.erase(world.session, world.settings, _reader, world.now)
    assert suppression.lift(world.session, tokens, R1, world.now, "their server was broken")
    assert (found.lifted_why, found.erased_at) == ("their server was broken", world.now)
    suppression.add_all(world.session, tokens, BOUNCED, {R1: "hard"}, world.now + 3 * DAY)
    assert (found.reason, found.since, found.why) == (BOUNCED, world.now + 3 * DAY, "hard")
    assert found.lifted_at is found.erased_at is None  # nobody is erased for it


def test_a_reader_whose_mailbox_works_again_comes_back_by_confirming(world: World) -> None:
    reader, found = bounced(world)
    back = world.now + 40 * DAY
    people.ask(world.session, world.settings, back, people.form(R1))
    letter = world.session.scalars(select(Notice).where(Notice.kind == NoticeKind.CONFIRM)).one()
    assert letter.subscriber_id == reader.id
    link = people.token(world.settings, Purpose.CONFIRM, reader, back)
    confirming.confirm(world.session, world.settings, link, back, people.IP, people.AGENT)
    world.session.flush()
    world.session.expire_all()
    assert reader.state is SubscriberState.ACTIVE
    assert (found.lifted_at, found.lifted_why) == (back, "asked again and confirmed")
    (row,) = world.issue(2, back + DAY)
    full = world.bounce(row, Kind.SOFT, status="5.2.2")
    assert world.take(full, at=back + DAY).suppressed == 0  # the past is forgiven


def test_soft_bounces_from_before_coming_back_do_not_count(world: World) -> None:
    (reader,) = world.readers()
    for number in (1, 2):
        (row,) = world.issue(number, world.now + 10 * number * DAY)
        full = world.bounce(row, Kind.SOFT, status="5.2.2")
        world.take(full, at=world.now + 10 * number * DAY)
    reader.confirmed_at = world.now + 25 * DAY
    world.session.flush()
    (row,) = world.issue(3, world.now + 30 * DAY)
    third = world.bounce(row, Kind.SOFT, status="5.2.2")
    assert world.take(third, at=world.now + 30 * DAY).suppressed == 0


@pytest.mark.parametrize("kind", [NoticeKind.NEW_ADDRESS, NoticeKind.ADDRESS_CHANGED])
def test_a_letter_to_another_address_says_nothing_of_the_readers_own(
    world: World, kind: NoticeKind
) -> None:
    (reader,) = world.readers()
    report = world.returned_letter(kind, reader)
    assert world.take(intake.of_report(world.settings, report)).suppressed == 0
    assert suppression.about(world.session, tokens_of(world.settings), R1) is None


def test_many_at_once_are_what_each_would_be(
    session: Session, settings: Settings, now: datetime
) -> None:
    old, tokens = Tokens("an older secret that is long enough"), Tokens(settings.secret_key)
    both = Tokens(settings.secret_key, ("an older secret that is long enough",))
    suppression.add(session, old, "a@x.example", ERASED, now)
    suppression.add(session, tokens, "b@x.example", SuppressionReason.NEVER, now)
    whys = {"a@x.example": "hard 1", "b@x.example": "hard 2", "c@x.example": "says c@x.example"}
    suppression.add_all(session, both, BOUNCED, whys, now + DAY)
    found = {name: suppression.is_suppressed(session, both, f"{name}@x.example") for name in "abc"}
    assert [one and one.reason.value for one in found.values()] == ["bounced", "never", "bounced"]
    words = [(one.why, one.erased_at) for one in found.values() if one]
    assert words == [("hard 1", now), (None, None), ("says <address>", None)]


def test_the_copy_of_ones_data_tells_what_came_back(world: World) -> None:
    reader, _found = bounced(world)
    copy = privacy.export(world.session, world.settings, reader)
    at = (world.now + DAY).isoformat()
    assert copy["setbacks"] == [{"kind": "hard", "issue_number": 1, "at": at}]
    assert copy["suppression"]["why"] == WHY
