"""Mailboxes, read from a real IMAP server and from Maildirs: nothing lost, nothing twice."""

import itertools
import mailbox
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from newsletter.bounces.mailbox import Spot, Unreachable, opened
from newsletter.bounces.mailbox.imap import ImapBox
from newsletter.bounces.mailbox.mail import PART, Mail
from newsletter.db import Database
from newsletter.jobs import mailboxes
from newsletter.jobs.mailboxes import Postbox
from newsletter.jobs.timetable import Clock
from newsletter.models import Notice, NoticeKind, Reply, Setback
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Maildir, Place
from tests.bounces.imap import PASSWORD, ImapServer, running
from tests.bounces.mails import dsn, person
from tests.bounces.world import BOX, World

HERE = pytest.mark.sqlite("what a message does is tried on both; this is about the mailbox")
FOLDERS = (f"box{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[ImapServer]:
    with running() as server:
        yield server


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(
        settings,
        return_path=BOX,
        reply_to="redactie@nieuws.test",
        editors=("an@vvsg.example", "bo@vvsg.example"),
        bounce_mailbox_password=PASSWORD,
        bounce_mailbox_done="Done",
    )


@pytest.fixture
def paths(database: Database, settings: Settings, now: datetime) -> list[str]:
    """Where mail comes back of an issue that five readers were sent."""
    with database.write() as session:
        world = World(session, settings, now)
        world.readers(5)
        return [world.verp(row) for row in world.issue(1, now)]


def setbacks(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Setback)) or 0


def at(settings: Settings, place: Place | None) -> Settings:
    return replace(settings, bounce_mailbox=place)


def test_what_is_taken_in_goes_to_its_folder(
    database: Database, settings: Settings, paths: list[str], server: ImapServer
) -> None:
    folder = next(FOLDERS)
    nonsense = b"\xff\x00\r\n nonsense"
    mine = at(settings, server.fill(folder, *map(dsn, paths), person(), nonsense))
    done = server.lying_in("Done")
    counts = Postbox(mine).fetch(database)
    assert (counts.reports, counts.suppressed, counts.forwarded) == (7, 5, 2)
    assert (server.lying_in(folder), server.lying_in("Done") - done) == (0, 7)
    assert setbacks(database) == 5
    assert Postbox(mine).fetch(database).reports == 0


