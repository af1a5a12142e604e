"""An issue of this repository's own items, as two readers of each language get it."""

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import html5lib
import pytest

from newsletter.db import Database
from newsletter.delivery.copies import Copies
from newsletter.delivery.ledger import Claimed
from newsletter.i18n import LOCALES
from newsletter.issues import publishing
from newsletter.issues.compiler import compile_issue
from newsletter.models import Edition
from newsletter.settings import Settings
from tests import shared
from tests.delivery.conftest import add_readers
from tests.delivery.octets import headers_of, lines_of, received

TOKEN = re.compile(rb"(?<=/)[\w-]{36}(?![\w-])")
WAY_OUT = r"https://nieuws\.test/u/[\w-]{36}"
SMALLEST = 13  # pixels: small print that can still be read

pytestmark = pytest.mark.sqlite("the bytes of a mail do not depend on the database")


@dataclass(frozen=True)
class Copy:
    """One reader's mail."""

    locale: str
    raw: bytes

    def header(self, name: str) -> list[str]:
        """Every value of a header, unfolded."""
        return [
            re.sub(r"\r\n[ \t]", " ", value.decode()).strip()
            for found, value in headers_of(self.raw)
            if found.lower() == name.lower()
        ]

    def part(self, kind: str) -> str:
        """The text of its plain or html part."""
        whole = email.message_from_bytes(self.raw, policy=email.policy.default)
        part = whole.get_body((kind,))
        assert part is not None
        return str(part.get_content())


@pytest.fixture
def pairs(database: Database, settings: Settings, now: datetime) -> list[tuple[Copy, Copy]]:
    """For each language the copies of two readers."""
    with database.write() as session:
        for reader, locale in zip(add_readers(session, 4, now), LOCALES, strict=True):
            reader.locale = locale
        library = shared.shelf(settings)
        issue = compile_issue(session, settings, library, now, "monthly")
        assert issue is not None
        publishing.send(session, settings, issue.number, now)
    with database.read() as session:
        editions = session.query(Edition).all()
    assert {edition.locale for edition in editions} == set(LOCALES)
    copies = Copies(database, settings, lambda: now)

    def copy(edition: Edition, reader: int) -> Copy:
        row = Claimed(
            id=reader,
            issue_number=1,
            edition_id=edition.id,
            subscriber_id=reader,
            email=f"r{reader}@voorbeeld.example",
        )
        return Copy(edition.locale, received(copies.content(row)))

    return [(copy(edition, 501), copy(edition, 502)) for edition in editions]


def test_uns_01_11_one_https_address_and_the_field_that_makes_it_one_click(
    pairs: list[tuple[Copy, Copy]],
) -> None:
    """A mailto may stand beside it (RFC 8058 3.1), never alone."""
    for copy in chain(*pairs):
        (address,) = copy.header("List-Unsubscribe")
        assert re.fullmatch(rf"<{WAY_OUT}>(, <mailto:[^<>\s]+>)?", address)
        assert copy.header("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]


def test_uns_07_prv_03_the_way_out_can_be_seen_in_both_parts(
    pairs: list[tuple[Copy, Copy]],
) -> None:
    words = {"nl": "Schrijf je uit", "fr": "désinscrire", "en": "Unsubscribe", "de": "abmelden"}
    for copy in chain(*pairs):
        (address,) = copy.header("List-Unsubscribe")
        link = re.findall(WAY_OUT, address)[0]
        assert link in copy.part("plain")
        page = html5lib.parse(copy.part("html"), namespaceHTMLElements=False)
        ways = [way for way in page.iter("a") if (way.get("href") or "").startswith(link)]
        said = " ".join("".join(way.itertext()) for way in ways)
        assert words[copy.locale].lower() in said.lower()
        for way in ways:
            assert "display:none" not in (way.get("style") or "").replace(" ", "")
            sizes = re.findall(r"font-size:\s*([\d.]+)px", way.get("style") or "")
            assert all(float(size) >= SMALLEST for size in sizes)


def test_prv_08_two_readers_copies_differ_in_their_own_links_only(
    pairs: list[tuple[Copy, Copy]],
) -> None:
    """No pixel, no link that tells who pressed it: what is one's own leads to one's own pages."""
    for one, two in pairs:
        bodies = [copy.raw.split(b"\r\n\r\n", 1)[1] for copy in (one, two)]
        assert len(lines_of(bodies[0])) == len(lines_of(bodies[1]))
        parts = [copy.part("plain") + copy.part("html") for copy in (one, two)]
        mine, theirs = (set(TOKEN.findall(part.encode())) for part in parts)
        assert not mine & theirs
        same = [TOKEN.sub(b"own", part.encode()) for part in parts]
        assert same[0] == same[1]
        for path in re.findall(rb"https://nieuws\.test(\S*?)own", same[0]):
            assert re.fullmatch(rb"/u/|/(nl|fr|en|de)/preferences/", path), path
        pictures = html5lib.parse(one.part("html"), namespaceHTMLElements=False).iter("img")
        for picture in pictures:
            assert not TOKEN.search((picture.get("src") or "").encode())
            assert picture.get("width") not in {"0", "1"}
