"""The chain over all proofs: sealed once, in order, by however many; and every forgery shows."""

import hashlib
import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.jobs import tasks
from newsletter.jobs.timetable import Clock
from newsletter.models import Consent, ConsentEvent, Seal
from newsletter.settings import Settings
from newsletter.subscribers import chain, consent, privacy
from newsletter.subscribers.consent import CONSENTS, Person
from tests.subscribers.people import AGENT, IP, reader

FORGED = "f" * 64


def write(session: Session, settings: Settings, now: datetime, count: int) -> list[int]:
    """`count` proofs of one reader; the first two are those of signing up. Their ids."""
    subscriber = reader(session, settings, now)
    proof = consent.Proof("page", ip=IP, user_agent=AGENT, facts={"n": [1, "é"]})
    people = [consent.person(session, subscriber)] * (count - 2)
    consent.record_all(session, people, ConsentEvent.CHANGED, proof, now)
    return list(session.scalars(select(Consent.id).order_by(Consent.id)))


def seals(session: Session) -> list[tuple[int, int]]:
    """Number and proof of every link."""
    query = select(Seal.number, Seal.consent_id).order_by(Seal.number)
    return [(row.number, row.consent_id) for row in session.execute(query)]


def row(subscriber_id: int, id: int, now: datetime) -> dict[str, Any]:
    """A proof with an id of its own, as a transaction that commits late brings one."""
    person = Person(subscriber_id, "late@x.be", "nl", "monthly", "")
    made = consent.rows([person], ConsentEvent.IMPORTED, consent.Proof("import"), now)
    return made.consents[0] | {"id": id}


def forge(database: Database, *orders: str) -> None:
    """Change what the database refuses to change, as somebody with full control of it can."""
    raw: Any = database.engine.raw_connection()
    if database.engine.name == "sqlite":
        raw.execute("PRAGMA foreign_keys = OFF")
        triggers = raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        orders = (*(f"DROP TRIGGER {name}" for (name,) in triggers), *orders)
    else:
        raw.cursor().execute("SET session_replication_role = replica")
    for order in orders:
        raw.cursor().execute(order)
    raw.commit()
    raw.invalidate()