@HERE
def test_a_crash_before_it_is_taken_away_counts_nothing_twice(
    database: Database,
    settings: Settings,
    paths: list[str],
    server: ImapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = next(FOLDERS)
    mine = at(settings, server.fill(folder, *map(dsn, paths), person()))
    mine = replace(mine, bounce_mailbox_done="")

    def die(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ImapBox, "take_away", die)
        with pytest.raises(KeyboardInterrupt):
            Postbox(mine).fetch(database)
    assert (server.lying_in(folder), setbacks(database)) == (6, 5)
    counts = Postbox(mine).fetch(database)
    assert (counts.again, counts.suppressed, counts.forwarded) == (5, 0, 0)
    assert (server.lying_in(folder), setbacks(database)) == (0, 5)


def test_two_workers_at_one_mailbox(
    database: Database,
    settings: Settings,
    paths: list[str],
    server: ImapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, together = next(FOLDERS), threading.Barrier(2)
    mine = at(settings, server.fill(folder, *map(dsn, paths)))
    read = ImapBox._read

    def both_read(*arguments: Any) -> Any:
        found = read(*arguments)
        together.wait(30)
        return found

    monkeypatch.setattr(ImapBox, "_read", both_read)
    found = []
    workers = [
        threading.Thread(target=lambda: found.append(Postbox(mine).fetch(database)))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    both = found[0] + found[1]
    assert (both.reports, both.again, both.suppressed) == (10, 5, 5)
    assert server.lying_in(folder) == 0


@HERE
def test_where_people_read_their_mail_stays(
    database: Database, settings: Settings, paths: list[str], server: ImapServer
) -> None:
    folder = next(FOLDERS)
    mine = at(settings, server.fill(folder, person(), dsn(paths[0])))
    box = Postbox(replace(mine, return_path="", reply_to=""))
    counts = box.fetch(database)
    assert (counts.kept, counts.forwarded, server.lying_in(folder)) == (1, 0, 1)
    assert box.fetch(database).reports == 0, "it is known"
    with server.signed_in() as program:
        program.folder.set(folder)
        assert len(program.uids("UNSEEN")) == 1, "nobody read it yet"


@HERE
def test_a_large_message_is_read_in_part_unless_it_is_passed_on(
    database: Database,
    settings: Settings,
    paths: list[str],
    server: ImapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, more = next(FOLDERS), b"\r\n" + b"x" * 70 * 1024
    report, reply = dsn(paths[0]) + 2 * more, person().replace(b"\n", b"\r\n") + 2 * more
    monkeypatch.setattr(mailboxes, "LARGEST", 200 * 1024)
    mine = at(settings, server.fill(folder, report, reply, person() + 4 * more))
    asked, whole = list[int](), ImapBox.whole

    def ask(box: ImapBox, mail: Mail) -> bytes:
        asked.append(mail.size)
        return whole(box, mail)

    monkeypatch.setattr(ImapBox, "whole", ask)
    counts = Postbox(mine).fetch(database)
    assert (counts.kinds["hard"], counts.forwarded) == (1, 2)
    assert asked == [len(reply)]
    assert server.lying_in(folder) == 1, "what is too large to be passed on whole stays"
    with database.read() as session:
        sizes = sorted(len(content or b"") for content in session.scalars(select(Reply.content)))
    assert sizes == [PART, len(reply)]
    assert Postbox(mine).fetch(database).forwarded == 0, "after a restart, too"


@HERE
def test_a_damaged_message_blocks_nothing(
    database: Database,
    settings: Settings,
    paths: list[str],
    server: ImapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = next(FOLDERS)
    mine = at(settings, server.fill(folder, *map(dsn, paths)))
    made = ImapBox.__init__

    def with_a_damaged_message(self: ImapBox, *arguments: Any) -> None:
        made(self, *arguments)
        ask, bad = self._box.client.uid, self._box.uids()[2]

        def refuse(command: str, uids: str, *rest: str) -> Any:
            if command == "FETCH" and bad in uids.split(","):
                return "NO", [b"internal error"]
            return ask(command, uids, *rest)

        self._box.client.uid = refuse  # type: ignore[method-assign,assignment]

    monkeypatch.setattr(ImapBox, "__init__", with_a_damaged_message)
    assert Postbox(mine).fetch(database).suppressed == 4
    assert server.lying_in(folder) == 1


@HERE
def test_a_mailbox_that_numbers_anew_is_read_anew(server: ImapServer) -> None:
    folder = next(FOLDERS)
    spot, known = Spot(server.fill(folder, person()), PASSWORD), set[str]()
    with opened(spot) as box:
        known.update(mail.key for chunk in box.chunks(known) for mail in chunk)
    with server.signed_in() as program:
        program.folder.delete(folder)
    server.fill(folder, person())
    with opened(spot) as box:
        assert len(list(box.chunks(known))) == 1


@HERE
def test_an_unreachable_mailbox_rests_and_the_editors_hear_of_it_once(
    database: Database,
    settings: Settings,
    server: ImapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = server.account("INBOX")
    mine = at(replace(settings, bounce_mailbox_password="fout-wachtwoord"), place)
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    box, stop, failures = Postbox(mine), threading.Event(), 0
    for minute in range(200):
        clock[0] = minute * 60.0
        try:
            box.poll(database, stop)
        except Unreachable as error:
            failures += 1
            said = str(error)
            assert not {"fout-wachtwoord", "boxes"} & set(said.split())
    assert failures == 11, "after 0, 1, 3, 7, 15 and 31 minutes, then each half hour"
    with database.read() as session:
        letters = session.scalars(select(Notice).where(Notice.kind == NoticeKind.TROUBLE)).all()
    assert [letter.email for letter in letters] == list(settings.editors)
    assert "AUTHENTICATIONFAILED" in letters[0].facts["words"]


def test_a_maildir(
    database: Database, settings: Settings, paths: list[str], tmp_path: Path
) -> None:
    folder = mailbox.Maildir(tmp_path / "mail")
    for message in (*map(dsn, paths), person() + b"x" * PART):
        folder.add(message)
    (tmp_path / "mail/tmp/half").write_bytes(b"Subj")
    seen = mailbox.MaildirMessage(dsn(paths[0]))
    seen.set_subdir("cur")
    folder.add(seen)
    mine = at(settings, Maildir(tmp_path / "mail"))
    counts = Postbox(mine).fetch(database)
    assert (counts.reports, counts.again, counts.suppressed, counts.forwarded) == (7, 1, 5, 1)
    assert (len(folder), len(folder.get_folder("Done"))) == (0, 7)
    folder.add(person())
    again = Postbox(replace(mine, bounce_mailbox_done=""))
    assert again.fetch(database).reports == 1
    assert len(mailbox.Maildir(tmp_path / "mail")) == 0
    with pytest.raises(Unreachable, match="cannot be used: No such file or directory"):
        Postbox(at(settings, Maildir(tmp_path / "elsewhere"))).fetch(database)


@HERE
def test_the_clock_reads_the_mailbox(
    database: Database, settings: Settings, paths: list[str], tmp_path: Path
) -> None:
    folder = mailbox.Maildir(tmp_path / "mail")
    folder.add(dsn(paths[0]))
    clock = Clock(at(settings, Maildir(tmp_path / "mail")), database)
    clock.start()
    jobs = {job.id for job in clock._scheduler.get_jobs()}
    clock.guarded(clock.fetch)
    clock.stop()
    assert {"fetch", "look_at_seeds"} <= jobs
    assert (len(folder), setbacks(database)) == (0, 1)
