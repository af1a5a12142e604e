"""Where issues arrive at our own readers: found in a real IMAP server, or told to be missing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address

import pytest
from sqlalchemy import select

from newsletter.bounces.mailbox import Unreachable
from newsletter.db import Database
from newsletter.jobs import seeds
from newsletter.models import Delivery, Notice, NoticeKind, SeedPlace, Sighting
from newsletter.settings import Settings
from tests.bounces.imap import PASSWORD, ImapServer, running
from tests.bounces.world import World

MAIL = b"Subject: Nummer 1\r\nMessage-ID: <%s>\r\n\r\nDag\r\n"


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with running() as server:
        yield server


@pytest.fixture
def settings(settings: Settings, server: ImapServer) -> Settings:
    """Our own reader is the one user of the server."""
    return replace(
        settings,
        editors=("an@vvsg.example",),
        mail_default_sender=Address(addr_spec="fiabel@nieuws.test"),
        seed_mailboxes=(server.account("INBOX"),),
        seed_passwords=(PASSWORD,),
    )


def sent(database: Database, settings: Settings, number: int, ago: timedelta) -> bytes:
    """An issue, accepted a while ago for a seed and another reader; its Message-ID at the seed."""
    with database.write() as session:
        world = World(session, settings, datetime.now(UTC) - ago)
        if number == 1:
            seed, _other = world.readers(2)
            seed.email = seed.canonical = "boxes@127.0.0.1"
            session.flush()
        rows = world.issue(number, world.now)
        return world.message_id(min(rows, key=by_reader)).encode()


def by_reader(row: Delivery) -> int:
    return row.subscriber_id


def sightings(database: Database) -> dict[int, tuple[SeedPlace, bool]]:
    """By issue: where it was, and whether that is known to the second."""
    with database.read() as session:
        rows = session.scalars(select(Sighting)).all()
        assert {row.provider for row in rows} <= {"127.0.0.1"}
        return {row.issue_number: (row.place, row.seen_at is not None) for row in rows}


def letters(database: Database) -> list[list[dict[str, str]]]:
    with database.read() as session:
        found = session.scalars(select(Notice).where(Notice.kind == NoticeKind.TROUBLE)).all()
        return [letter.facts["places"] for letter in found]


def test_an_issue_is_seen_where_it_arrived_or_told_to_be_missing(
    database: Database, settings: Settings, server: ImapServer
) -> None:
    name = sent(database, settings, 1, timedelta(minutes=5))
    seeds.look(database, settings)
    assert sightings(database) == {}, "it may still come"
    server.fill("INBOX", MAIL % name)
    seeds.look(database, settings)
    assert sightings(database) == {1: (SeedPlace.INBOX, True)}
    assert letters(database) == []
    server.fill("Spam", MAIL % sent(database, settings, 2, timedelta(minutes=5)))
    sent(database, settings, 3, timedelta(hours=3))
    for _time in range(2):
        seeds.look(database, settings)
    assert sightings(database)[2] == (SeedPlace.SPAM, True)
    assert sightings(database)[3] == (SeedPlace.MISSING, False)
    assert letters(database) == [
        [{"provider": "127.0.0.1", "place": "spam"}],
        [{"provider": "127.0.0.1", "place": "missing"}],
    ]
    with server.signed_in() as box:
        assert len(box.uids("UNSEEN")) == 1, "nobody read it yet"


@pytest.mark.sqlite("the rows are the same")
def test_a_mailbox_that_cannot_be_looked_into_is_told_as_that(
    database: Database, settings: Settings
) -> None:
    mine = replace(settings, seed_passwords=("fout-wachtwoord",))
    sent(database, mine, 1, timedelta(minutes=5))
    sent(database, mine, 2, timedelta(hours=3))
    with pytest.raises(Unreachable):
        seeds.look(database, mine)
    assert sightings(database) == {2: (SeedPlace.UNKNOWN, False)}
    assert letters(database) == [[{"provider": "127.0.0.1", "place": "unknown"}]]
