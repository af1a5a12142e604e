"""Forwarding: the mail says which link to pass on, and that link is nobody's own."""

import email
import email.policy
import re
from datetime import datetime
from email.message import EmailMessage

import pytest

from newsletter.app import create_app
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.copies import Copies
from newsletter.i18n import LOCALES, translate
from newsletter.issues import publishing
from newsletter.issues.preflight.tree import parse
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import compiled

WORDS = "Wil je dit nummer doorsturen? Geef je collega deze link, zonder jouw gegevens erin:"
TOKEN = re.compile(r"[\w-]{36}")  # or anything as long


def copies(database: Database, settings: Settings, now: datetime) -> list[EmailMessage]:
    """The mail of each reader, as it goes over the wire."""
    made = Copies(database, settings, lambda: now)
    with database.write() as session:
        lease = ledger.take_lease(session, settings, "test", now)
        rows = ledger.claim(session, settings, lease, ledger.Claim(10), now).rows
    mails = []
    for row in rows:
        mail = email.message_from_bytes(made.content(row), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        mails.append(mail)
    return mails


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def forwarded(mail: EmailMessage, locale: str) -> set[str]:
    """The link beside the words about forwarding, in both parts."""
    words = " ".join(translate(locale, WORDS).split())  # French has spaces that do not break
    text = " ".join(part(mail, "plain").split())
    cells = [cell for cell in parse(part(mail, "html")).find("td") if words in cell.text()]
    (way,) = [cell for cell in cells if cell.attributes.get("class", "").startswith("way")]
    (link,) = way.find("a")
    assert link.text() == link.attributes["href"], "it can be copied by hand"
    return {text.partition(words)[2].split()[0], link.attributes["href"]}


@pytest.mark.parametrize("locale", LOCALES)
def test_uns_08_htm_25_what_is_passed_on_is_the_same_for_all_and_nobodys_own(
    database: Database,
    settings: Settings,
    shelf: Shelf,
    add_reader: AddReader,
    now: datetime,
    locale: str,
) -> None:
    shelf.put("bron", locale)
    if locale != "nl":
        shelf.put("bron")
    with database.write() as session:
        for name in ("jan", "els"):
            add_reader(session, name, locale=locale)
        issue = compiled(session, settings, shelf, now)
        publishing.send(session, settings, issue.number, now)
    jan, els = copies(database, settings, now)
    assert part(jan, "plain") != part(els, "plain"), "their own links differ"
    (link,) = forwarded(jan, locale) | forwarded(els, locale)
    assert link == f"https://nieuws.test/{locale}/issues/{issue.number}"
    page = (
        create_app(settings, database).test_client().get(link.removeprefix("https://nieuws.test"))
    )
    assert page.status_code == 200
    assert f'href="/{locale}/signup"' in page.text
    assert "Set-Cookie" not in page.headers
    assert not re.search(r"/(u|preferences|data)/", page.text)
    assert not TOKEN.search(page.text)
