"""The loop against a real SMTP server that keeps its own log; the ledger is compared with that."""

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.outcomes import Outcome
from newsletter.delivery.sender import Sender, utcnow
from newsletter.errors import FixContent, TryLater
from newsletter.models import Delivery, DeliveryState, Issue, IssueState, Subscriber
from newsletter.settings import Settings
from newsletter.tokens import Purpose, Tokens, parse
from tests.delivery.conftest import wait_until
from tests.relay import RelayLog


def counts(database: Database) -> dict[str, int]:
    with database.read() as session:
        return ledger.counts(session, 1)


def test_everyone_gets_it_once(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    run = Sender(planned, relay_settings).work()
    assert run.accepted == 25
    assert counts(planned)["accepted"] == 25
    assert len({taken.recipient for taken in relay.taken}) == len(relay.taken) == 25
    assert len({taken.message_id for taken in relay.taken}) == 25
    assert relay.connections <= 2, "connections are kept"
    assert Sender(planned, relay_settings).work().accepted == 0


def test_each_message_carries_its_readers_own_tokens(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    Sender(planned, relay_settings).work()
    (taken,) = relay.got("r7@voorbeeld.example")
    link = taken.content.split(b"List-Unsubscribe: <https://nieuws.test/u/")[1].split(b">")[0]
    claim = parse(link.decode())
    assert claim is not None
    assert Tokens(relay_settings.secret_key).verify(Purpose.UNSUBSCRIBE, claim)
    assert taken.content.count(link) == 3, "header, text and HTML"
    assert b"\r\n.\r\n" in taken.content, "a line with a dot survives"


def test_one_reader_refused_the_rest_go(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    replies = {"r3@voorbeeld.example": "550 5.1.1 no such user <r3@voorbeeld.example>"}
    relay.script = lambda stage, recipient: replies.get(recipient) if stage == "rcpt" else None
    Sender(planned, relay_settings).work()
    found = counts(planned)
    assert (found["accepted"], found["refused"]) == (24, 1)
    with planned.read() as session:
        refused = session.query(Delivery).filter_by(state=DeliveryState.REFUSED).one()
        assert refused.status == "5.1.1"
        assert refused.reply == "550 5.1.1 no such user <<address>>"


@pytest.mark.parametrize("stage", ["rcpt", "content"])
def test_a_temporary_no_defers(
    planned: Database, relay_settings: Settings, relay: RelayLog, stage: str
) -> None:
    relay.script = lambda at, _recipient: "451 4.3.0 later" if at == stage else None
    Sender(planned, replace(relay_settings, failure_share=1)).work()
    assert counts(planned)["deferred"] == 25
    assert relay.taken == []


def test_a_temporary_no_before_any_reader_was_named_blames_nobody(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _recipient: "451 4.3.0 later" if at == "mail" else None
    with pytest.raises(TryLater, match=r"takes no mail now: 451 4\.3\.0 later"):
        Sender(planned, relay_settings).work()
    assert counts(planned)["pending"] == 25
    assert relay.verbs.count("MAIL") <= 9, "it is not asked for each reader"


@pytest.mark.parametrize(("stage", "reply"), [("mail", "252 2.1.0 ok"), ("rcpt", "252 2.1.5 ok")])
def test_only_a_reply_to_the_content_accepts(
    planned: Database, relay_settings: Settings, relay: RelayLog, stage: str, reply: str
) -> None:
    """RFC 5321 4.3.2: any 2xx goes on; it is no acceptance before the content was sent."""
    relay.script = lambda at, _recipient: reply if at == stage else None
    assert Sender(planned, relay_settings).work().accepted == 25
    assert len(relay.taken) == 25


def test_2xx_instead_of_354_accepts_nothing(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _recipient: "250 2.0.0 what content?" if at == "data" else None
    assert Sender(planned, replace(relay_settings, failure_share=1)).work().accepted == 0
    assert counts(planned)["deferred"] == 25


def test_a_relay_that_swallows_its_answers_is_left_alone_soon(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _recipient: "taken, then cut" if at == "content" else None
    with pytest.raises(TryLater):
        Sender(planned, relay_settings).work()
    assert len(relay.taken) <= 7, "not once for every reader"


def test_an_edition_that_cannot_be_made_blames_no_reader(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    sender = Sender(planned, replace(relay_settings, list_id="lijst-é.example"))
    with pytest.raises(FixContent, match="No message of issue 1 can be made"):
        sender.work()
    assert not sender.run.pauses[1].by_itself, "and it does not hold up the other issues"
    assert counts(planned)["pending"] == 25


def test_an_address_that_breaks_every_conversation_is_deferred(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    def script(stage: str, recipient: str) -> str | None:
        return "cut" if stage == "rcpt" and recipient == "r7@voorbeeld.example" else None

    relay.script = script
    settings = replace(relay_settings, delivery_connections=1)
    for _ in range(5):
        with contextlib.suppress(TryLater):
            Sender(planned, settings).work()
    assert counts(planned) == counts(planned) | {"accepted": 24, "deferred": 1, "in_doubt": 0}


def test_354_without_a_recipient_gets_a_lone_dot_and_nobody_gets_an_empty_mail(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    """RFC 2920 3.1: the pipelined DATA of a refused recipient may still get 354."""

    def script(stage: str, recipient: str) -> str | None:
        if recipient == "r3@voorbeeld.example":
            return {"rcpt": "550 5.1.1 unknown", "data": "354 go on"}.get(stage)
        return None

    relay.script = script
    Sender(planned, relay_settings).work()
    assert counts(planned) == counts(planned) | {"accepted": 24, "refused": 1, "in_doubt": 0}
    assert len(relay.taken) == 24
    assert all(b"Nummer 1" in taken.content for taken in relay.taken)


def test_smt_09_a_reply_about_us_blames_nobody_and_ends_the_run(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _recipient: "550 5.7.26 unauthenticated" if at == "content" else None
    run = Sender(planned, relay_settings).work()
    assert not run.pauses[1].by_itself
    assert counts(planned)["pending"] == 25


def test_cut_before_content_is_certainly_not_sent(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    cuts = iter(["cut"])
    relay.script = lambda at, _recipient: next(cuts, None) if at == "rcpt" else None
    run = Sender(planned, relay_settings).work()
    assert run.outcomes[Outcome.UNSENT] == 1
    assert counts(planned) == counts(planned) | {"accepted": 25, "in_doubt": 0}
    assert len(relay.taken) == 25


def test_cut_after_the_dot_is_in_doubt_and_sent_again_with_the_same_message_id(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    cuts = iter(["taken, then cut"])
    relay.script = lambda at, _recipient: next(cuts, None) if at == "content" else None
    run = Sender(planned, relay_settings).work()
    assert run.outcomes[Outcome.IN_DOUBT] == 1
    assert counts(planned) == counts(planned) | {"accepted": 25, "in_doubt": 1}
    assert len(relay.taken) == 26
    assert len({taken.message_id for taken in relay.taken}) == 25
    assert len({taken.recipient for taken in relay.taken}) == 25


def test_a_relay_that_always_breaks_off_is_left_alone(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _recipient: "cut" if at == "mail" else None
    with pytest.raises(TryLater, match="breaks off"):
        Sender(planned, relay_settings).work()
    assert counts(planned) == counts(planned) | {"pending": 25, "in_doubt": 0}


def test_no_relay_at_all_loses_nothing(planned: Database, relay_settings: Settings) -> None:
    with pytest.raises(TryLater, match="MAIL_SERVER"):
        Sender(planned, replace(relay_settings, mail_port=1)).work()
    assert counts(planned) == counts(planned) | {"pending": 25, "in_doubt": 0}


def test_a_message_that_cannot_be_made_is_parked(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    with planned.write() as session:
        session.get_one(Subscriber, 4).email = "a\nb"
    run = Sender(planned, relay_settings).work()
    assert run.parked == 1
    assert counts(planned) == counts(planned) | {"accepted": 24, "refused": 1}


def test_uns_06_leaving_works_in_mid_send(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    """r25 leaves while r1's content is under way: nothing goes to r25."""

    def script(stage: str, recipient: str) -> str | None:
        if stage == "content" and recipient == "r1@voorbeeld.example":
            with planned.write() as session:
                session.execute(text("UPDATE subscribers SET state = 'left' WHERE id = 25"))
                ledger.withdraw(session, 25, utcnow())
        return None

    relay.script = script
    Sender(planned, replace(relay_settings, delivery_connections=1)).work()
    assert relay.got("r25@voorbeeld.example") == []
    assert counts(planned)["withdrawn"] == 1


def test_stop_finishes_what_is_in_flight_without_doubt(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    stop = threading.Event()

    def script(stage: str, recipient: str) -> str | None:
        if stage == "content" and len(relay.taken) == 5:
            stop.set()
        return None

    relay.script = script
    run = Sender(planned, relay_settings, stop=stop).work()
    found = counts(planned)
    assert found["accepted"] == run.accepted == len(relay.taken) < 25
    assert found["claimed"] == found["in_doubt"] == 0
    assert Sender(planned, relay_settings).work().accepted == 25 - run.accepted


@pytest.mark.parametrize("after", [1, 20])
def test_kill_dash_nine_skips_nobody_and_doubles_at_most_a_connection_each(
    planned: Database, relay_settings: Settings, relay: RelayLog, after: int
) -> None:
    """A real process is killed while the relay holds its answer to the content."""
    reached, release = threading.Event(), threading.Event()

    def script(stage: str, recipient: str) -> str | None:
        if stage == "content" and len(relay.taken) >= after and not release.is_set():
            reached.set()
            release.wait(20)
        return None

    relay.script = script
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env=child_environment(relay_settings, relay.port),
        cwd=Path(__file__).parents[2],
    )
    assert reached.wait(20)
    child.kill()
    child.wait(10)
    release.set()
    settings = replace(relay_settings, lease_seconds=1)
    wait_until(lambda: counts(planned)["claimed"] > 0)
    deadline = time.monotonic() + 20
    while counts(planned)["accepted"] < 25 and time.monotonic() < deadline:
        Sender(planned, settings).work()
    recipients = [taken.recipient for taken in relay.taken]
    assert set(recipients) == {f"r{index}@voorbeeld.example" for index in range(1, 26)}
    doubled = {taken.message_id for taken in relay.taken if len(relay.got(taken.recipient)) > 1}
    assert len(recipients) - 25 == len(doubled) <= 2, "one for each connection, same Message-ID"
    assert counts(planned)["in_doubt"] >= len(doubled)


CHILD = """
from newsletter import settings
from newsletter.db import connect
from newsletter.delivery.sender import Sender, utcnow
found = settings.load(LEASE_SECONDS="1", DELIVERY_CONNECTIONS="2")
Sender(connect(found.database_url), found).work()
"""


def child_environment(settings: Settings, port: int) -> dict[str, str]:
    return {
        "SECRET_KEY": settings.secret_key,
        "BASE_URL": settings.base_url,
        "INSTANCE_DIR": str(settings.instance_dir),
        "DATABASE_URL": settings.database_url,
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": str(port),
    }


def test_stopping_an_issue_stops_what_was_claimed_too(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    """`issues stop` while a run holds every row: only contents that were under way go."""

    def script(stage: str, recipient: str) -> str | None:
        if stage == "content" and len(relay.taken) == 3:
            with planned.write() as session:
                session.get_one(Issue, 1).state = IssueState.STOPPED
        return None

    relay.script = script
    Sender(planned, relay_settings).work()
    assert len(relay.taken) <= 3 + 2 * 2
    found = counts(planned)
    assert found["accepted"] == len(relay.taken)
    assert found["pending"] == 25 - len(relay.taken)
    assert found["in_doubt"] == found["claimed"] == 0
    with planned.write() as session:
        session.get_one(Issue, 1).state = IssueState.SENDING
    Sender(planned, relay_settings).work()
    assert counts(planned)["accepted"] == len(relay.taken) == 25


def test_421_to_one_reader_is_about_that_reader(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    """With PIPELINING the relay closes before DATA is answered: its words must not be lost."""
    relay.script = lambda at, r: (
        "421 4.7.28 slower" if at == "rcpt" and r.startswith("r1@") else None
    )
    with planned.write() as session:
        session.get_one(Subscriber, 1).email = "r1@elders.example"
    run = Sender(planned, relay_settings).work()
    assert run.outcomes[Outcome.SLOW_DOWN] == 1
    assert counts(planned) == counts(planned) | {"accepted": 24, "deferred": 1}


def test_a_nul_in_a_reply_is_not_stored(
    planned: Database, relay_settings: Settings, relay: RelayLog
) -> None:
    relay.script = lambda at, _r: "250 2.0.0 queued\0as 1" if at == "content" else None
    assert Sender(planned, relay_settings).work().accepted == 25


def test_a_run_says_goodbye(planned: Database, relay_settings: Settings, relay: RelayLog) -> None:
    Sender(planned, relay_settings).work()
    wait_until(lambda: not relay.open)
    assert relay.verbs.count("QUIT") == relay.connections
