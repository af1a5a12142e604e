"""Imports that are broken off, repeated, rehearsed, or meet another one."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import config
from newsletter import suppression
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.models import (
    Consent,
    ConsentDetails,
    Cursor,
    Notice,
    Subscriber,
    SubscriberState,
    SuppressionReason,
    TopicChoice,
)
from newsletter.settings import Settings
from newsletter.subscribers import consent, importing, leaving
from newsletter.subscribers.importing import ImportReport, Order, Refusal, Refusals, report, taking
from newsletter.subscribers.importing.register import Register
from newsletter.tokens import tokens_of
from tests.subscribers.people import ask, dump, form, reader

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HEADER = "email,locale,topics,confirmed_at"
ROWS = [
    f"Reader{number}@domain{number % 7}.example,{('nl', 'fr')[number % 2]},"
    f"{('', 'sdg', 'milieu|sdg')[number % 3]},{'2026-01-01' if number % 4 else ''}"
    for number in range(60)
]
TOPICS = ("sdg", "milieu")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "BATCH", 10)


def take(session: Session, settings: Settings, *lines: str, **values: Any) -> ImportReport:
    order = Order("list", NOW, TOPICS, **values)
    return importing.take_in(session, settings, importing.read(list(lines)), order)


def everybody(session: Session) -> list[tuple[Any, ...]]:
    """All that an import writes about each person, without its numbers."""
    proofs: dict[int, list[tuple[Any, ...]]] = {}
    halves = select(Consent, ConsentDetails).join(ConsentDetails).order_by(Consent.id)
    for proof, details in session.execute(halves):
        assert consent.fits(details.salt, {"email": details.email}, proof.details_hash)
        said = (proof.event, proof.route, proof.source, proof.topics, proof.locale, details.email)
        proofs.setdefault(proof.subscriber_id, []).append(said)
    cursors = {cursor.subscriber_id: cursor.number for cursor in session.scalars(select(Cursor))}
    topics = {choice.id: choice.topics for choice in session.scalars(select(TopicChoice))}
    letters = Counter(session.scalars(select(Notice.subscriber_id)))
    return sorted(
        (
            *(one.canonical, one.email, one.locale, topics[one.topic_choice_id], one.state),
            *(str(one.confirmed_at), proofs[one.id], cursors.get(one.id), letters[one.id]),
        )
        for one in session.scalars(select(Subscriber))
    )


def counts(done: ImportReport) -> tuple[int, int, int, list[Refusal]]:
    return done.added, done.activated, done.unchanged, list(done.refused)


# --- broken off -----------------------------------------------------------------------------------

KILLED = """
import os, pathlib, signal, sys
from newsletter.cli import main
from newsletter.subscribers.importing import taking
from newsletter.subscribers.importing.register import Register

def add(self, entries, add=Register.add):
    add(self, entries)
    self.batches = getattr(self, "batches", 0) + 1
    if self.batches == 4:
        self.session.flush()
        os.kill(os.getpid(), signal.SIGKILL)

