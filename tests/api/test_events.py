"""Events: written with what happened, told at least once, in the words of Standard Webhooks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from newsletter import fence
from newsletter.issues import publishing
from newsletter.jobs import telling
from newsletter.models import (
    Endpoint,
    Entry,
    Event,
    EventKind,
    Issue,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.programs import endpoints, events, posting
from newsletter.programs.events import Letter, Result
from newsletter.subscribers import blocking, confirming, leaving, privacy, undoing
from newsletter.subscribers.leaving import Wish
from newsletter.tokens import Purpose, tokens_of
from tests.api.receiver import Receiver, receiver
from tests.web.conftest import Build, World

SUBSCRIBED, LEFT, SENT = EventKind.SUBSCRIBED, EventKind.LEFT, EventKind.ISSUE_SENT
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def site(build: Build) -> World:
    return build(endpoints_inside=True)


def listen(
    world: World, url: str = "https://crm.voorbeeld.be/", *kinds: EventKind, address: bool = False
) -> Endpoint:
    with world.database.write() as session:
        wanted = kinds or tuple(EventKind)
        return endpoints.make(session, url, wanted, NOW, with_address=address, inside=True)


def waiting(world: World) -> list[tuple[EventKind, int | None]]:
    with world.database.read() as session:
        rows = session.scalars(select(Event).order_by(Event.id)).all()
    return [(row.kind, row.subscriber_id or row.issue_number) for row in rows]


def tell(world: World) -> int:
    return telling.tell(world.database, world.settings)


def test_nothing_is_written_while_nobody_wants_to_know(site: World) -> None:
    jan = site.add("jan", SubscriberState.ACTIVE)
    with site.database.write() as session:
        leaving.leave_all(session, site.settings, [Wish(jan.id, "page")], NOW)
    assert waiting(site) == []


def test_who_leaves_confirms_or_comes_back_is_told(site: World) -> None:
    listen(site)
    listen(site, "https://stil.voorbeeld.be/", SENT)
    jan, an = site.add("jan", SubscriberState.ACTIVE), site.add("an", SubscriberState.PENDING)
    moment = datetime.now(UTC)
    with site.database.write() as session:
        leaving.leave_all(
            session, site.settings, [Wish(jan.id, "page"), Wish(an.id, "page")], moment
        )
    assert waiting(site) == [(LEFT, jan.id)], "an never read"
    with site.database.write() as session:
        token = tokens_of(site.settings).issue(Purpose.UNDO, jan.id, moment, jan.canonical or "")
        facts = {"template": "x"}
        undoing.undo(
            session, site.settings, token, moment, locale="nl", ip="", user_agent="", facts=facts
        )
    assert waiting(site)[1:] == [(SUBSCRIBED, jan.id)]
    els = site.add("els", SubscriberState.PENDING)
    token = site.token(Purpose.CONFIRM, els)
    for _twice in range(2):
        with site.database.write() as session:
            confirming.confirm(session, site.settings, token, moment, "", "")
    assert waiting(site)[2:] == [(SUBSCRIBED, els.id)]


def test_who_is_blocked_or_erased_is_a_reader_no_more(site: World) -> None:
    listen(site, "https://crm.voorbeeld.be/", LEFT)
    people = [site.add(name, SubscriberState.ACTIVE) for name in ("a", "b", "c")]
    gone = site.add("d", SubscriberState.LEFT)
    with site.database.write() as session:
        readers = [session.get_one(Subscriber, one.id) for one in (*people, gone)]
        privacy.erase(session, site.settings, readers[0], NOW)
        staff = SuppressionReason.STAFF
        privacy.suppress(session, site.settings, readers[1].email or "", staff, NOW, "belde")
        bounced = SuppressionReason.BOUNCED
        blocking.block(session, site.settings, bounced, {people[2].id: None, gone.id: None}, NOW)
        privacy.erase(session, site.settings, readers[3], NOW)
    assert waiting(site) == [(LEFT, one.id) for one in people]


def test_an_issue_that_is_sent_is_told(issued: World) -> None:
    listen(issued, "https://crm.voorbeeld.be/", SENT)
    with issued.database.write() as session:  # its issue went out from another database
        fence.adopt(session, issued.settings)
    with issued.database.write() as session:
        assert publishing.finish(session, issued.settings, NOW) == [1]
        assert session.get_one(Issue, 1).sent_at == NOW
    assert waiting(issued) == [(SENT, 1)]


def test_what_was_rolled_back_is_not_told(site: World) -> None:
    listen(site)
    jan = site.add("jan", SubscriberState.ACTIVE)
    with site.database.write() as session:
        leaving.leave_all(session, site.settings, [Wish(jan.id, "page")], NOW)
        session.rollback()
    assert waiting(site) == []


@pytest.mark.parametrize("address", [False, True])
def test_a_receiver_verifies_what_it_is_told(site: World, other: Receiver, address: bool) -> None:
    endpoint = listen(site, other.url, address=address)
    jan = site.add("jan", SubscriberState.ACTIVE)
    with site.database.write() as session:
        events.tell(session, LEFT, [jan.id], datetime.now(UTC))
        events.tell(session, SENT, [12], datetime.now(UTC))
    assert tell(site) == 2
    assert waiting(site) == []
    secret = endpoints.secret(tokens_of(site.settings), endpoint)
    told = [Webhook(secret).verify(body, headers) for headers, body in other.got]
    assert told == [json.loads(body) for _headers, body in other.got]
    email = {"email": "jan@voorbeeld.example"} if address else {}
    assert told[0]["data"] == {"subscriber": jan.id, **email}
    assert (told[1]["type"], told[1]["data"]) == ("issue.sent", {"issue": 12})
    assert len({headers["webhook-id"] for headers, _body in other.got}) == 2
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(other.got[0][1] + b" ", other.got[0][0])


def test_after_a_rotation_the_older_secret_verifies_too(site: World, other: Receiver) -> None:
    endpoint = listen(site, other.url)
    older = endpoints.secret(tokens_of(site.settings), endpoint)
    settings = replace(
        site.settings,
        secret_keys=("another key for tests that is long", site.settings.secret_key),
    )
    newer = endpoints.secret(tokens_of(settings), endpoint)
    assert newer != older
    with site.database.write() as session:
        events.tell(session, SENT, [1], datetime.now(UTC))
    telling.tell(site.database, settings)
    [(headers, body)] = other.got
    for secret in (older, newer):
        Webhook(secret).verify(body, headers)


def test_what_is_not_taken_comes_again_later_under_the_same_name(
    site: World, other: Receiver
) -> None:
    listen(site, other.url)
    other.statuses = [500]
    with site.database.write() as session:
        events.tell(session, SENT, [1, 2], datetime.now(UTC))
    assert tell(site) == 0
    assert len(other.got) == 1, "the second waits: the receiver is not well"
    assert tell(site) == 0
    assert len(other.got) == 1, "and rests"
    with site.database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(Endpoint).values(rest_until=past))
        session.execute(update(Event).values(due_at=past))
    assert tell(site) == 2
    names = [headers["webhook-id"] for headers, _body in other.got]
    assert names[2] == names[0], "what was never tried comes first"
    with site.database.read() as session:
        endpoint = session.scalars(select(Endpoint)).one()
    assert (endpoint.failures, endpoint.outcome, endpoint.rest_until) == (0, "204", None)


def test_a_slow_endpoint_leaves_the_others_their_turn(
    site: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, posted = [0.0], list[str]()

    def post(letter: Letter, _now: datetime, *, inside: bool) -> str:
        clock[0] += 14
        posted.append(letter.url[8])
        return "204"

    monkeypatch.setattr(telling, "monotonic", lambda: clock[0])
    monkeypatch.setattr(posting, "post", post)
    monkeypatch.setattr(telling, "AT_ONCE", 1)
    listen(site, "https://a.voorbeeld.be/", LEFT)
    listen(site, "https://b.voorbeeld.be/", LEFT)
    wishes = [Wish(site.add(name, SubscriberState.ACTIVE).id, "page") for name in "vwxyz"]
    with site.database.write() as session:
        leaving.leave_all(session, site.settings, wishes, NOW)
    assert tell(site) == 10
    assert "".join(posted) == "aabbaabbab"


def test_a_redirect_is_not_followed(site: World, other: Receiver) -> None:
    listen(site, other.url)
    other.statuses = [302]
    with site.database.write() as session:
        events.tell(session, SENT, [1], datetime.now(UTC))
    assert tell(site) == 0
    assert len(other.got) == 1


def test_after_two_days_an_endpoint_is_disabled_and_the_log_says_so(site: World) -> None:
    endpoint = listen(site, "https://crm.voorbeeld.be/")
    moment, tries = NOW, 0
    with site.database.write() as session:
        events.tell(session, SENT, [1, 2, 3], moment)
    keys = tokens_of(site.settings)
    disabled = False
    while not disabled:
        with site.database.write() as session:
            letters = events.claim(session, keys, endpoint.id, moment)
        results = [Result(one, "500") for one in letters[:1]]
        with site.database.write() as session:
            disabled = events.settle(session, endpoint.id, results, letters[1:], moment)
            rest = session.get_one(Endpoint, endpoint.id).rest_until
        tries += bool(letters)
        moment = max(moment + timedelta(seconds=5), rest or moment)
        assert tries < 20
    assert timedelta(hours=47) < moment - NOW < timedelta(hours=66)
    assert waiting(site) == []
    with site.database.write() as session:
        events.tell(session, SENT, [4], moment)
    assert waiting(site) == []


def test_410_ends_it_at_once(site: World, other: Receiver) -> None:
    listen(site, other.url)
    other.statuses = [410]
    with site.database.write() as session:
        events.tell(session, SENT, [1], datetime.now(UTC))
    tell(site)
    with site.database.read() as session:
        assert session.scalars(select(Endpoint)).one().disabled_at is not None
        entry = session.scalars(select(Entry)).one()
    assert (entry.actor, entry.action) == ("clock", "endpoint.disable")


def test_two_hosts_share_the_work_and_a_dead_one_leaves_it_to_the_other(site: World) -> None:
    endpoint, keys = listen(site), tokens_of(site.settings)
    with site.database.write() as session:
        events.tell(session, SENT, list(range(1, 16)), NOW)
    with site.database.write() as session:
        first = events.claim(session, keys, endpoint.id, NOW)
    with site.database.write() as session:
        second = events.claim(session, keys, endpoint.id, NOW)
        third = events.claim(session, keys, endpoint.id, NOW)
    assert (len(first), len(second), third) == (10, 5, [])
    late = NOW + events.LEASE
    with site.database.write() as session:
        again = events.claim(session, keys, endpoint.id, late)
    assert {one.name for one in again} <= {one.name for one in (*first, *second)}
    with site.database.write() as session:  # the first host was asleep, not dead
        events.settle(session, endpoint.id, [Result(one, "204") for one in first], [], late)
        left = session.scalar(select(func.count()).select_from(Event))
    assert left == 15, "it settles nothing of another's"