def test_an_outsider_computes_the_same_hashes_from_the_documented_format(
    session: Session, settings: Settings, now: datetime
) -> None:
    write(session, settings, now, 4)
    sealed_at = now + timedelta(seconds=41)
    assert chain.seal(session, sealed_at, 0).sealed == 4
    previous = "0" * 64
    rows = session.execute(select(CONSENTS).order_by(CONSENTS.c.id)).mappings().all()
    for number, row in enumerate(rows, start=1):
        link = {
            "consent": {**row, "at": "2026-11-23T09:00:00.000000+00:00"},
            "number": number,
            "previous": previous,
            "sealed_at": "2026-11-23T09:00:41.000000+00:00",
        }
        written = json.dumps(link, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(written.encode()).hexdigest()
        assert session.get_one(Seal, number).hash == previous
    assert chain.verify(session) == chain.Verdict(4, previous, None)


def test_proofs_are_sealed_once_in_batches_in_the_order_of_their_ids(
    session: Session, settings: Settings, now: datetime
) -> None:
    ids = write(session, settings, now, 5)
    first = chain.seal(session, now, 0, 2)
    assert (first.sealed, first.last, first.late) == (2, ids[1], False)
    second = chain.seal(session, now, first.last, 2)
    assert chain.unsealed(session) == 1
    third = chain.seal(session, now, second.last, 2)
    assert (second.sealed, third.sealed) == (2, 1)
    assert chain.seal(session, now, 0).sealed == 0
    assert seals(session) == list(enumerate(ids, start=1))
    assert chain.unsealed(session) == 0
    assert chain.verify(session).number == 5


def test_a_letter_that_no_file_can_hold_does_not_stop_the_sealer(
    session: Session, settings: Settings, now: datetime
) -> None:
    """A relay may send any octets; half a surrogate pair has no UTF-8."""
    someone = reader(session, settings, now)
    proof = consent.Proof("page", facts={"reply": "250 \ud800"})
    consent.record(session, someone, ConsentEvent.CHANGED, proof, now)
    assert chain.seal(session, now, 0).sealed == 3
    told = list[int]()
    assert chain.verify(session, progress=told.append).number == 3
    assert told == [3]


def test_proofs_that_commit_late_are_sealed_too(
    database: Database, settings: Settings, now: datetime
) -> None:
    """An import holds ids for minutes; sign-ups with higher ones are sealed meanwhile."""
    with database.write() as session:
        subscriber = reader(session, settings, now).id
        session.execute(insert(CONSENTS), row(subscriber, 50_000, now))
    assert tasks.seal_consents(database) == 3
    with database.write() as session:
        session.execute(insert(CONSENTS), row(subscriber, 20, now))
    assert tasks.seal_consents(database) == 0, "each minute only the newest ids are looked at"
    assert tasks.seal_consents(database, everything=True) == 1
    with database.write() as session:
        session.execute(insert(CONSENTS), [row(subscriber, id, now) for id in (30, 49_999)])
    assert tasks.seal_consents(database) == 2, "one that came late shows that there may be more"
    with database.read() as session:
        assert [id for _number, id in seals(session)][2:] == [50_000, 20, 49_999, 30]
        assert chain.verify(session).broken is None


def test_the_clock_seals_what_is_new_and_looks_for_what_was_missed(
    database: Database, settings: Settings, now: datetime
) -> None:
    clock = Clock(settings, database)
    with database.write() as session:
        subscriber = reader(session, settings, now).id
        session.execute(insert(CONSENTS), row(subscriber, 50_000, now))
    clock.seal()
    with database.write() as session:
        assert chain.length(session) == 3
        session.execute(insert(CONSENTS), row(subscriber, 20, now))
    clock.seal_missed()
    with database.read() as session:
        assert chain.verify(session).number == 4
    clock.stopping.set()
    clock.seal_missed()  # a process that ends begins no batch


def test_of_two_sealers_one_waits_and_no_proof_is_sealed_twice(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        write(session, settings, now, 4)
    result: list[int] = []
    other = threading.Thread(target=lambda: result.append(tasks.seal_consents(database)))
    with database.write() as session:
        assert chain.seal(session, now, 0, 3).sealed == 3
        other.start()
        wait_until_blocked(database, session)
    other.join(60)
    assert result == [1]
    with database.read() as session:
        assert chain.verify(session).number == 4


def wait_until_blocked(database: Database, session: Session) -> None:
    """PostgreSQL: until the other one waits for us. On SQLite it waits for its turn in any case."""
    if database.engine.name == "sqlite":
        return
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    blocked = threading.Event()
    for _attempt in range(600):
        if session.scalar(waiting):
            return
        blocked.wait(0.05)
    raise AssertionError("the other sealer never waited")


def test_a_sealer_that_keeps_losing_says_so(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import IntegrityError

    tries: list[int] = []

    def lose(*_arguments: object) -> chain.Batch:
        tries.append(1)
        raise IntegrityError("INSERT", {}, Exception("seals.number"))

    monkeypatch.setattr(chain, "seal", lose)
    with pytest.raises(IntegrityError):
        tasks.seal_consents(database)
    assert len(tries) == tasks.LOSSES + 1


SWAP = (
    "UPDATE seals SET consent_id = -1 WHERE number = 2",
    "UPDATE seals SET consent_id = 2 WHERE number = 3",
    "UPDATE seals SET consent_id = 3 WHERE number = 2",
)
PUT_IN = (
    "INSERT INTO consents SELECT 99, subscriber_id, event, at, route, locale, cadence, topics,"
    " wording, wording_hash, source, issue_number, details_hash, origin_hash, facts"
    " FROM consents WHERE id = 2",
    "UPDATE seals SET consent_id = 99 WHERE number = 3",
)


@pytest.mark.parametrize(
    ("orders", "number", "what"),
    [
        (("UPDATE consents SET route = 'page' WHERE id = 1",), 1, "does not fit"),
        (("UPDATE consents SET facts = '{}' WHERE id = 3",), 3, "does not fit"),
        (("DELETE FROM consents WHERE id = 3",), 3, "proof is missing"),
        (("DELETE FROM seals WHERE number = 1",), 1, "link is missing"),
        (("DELETE FROM seals WHERE number = 3",), 3, "link is missing"),
        ((f"UPDATE seals SET hash = '{FORGED}' WHERE number = 4",), 4, "does not fit"),
        (("UPDATE seals SET sealed_at = '2020-01-01 00:00:00+00'",), 1, "does not fit"),
        (SWAP, 2, "does not fit"),
        (PUT_IN, 3, "does not fit"),
        (("UPDATE consent_details SET email = 'x@x.be' WHERE consent_id = 2",), 2, "address"),
        (("UPDATE consent_origins SET ip = '9.9.9.9' WHERE consent_id = 1",), 1, "IP address"),
    ],
)
def test_every_forgery_shows_at_its_first_link(
    database: Database,
    settings: Settings,
    now: datetime,
    orders: tuple[str, ...],
    number: int,
    what: str,
) -> None:
    with database.write() as session:
        assert write(session, settings, now, 4) == [1, 2, 3, 4]
        chain.seal(session, now, 0)
    forge(database, *(_spelled(database, order) for order in orders))
    with database.read() as session:
        verdict = chain.verify(session)
        assert verdict.broken is not None
        assert (verdict.number, verdict.broken.number) == (number - 1, number)
        assert what in verdict.broken.what
        assert chain.verify(session, number - 1).broken is None, "up to there it holds"


def _spelled(database: Database, order: str) -> str:
    """SQLite keeps times without their offset."""
    return order.replace("+00'", ".000000'") if database.engine.name == "sqlite" else order


def test_prv_12_the_chain_holds_after_erasure(
    session: Session, settings: Settings, now: datetime
) -> None:
    someone = reader(session, settings, now)
    chain.seal(session, now, 0)
    before = chain.verify(session)
    privacy.erase(session, settings, someone, now)
    session.flush()
    assert chain.verify(session) == before
    chain.seal(session, now, 0)
    assert chain.verify(session).number == before.number + 1
