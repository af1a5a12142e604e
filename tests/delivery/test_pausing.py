"""When a run must not go on like this: what pauses an issue, and what makes it go on by itself."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from newsletter import audit
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.breaker import Breaker
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixSettings, TryLater
from newsletter.issues import publishing
from newsletter.jobs import tasks
from newsletter.models import Delivery, Issue, IssueState, Notice, NoticeKind
from newsletter.settings import Settings
from tests.delivery.conftest import add_issue, add_readers, plan_all, wait_until
from tests.relay import RelayLog, free_port, running


@pytest.fixture
def relay() -> Iterator[RelayLog]:
    """One kind is enough: nothing here depends on PIPELINING."""
    with running() as log:
        yield log


@pytest.fixture
def crowd(database: Database) -> Database:
    """Issue 1 planned for 60 readers."""
    with database.write() as session:
        add_readers(session, 60, utcnow())
        plan_all(session, add_issue(session, utcnow()), utcnow())
    return database


@pytest.fixture
def sensitive(relay_settings: Settings) -> Settings:
    """Twenty messages are enough to judge by; two editors are told."""
    return replace(relay_settings, failure_sample=20, editors=("a@vvsg.example", "b@vvsg.example"))


def issue(database: Database) -> Issue:
    with database.read() as session:
        return session.get_one(Issue, 1)


def troubles(database: Database) -> list[Notice]:
    with database.read() as session:
        return list(session.scalars(select(Notice).where(Notice.kind == NoticeKind.TROUBLE)))


def deliver(database: Database, settings: Settings, *, by_hand: bool = True) -> tasks.Delivered:
    return tasks.deliver(database, settings, by_hand=by_hand)


def test_smt_10_the_circuit_breaker_stops_an_issue_that_is_refused_too_often(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    refused = iter([False, True] * 100)
    relay.script = lambda at, _r: "550 5.7.1 no" if at == "rcpt" and next(refused, False) else None
    done = deliver(crowd, sensitive)
    found = issue(crowd)
    assert (found.state, found.ask_at) == (IssueState.PAUSED, None), "a person has to look"
    assert found.why is not None
    assert found.why.startswith("of the last 20 messages ")
    assert done.paused == [1]
    assert 20 <= len(relay.recipients) < 30
    assert len(troubles(crowd)) == 2
    deliver(crowd, sensitive)
    assert len(relay.recipients) < 30, "it does not go on by itself"
    with crowd.write() as session:
        publishing.resume(session, sensitive, 1, utcnow())
    relay.script = lambda _at, _r: None
    assert deliver(crowd, sensitive).finished == [1]


def test_not_one_of_the_first_taken_is_enough_in_a_small_issue(
    crowd: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _r: "550 5.7.0 no" if at == "rcpt" else None
    assert deliver(crowd, relay_settings).paused == [1]
    assert len(relay.recipients) < 20


def test_one_reader_whose_reply_pauses_the_issue_comes_last_after_resuming(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, r: (
        "550 5.7.26 no" if at == "content" and r.startswith("r1@") else None
    )
    deliver(crowd, sensitive)
    with crowd.write() as session:
        publishing.resume(session, sensitive, 1, utcnow())
    deliver(crowd, sensitive)
    assert len(relay.taken) == 59


def test_a_few_refusals_are_no_reason(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, recipient: (
        "550 5.1.1 no" if at == "rcpt" and "5@" in recipient else None
    )
    assert deliver(crowd, sensitive).finished == [1]


def test_greylisting_is_no_reason(crowd: Database, sensitive: Settings, relay: RelayLog) -> None:
    relay.script = lambda at, _r: "451 4.7.1 Greylisted" if at == "rcpt" else None
    assert deliver(crowd, sensitive).paused == []
    assert len(relay.recipients) == 60


def test_smt_09_a_reply_about_us_pauses_and_tells_the_editors(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _r: "550 5.7.26 <x@y.be> unauthenticated" if at == "content" else None
    assert deliver(crowd, sensitive).paused == [1]
    found = issue(crowd)
    assert (found.state, found.ask_at) == (IssueState.PAUSED, None)
    told = troubles(crowd)
    assert [notice.email for notice in told] == ["a@vvsg.example", "b@vvsg.example"]
    assert told[0].facts["words"].endswith("550 5.7.26 <<address>> unauthenticated")
    with crowd.read() as session:
        assert ledger.counts(session, 1)["pending"] == 60, "nobody is blamed"
    asked = len(relay.recipients)
    deliver(crowd, sensitive)
    assert len(relay.recipients) == asked, "a pause for reputation waits for a person"


def test_a_warning_about_us_is_told_once_a_day_and_sending_goes_on(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, r: (
        "421 4.7.29 no TLS" if at == "content" and r.startswith("r1@") else None
    )
    deliver(crowd, sensitive)
    deliver(crowd, sensitive)
    assert len(troubles(crowd)) == 2
    assert troubles(crowd)[0].facts["paused"] is False
    assert issue(crowd).state is IssueState.SENDING


def test_a_relay_that_is_down_is_asked_with_one_message_and_the_issue_goes_on_by_itself(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    down = replace(sensitive, mail_port=free_port())
    with pytest.raises(TryLater, match="MAIL_SERVER"):
        deliver(crowd, down)
    found = issue(crowd)
    assert found.state is IssueState.PAUSED
    assert found.ask_at is not None
    assert timedelta(seconds=50) < found.ask_at - utcnow() <= timedelta(seconds=60)
    assert troubles(crowd) == [], "no letter could leave either"
    assert deliver(crowd, sensitive, by_hand=False).accepted == 0, "the clock waits"
    _time_passes(crowd)
    deliver(crowd, sensitive, by_hand=False)
    assert len(relay.taken) == 60
    assert issue(crowd).state is IssueState.SENT


def test_that_the_relay_is_gone_and_answers_again_is_written_down_once(
    crowd: Database, sensitive: Settings, relay: RelayLog, caplog: pytest.LogCaptureFixture
) -> None:
    down = replace(sensitive, mail_port=free_port(), relay_rest_seconds=0)
    for _time in range(3):
        with pytest.raises(TryLater):
            deliver(crowd, down, by_hand=False)
    assert "answers again" not in caplog.text
    deliver(crowd, replace(sensitive, relay_rest_seconds=0), by_hand=False)
    assert caplog.text.count("The relay answers again: issue 1 goes on.") == 1
    with crowd.read() as session:
        lines = [line.action for line in audit.found(session) if line.actor == audit.CLOCK]
    assert lines == ["issue.sent", "issue.resume", "issue.pause"]


def test_a_clock_set_back_does_not_keep_the_relay_from_being_asked(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    with pytest.raises(TryLater):
        deliver(crowd, replace(sensitive, mail_port=free_port()))
    with crowd.write() as session:
        session.get_one(Issue, 1).ask_at = utcnow() + timedelta(days=365)
    assert deliver(crowd, sensitive, by_hand=False).accepted == 60


def test_the_breaker_remembers_from_run_to_run(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    """A clock that finds a few rows due at a time, as with DELIVERY_WINDOW."""
    breaker = Breaker(sensitive)
    relay.script = lambda at, _r: "550 5.7.1 no" if at == "rcpt" else None
    with crowd.write() as session:
        later = utcnow() + timedelta(minutes=30)
        session.execute(update(Delivery).where(Delivery.id > 8).values(due_at=later))
    assert tasks.deliver(crowd, sensitive, by_hand=False, breaker=breaker).paused == []
    with crowd.write() as session:
        session.execute(update(Delivery).where(Delivery.id > 8).values(due_at=utcnow()))
    assert tasks.deliver(crowd, sensitive, by_hand=False, breaker=breaker).paused == [1]


def test_a_person_who_delivers_by_hand_does_not_wait(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    with pytest.raises(TryLater):
        deliver(crowd, replace(sensitive, mail_port=free_port()))
    assert deliver(crowd, sensitive).accepted == 60


def test_a_refusing_relay_gets_one_message_on_one_connection(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _r: "451 4.3.0 later" if at == "mail" else None
    with pytest.raises(TryLater):
        deliver(crowd, sensitive)
    # The run may end while some of its connections are still being dialled.
    wait_until(lambda: relay.connections >= sensitive.delivery_connections and not relay.open)
    for _ in range(3):
        relay.connections, before = 0, relay.verbs.count("MAIL")
        _time_passes(crowd)
        deliver(crowd, sensitive, by_hand=False)
        assert (relay.connections, relay.verbs.count("MAIL") - before) == (1, 1)
        assert issue(crowd).ask_at is not None
    relay.script = lambda _at, _r: None
    _time_passes(crowd)
    assert deliver(crowd, sensitive, by_hand=False).finished == [1]


def test_deferrals_pause_an_issue_until_the_relay_takes_mail_again(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _r: "451 4.3.0 no space" if at == "content" else None
    deliver(crowd, sensitive)
    assert issue(crowd).ask_at is not None
    assert len(relay.recipients) < 30
    relay.script = lambda _at, _r: None
    _time_passes(crowd)
    deliver(crowd, sensitive, by_hand=False)
    with crowd.read() as session:
        found = ledger.counts(session, 1)
    assert found["accepted"] + found["deferred"] == 60
    assert found["accepted"] > 30


@pytest.mark.parametrize("reply", ["535 5.7.8 wrong password", "554 5.7.1 go away"])
def test_a_relay_that_refuses_us_at_the_door_blames_nobody_and_stays_resumable(
    crowd: Database, sensitive: Settings, relay: RelayLog, reply: str
) -> None:
    relay.script = lambda at, _r: reply if at == "banner" else None
    with pytest.raises((TryLater, FixSettings)):
        deliver(crowd, sensitive)
    with crowd.read() as session:
        assert ledger.counts(session, 1)["pending"] == 60
    relay.script = lambda _at, _r: None
    assert deliver(crowd, sensitive).finished == [1]


def test_a_stopped_run_gives_the_relay_its_grace_and_no_more(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    """SIGTERM with a relay that never answers again: the run ends, its content is in doubt."""
    stop = threading.Event()

    def script(stage: str, _recipient: str) -> str | None:
        if stage == "content" and len(relay.taken) >= 5:
            stop.set()
            return "silence"
        return None

    relay.script = script
    tasks.deliver(crowd, replace(sensitive, grace_seconds=0), stop=stop)
    with crowd.read() as session:
        found = ledger.counts(session, 1)
    assert found["claimed"] == 0
    assert 1 <= found["in_doubt"] <= 2


def test_the_letter_to_the_editors_says_what_to_do(
    crowd: Database, sensitive: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _r: "550 5.7.26 mend DKIM" if at == "content" else None
    deliver(crowd, sensitive)
    relay.script = lambda _at, _r: None
    assert tasks.drain_notices(crowd, sensitive, threading.Event()) == 2
    (letter,) = relay.got("a@vvsg.example")
    assert b"newsletter issues resume 1" in letter.content
    assert b"550 5.7.26 mend DKIM" in letter.content


@pytest.fixture(autouse=True)
def _nothing_is_left(crowd: Database) -> Iterator[None]:
    yield
    with crowd.read() as session:
        assert not ledger.is_claimed(session)


def _time_passes(database: Database) -> None:
    with database.write() as session:
        found = session.get_one(Issue, 1)
        assert found.ask_at is not None
        found.ask_at -= timedelta(hours=1)