Register.add, taking.BATCH = add, 10
main()
"""


def environ(settings: Settings) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "INSTANCE_DIR": str(settings.instance_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
    }


def test_an_import_that_was_killed_is_finished_by_the_same_command(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """A real process, ended by SIGKILL in the middle of its fourth batch."""
    file = tmp_path / "people.csv"
    rows = [row.replace("|sdg", "").replace(",sdg", ",").replace(",milieu", ",") for row in ROWS]
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    words = ["subscribers", "import", str(file), "--source", "list", "--invite"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words], cwd=config.PROJECT_DIR, env=environ(settings)
    )
    assert killed.returncode == -signal.SIGKILL
    with database.read() as session:
        half = everybody(session)
    assert len(half) == 30
    with database.write() as session:
        done = take(session, settings, HEADER, *rows, invite=True)
    assert counts(done) == (30, 0, 30, [])
    with database.read() as session:
        whole = everybody(session)
    assert [one for one in whole if one[0] in {row[0] for row in half}] == half

    with database.write() as session:
        again = take(session, settings, HEADER, *rows, invite=True)
        assert counts(again) == (0, 0, 60, [])
        assert everybody(session) == whole
    written = Counter((one[4], one[7], one[8]) for one in whole)  # state, cursor, letters
    pending, active = (SubscriberState.PENDING, None, 1), (SubscriberState.ACTIVE, 0, 0)
    assert written == {pending: 15, active: 45}


def test_broken_off_by_an_error_it_keeps_whole_batches(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:

        def progress(done: int) -> None:
            session.commit()
            if done == 20:
                raise KeyboardInterrupt

        order, sheet = Order("list", NOW, TOPICS), importing.read([HEADER, *ROWS])
        with pytest.raises(KeyboardInterrupt):
            importing.take_in(session, settings, sheet, order, progress)
    with database.write() as session:
        assert len(everybody(session)) == 20
        assert counts(take(session, settings, HEADER, *ROWS)) == (40, 0, 20, [])


def test_batches_make_no_difference(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who stand twice in the file, in other spellings, with a time of consent or not."""
    lines = [
        "email,confirmed_at",
        "Jan@exämple.be,",
        "piet@example.be,2026-01-01",
        "JAN@xn--exmple-cua.be,2026-02-01",
        "left@example.be,2026-02-01",
        "PIET@Example.BE,",
        "jan@EXÄMPLE.be,2026-03-01",
        "Left@example.be,",
    ]
    found = []
    for size in (1, 2, 3, 10):
        monkeypatch.setattr(taking, "BATCH", size)
        session = Session(database.engine)
        leaving.leave(
            session, settings, reader(session, settings, NOW, "left@example.be"), "x", NOW
        )
        done = take(session, settings, *lines, invite=True)
        left = "this person left; only they can come back, by signing up."
        assert counts(done) == (2, 1, 2, [Refusal(5, left), Refusal(8, left)])
        rows = everybody(session)
        found.append([row for row in rows if not row[0].startswith("left")])
        session.rollback()
        session.close()
    first, *others = found
    assert all(other == first for other in others)
    assert [row[5][:10] for row in first] == ["2026-01-31", "2025-12-31"]


# --- rehearsed ------------------------------------------------------------------------------------


def test_a_dry_run_says_what_the_run_does_and_writes_nothing(
    session: Session, settings: Settings
) -> None:
    tokens = tokens_of(settings)
    ask(session, settings, NOW, form("reader1@domain1.example"), form("reader4@domain4.example"))
    leaving.leave(session, settings, reader(session, settings, NOW, "gone@example.be"), "x", NOW)
    reader(session, settings, NOW, "reader2@domain2.example")
    suppression.add(session, tokens, "reader3@domain3.example", SuppressionReason.NEVER, NOW)
    wrong = [
        "gone@example.be,,,2026-01-01",
        "nobody,,,",
        *ROWS[20:40],
        "Reader0@domain0.example,,,2026-01-01",
    ]
    lines = [HEADER, *ROWS, *wrong]
    before = dump(session)
    rehearsed = [take(session, settings, *lines, dry_run=True, invite=True) for _twice in range(2)]
    assert dump(session) == before
    done = take(session, settings, *lines, invite=True)
    assert [counts(one) for one in rehearsed] == [counts(done)] * 2
    assert (done.added, done.activated, len(done.refused)) == (56, 2, 3)
    assert (rehearsed[0].dry_run, done.dry_run) == (True, False)


@pytest.mark.sqlite("it has one write lock, which others need")
def test_a_dry_run_keeps_nobody_from_writing(database: Database, settings: Settings) -> None:
    with database.read() as session, database.write() as other:
        ask(other, settings, NOW)
        done = take(session, settings, HEADER, *ROWS, dry_run=True)
        other.commit()
    assert done.added == 60


# --- beside others --------------------------------------------------------------------------------


