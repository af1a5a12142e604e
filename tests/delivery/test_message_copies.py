"""A reader's copy: what is theirs alone, and a real issue as its readers get it."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.db import Database
from newsletter.delivery import message
from newsletter.delivery.copies import Copies
from newsletter.delivery.ledger import Claimed
from newsletter.delivery.message import Content, Gap
from newsletter.errors import FixContent, FixSettings
from newsletter.i18n import LOCALES
from newsletter.issues import publishing
from newsletter.issues.compiler import compile_issue
from newsletter.models import Edition
from newsletter.settings import Settings
from tests import shared
from tests.delivery import keys
from tests.delivery.conftest import add_issue, add_readers
from tests.delivery.keys import verified
from tests.delivery.octets import headers_of, lines_of, received, stuffed


def row(index: int = 1, email: str = "r1@voorbeeld.example", edition: int = 1) -> Claimed:
    return Claimed(
        id=index, issue_number=1, edition_id=edition, subscriber_id=index + 500, email=email
    )


@pytest.fixture
def issued(database: Database, now: datetime) -> Database:
    """A database with issue 1 and its edition."""
    with database.write() as session:
        add_issue(session, now)
    return database


def value_of(raw: bytes, name: str) -> str:
    return dict(headers_of(raw))[name].decode()


def test_fmt_02_message_ids_differ_by_copy_and_stay_at_a_retry(
    issued: Database, settings: Settings, now: datetime
) -> None:
    times = [now, now + timedelta(hours=3)]
    first, later = (Copies(issued, settings, iter([at] * 2000).__next__) for at in times)
    ids = [value_of(first.content(row(index)), "Message-ID") for index in range(1, 1001)]
    assert len(set(ids)) == 1000
    assert value_of(later.content(row(7)), "Message-ID") == ids[6]
    for found in ids:
        assert re.fullmatch(r"<1\.[\w-]{36}@nieuws\.vvsg\.example>", found)


def test_fmt_03_fmt_18_a_copy_names_one_reader_and_its_feedback_id_none(
    issued: Database, settings: Settings, now: datetime
) -> None:
    copies = Copies(issued, settings, lambda: now)
    one, two = (copies.content(row(n, f"r{n}@voorbeeld.example")) for n in (1, 2))
    assert (value_of(one, "To"), value_of(two, "To")) == (
        "r1@voorbeeld.example",
        "r2@voorbeeld.example",
    )
    assert b"r2@" not in one
    assert value_of(one, "Feedback-ID") == value_of(two, "Feedback-ID") == "1:nl:news:fiabel1"
    same = set(lines_of(one)) & set(lines_of(two))
    differing = [line for line in lines_of(one) if line not in same]
    assert [line.split(b":")[0] for line in differing[:3]] == [
        b"To",
        b"Message-ID",
        b"List-Unsubscribe",
    ]
    assert all(re.fullmatch(rb"[\w-]{36}=", line) for line in differing[3:])  # links in the body


def test_fmt_18_feedback_ids_end_with_the_same_sender(settings: Settings, now: datetime) -> None:
    letter = message.letter(
        settings,
        Content("nl", "s", "t", "h"),
        to="jan@x.example",
        message_id="<n@x>",
        now=now,
        kind="confirm",
    )
    assert value_of(letter, "Feedback-ID") == "nl:notice:confirm:fiabel1"


def test_fmt_07_the_date_follows_the_clock_second_by_second(
    issued: Database, settings: Settings
) -> None:
    moments = iter(
        [datetime(2026, 10, 25, 0, 59, 59, 999_999, UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
    )
    copies = Copies(issued, settings, lambda: next(moments))
    dates = [value_of(copies.content(row()), "Date") for _ in range(2)]
    assert dates == ["Sun, 25 Oct 2026 02:59:59 +0200", "Sun, 25 Oct 2026 02:00:00 +0100"]


def test_one_reader_without_smtputf8_is_refused_alone(
    issued: Database, settings: Settings, now: datetime
) -> None:
    copies = Copies(issued, settings, lambda: now)
    theirs = row(2, "jän@voorbeeld.example")
    with pytest.raises(ValueError, match=r"^its address needs SMTPUTF8, which the relay does not"):
        copies.content(theirs)
    raw = copies.content(theirs, utf8=True)
    assert value_of(raw, "To") == "jän@voorbeeld.example"
    others = [line for line in lines_of(raw) if not line.startswith(b"To: ")]
    assert all(line.isascii() for line in others)
    assert copies.content(row()).isascii()


def test_an_edition_nobody_could_get_is_no_readers_fault(
    issued: Database, settings: Settings, now: datetime
) -> None:
    with issued.write() as session:
        session.get_one(Edition, 1).subject = "Num\x01mer"
    with pytest.raises(FixContent, match=r"issue 1 .* control character U\+0001"):
        Copies(issued, settings, lambda: now).content(row())


def test_every_header_and_part_of_a_real_issue_is_legal_and_signed(
    database: Database, settings: Settings, tmp_path: Path, now: datetime
) -> None:
    """Compiled from the items of this repository, in each language, as a reader gets it."""
    signing = keys.signing(replace(settings, return_path="bounce@nieuws.vvsg.example"), tmp_path)
    with database.write() as session:
        for reader, locale in zip(
            add_readers(session, 4, now), ("nl", "fr", "de", "en"), strict=True
        ):
            reader.locale = locale
    with database.write() as session:
        library = shared.shelf(signing)
        issue = compile_issue(session, signing, library, now, "monthly")
        assert issue is not None
        publishing.send(session, signing, issue.number, now)
    with database.read() as session:
        editions = session.query(Edition).all()
    assert {edition.locale for edition in editions} == set(LOCALES)
    copies = Copies(database, signing, lambda: now)
    for edition in editions:
        wire = copies.content(row(edition=edition.id))
        raw = received(wire)
        assert stuffed(raw) == wire
        assert verified(raw)
        assert wire.isascii()
        assert max(map(len, lines_of(raw))) <= 98
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        assert parsed["Subject"] == edition.subject
        text, html = (bytes(part.get_payload(decode=True)) for part in list(parsed.walk())[1:])
        tokens = {
            Gap.UNSUBSCRIBE: re.findall(r"/u/([\w-]{36})>,", value_of(raw, "List-Unsubscribe"))[0],
            Gap.PREFERENCES: re.findall(r"/preferences/([\w-]{36})", text.decode())[0],
        }
        assert text == message.plain(edition.text, tokens).replace("\n", "\r\n").encode()
        assert html == message.plain(edition.html, tokens).replace("\n", "\r\n").encode()


def test_copies_are_not_begun_with_settings_that_cannot_work(
    issued: Database, settings: Settings, now: datetime
) -> None:
    with pytest.raises(FixSettings, match="DKIM_KEY_FILE"):
        Copies(issued, replace(settings, dkim_key_file=Path("/no.pem")), lambda: now)
    with pytest.raises(FixSettings, match="RETURN_PATH"):
        Copies(issued, replace(settings, return_path=f"{'b' * 33}@x.example"), lambda: now)
