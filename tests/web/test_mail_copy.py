"""View in browser: each edition's copy is what its readers got, and nobody's own."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from newsletter.app import create_app
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.copies import Copies
from newsletter.i18n import LOCALES, translate
from newsletter.issues import intros, publishing
from newsletter.models import Edition
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf, add_reader, shelf
from tests.issues.test_publishing import compiled
from tests.web.conftest import withdraw

__all__ = ["add_reader", "shelf"]  # fixtures
BROWSER = "Lees dit nummer in je browser"
PERSONAL = re.compile(r"https://nieuws\.test/(?:u|[a-z]{2}/preferences)/[\w-]+")
NAME = re.compile(r"/issues/1/mail/[0-9a-f]{16}")
READERS = (("alles", "nl", ()), ("water", "nl", ("water",)), ("jeugd", "fr", ("jeugd",)))


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, content_dir=tmp_path / "content")


@pytest.fixture
def mails(
    database: Database, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> dict[str, EmailMessage]:
    """Three readers, three editions: the mail of each, as it goes over the wire."""
    for slug, topic in (("bron", "water"), ("school", "jeugd"), ("put", "water")):
        shelf.put(slug, topics=topic)
    with database.write() as session:
        for name, locale, topics in READERS:
            add_reader(session, name, topics, locale=locale)
        issue = compiled(session, settings, shelf, now)
        intros.write(session, issue.number, "nl", "Beste *lezer*, welkom.")
        publishing.send(session, settings, issue.number, now)
    made, found = Copies(database, settings, lambda: now), {}
    with database.write() as session:
        lease = ledger.take_lease(session, settings, "test", now)
        rows = ledger.claim(session, settings, lease, ledger.Claim(10), now).rows
    for row in rows:
        lines = made.content(row).split(b"\r\n")  # stuffed with dots (RFC 5321 4.5.2)
        octets = b"\r\n".join(line.removeprefix(b".") for line in lines)
        mail = email.message_from_bytes(octets, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        found[row.email.split("@")[0]] = mail
    return found


@pytest.fixture
def client(settings: Settings, database: Database) -> FlaskClient:
    return create_app(settings, database).test_client(use_cookies=False)


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def browser_link(mail: EmailMessage, locale: str) -> str:
    """The address behind the words, the same in both parts."""
    words = translate(locale, BROWSER)
    (html,) = re.findall(rf'<a href="([^"]+)"[^>]*>{words}</a>', part(mail, "html"))
    text = part(mail, "plain").partition(words)[2].split()[0]
    assert html == text
    return str(html)


@pytest.mark.parametrize(("name", "locale"), [reader[:2] for reader in READERS])
def test_htm_25_view_in_browser_is_the_mail_that_this_reader_got(
    mails: dict[str, EmailMessage], client: FlaskClient, name: str, locale: str
) -> None:
    """Octet for octet, but for the reader's own links, which lead to the front page there."""
    mail = mails[name]
    link = browser_link(mail, locale)
    answer = client.get(link.removeprefix("https://nieuws.test"))
    assert answer.status_code == 200
    mine, home = part(mail, "html"), f"https://nieuws.test/{locale}/"
    assert len(PERSONAL.findall(mine)) == 2
    assert answer.text.strip() == PERSONAL.sub(home, mine).strip()
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "Set-Cookie" not in answer.headers
    assert not PERSONAL.search(answer.text)
    assert ("<em>lezer</em>" in answer.text) is (locale == "nl")


def test_each_edition_has_an_address_of_its_own_and_forwarding_the_issues(
    mails: dict[str, EmailMessage],
) -> None:
    links = {name: browser_link(mails[name], locale) for name, locale, _topics in READERS}
    assert len(set(links.values())) == len(READERS)
    for name, locale, _topics in READERS:
        assert NAME.search(links[name])
        for kind in ("html", "plain"):
            assert f"https://nieuws.test/{locale}/issues/1" in NAME.sub("", part(mails[name], kind))


def test_the_address_says_nothing_of_the_reader(
    mails: dict[str, EmailMessage], database: Database, settings: Settings
) -> None:
    """It is made of what stands in the edition alone."""
    with database.read() as session:
        for edition in session.scalars(select(Edition)):
            assert edition.hash[:16] in edition.html
            assert edition.html.count(edition.hash[:16]) == 1
    link = browser_link(mails["alles"], "nl")
    for secret in ("alles", "voorbeeld", "@"):
        assert secret not in link


@pytest.mark.parametrize("locale", LOCALES)
def test_an_edition_that_nobody_got_is_shown_only_when_it_is_the_whole_issue(
    mails: dict[str, EmailMessage], client: FlaskClient, locale: str
) -> None:
    assert mails
    page = client.get(f"/{locale}/issues/1/mail")
    assert page.status_code == 200
    (name,) = set(NAME.findall(page.text))
    assert client.get(f"/{locale}{name}").text == page.text
    for other in ("0" * 16, "xyz", "A" * 16, "%00", name[-16:] + "0"):
        assert client.get(f"/{locale}/issues/1/mail/{other}").status_code == 404
    assert client.get(f"/{locale}/issues/2/mail/{name[-16:]}").status_code == 404


def test_a_copy_without_what_was_withdrawn_keeps_its_address(
    mails: dict[str, EmailMessage], client: FlaskClient, database: Database, now: datetime
) -> None:
    path = browser_link(mails["alles"], "nl").removeprefix("https://nieuws.test")
    with database.write() as session:
        withdraw(session, "put", now)
    page = client.get(path)
    assert page.status_code == 200
    assert "Een samenvatting van put" not in page.text
    assert "Een samenvatting van bron" in page.text or "bron" in page.text
    assert path in page.text
    assert "ingetrokken op 23 november 2026" in page.text
    for locale in LOCALES:  # also where nobody got the whole issue
        (name,) = set(NAME.findall(client.get(f"/{locale}/issues/1/mail").text))
        assert client.get(f"/{locale}{name}").status_code == 200


def test_the_issue_page_has_the_intro_of_its_language(
    mails: dict[str, EmailMessage], client: FlaskClient
) -> None:
    assert mails
    page = client.get("/nl/issues/1").text
    assert "Beste <em>lezer</em>, welkom." in page
    assert page.index("welkom.") < page.index("<article")
    assert "welkom." not in client.get("/fr/issues/1").text