def test_two_imports_at_once_add_everybody_once(database: Database, settings: Settings) -> None:
    """PostgreSQL lets both look before either writes; SQLite lets the second wait."""
    done, together = [], threading.Barrier(2, timeout=30)

    def run() -> None:
        with database.write() as session:

            def progress(_rows: int) -> None:
                session.commit()

            if database.engine.name == "postgresql":
                together.wait()
            order, sheet = Order("list", NOW, TOPICS), importing.read([HEADER, *ROWS])
            done.append(importing.take_in(session, settings, sheet, order, progress))

    threads = [threading.Thread(target=run) for _twice in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.added for one in done) == 60
    assert sum(one.unchanged for one in done) == 60
    with database.read() as session:
        assert len(everybody(session)) == 60


def test_somebody_who_signs_up_at_that_moment_is_met(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the writing, which only PostgreSQL allows: the batch is done again."""
    signed_up: list[bool] = []

    def add(register: Register, entries: Any, add: Any = Register.add) -> None:
        if not signed_up and database.engine.name == "postgresql":
            with database.write() as other:
                ask(other, settings, NOW, form("reader1@domain1.example"))
            signed_up.append(True)
        add(register, entries)

    if database.engine.name == "sqlite":
        with database.write() as other:
            ask(other, settings, NOW, form("reader1@domain1.example"))
    monkeypatch.setattr(Register, "add", add)
    with database.write() as session:
        assert counts(take(session, settings, HEADER, *ROWS)) == (59, 1, 0, [])
    with database.read() as session:
        someone = session.scalars(
            select(Subscriber).where(Subscriber.canonical == "reader1@domain1.example")
        ).one()
        assert someone.state is SubscriberState.ACTIVE


def test_sign_ups_after_an_import_get_numbers_of_their_own(
    session: Session, settings: Settings
) -> None:
    take(session, settings, HEADER, *ROWS)
    reader(session, settings, NOW)
    assert len(everybody(session)) == 61
    take(session, settings, HEADER, "new@example.be,,,2026-01-01")
    assert len(everybody(session)) == 62


# --- much -----------------------------------------------------------------------------------------


def test_newcomers_start_at_the_newest_number(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger.planning, "newest_number", lambda _session: 42)
    take(session, settings, HEADER, *ROWS)
    assert {one[7] for one in everybody(session)} == {42, None}


def test_uns_14_among_many_only_the_suppressed_stay_out(
    session: Session, settings: Settings
) -> None:
    tokens = tokens_of(settings)
    for number in (0, 11, 59):
        canonical = ROWS[number].partition(",")[0].lower()
        suppression.add(session, tokens, canonical, SuppressionReason.BOUNCED, NOW)
    suppression.lift(session, tokens, "reader11@domain4.example", NOW, "mistake")
    done = take(session, settings, HEADER, *ROWS)
    reason = "this address must not be mailed."
    assert counts(done) == (58, 0, 0, [Refusal(2, reason), Refusal(61, reason)])


def test_refusals_are_kept_small_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PACK", 3)
    refusals = Refusals()
    refusals.add([Refusal(3, "b c"), Refusal(2, "a")])
    refusals.add(Refusal(line, "é 'x'") for line in range(4, 12))
    assert [row.line for row in refusals] == list(range(2, 12))
    assert len(refusals) == 10
    assert list(refusals)[1] == Refusal(3, "b c")
    assert list(refusals)[-1].reason == "é 'x'"
    assert refusals != Refusals()


@pytest.mark.sqlite("its limits are settings of a connection")
def test_a_site_that_imports_goes_on_with_the_limits_it_had(
    session: Session, settings: Settings
) -> None:
    def limits() -> list[Any]:
        ask = session.connection().exec_driver_sql
        return [ask(f"PRAGMA {name}").scalar() for name in ("cache_size", "wal_autocheckpoint")]

    before = limits()
    take(session, settings, HEADER, *ROWS)
    assert limits() == before
