"""The inbox: everything that was caught can be read, and nothing in it can do harm."""

import dataclasses
import re
from email.message import EmailMessage

import pytest
from flask.testing import FlaskClient

from newsletter.app import create_app
from newsletter.catcher import FOLDER, Store
from newsletter.db import Database
from newsletter.i18n import LOCALES
from newsletter.settings import Settings
from newsletter.web import inbox


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.instance_dir / FOLDER)


@pytest.fixture
def client(settings: Settings, database: Database) -> FlaskClient:
    return create_app(settings, database).test_client()


def put(store: Store, subject: str = "Nieuws", to: str = "lezer@voorbeeld.example") -> str:
    message = EmailMessage()
    message["From"] = "Fiabel <fiabel@nieuws.example>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("De tekst <b>van</b> de mail.")
    page = (
        "<html><head><title>x</title></head><body><script>boe()</script><p>Hallo</p></body></html>"
    )
    message.add_alternative(page, subtype="html")
    return store.add("terug@nieuws.example", [to], message.as_bytes())


def put_plain(store: Store) -> str:
    return store.add("", ["a@b.example"], b"Subject: =?utf-8?q?caf=C3=A9?=\r\n\r\nalleen tekst")


def test_lists_the_newest_first(client: FlaskClient, store: Store) -> None:
    put(store, "eerste brief")
    put(store, "tweede brief")
    page = client.get("/inbox/").text
    assert page.index("tweede brief") < page.index("eerste brief")
    assert "2 mails, de nieuwste eerst" in page


def test_pages_through_many(client: FlaskClient, store: Store) -> None:
    for number in range(inbox.PER_PAGE + 1):
        put(store, f"brief-{number:03}")
    first, second = client.get("/inbox/").text, client.get("/inbox/?page=2").text
    assert "brief-050" in first
    assert "brief-000" not in first
    assert "brief-000" in second
    assert "Bladzijde 2 van 2" in second
    assert client.get("/inbox/?page=nonsense").status_code == 200
    assert client.get("/inbox/?page=-3").status_code == 200
    for beyond in ("3", "99999999999999999999", "9" * 5000):
        page = client.get(f"/inbox/?page={beyond}")
        assert page.status_code == 200
        assert re.search("Bladzijde [12] van 2", page.text)


def test_filters_by_recipient(client: FlaskClient, store: Store) -> None:
    put(store, "voor An", "an@voorbeeld.example")
    put(store, "voor Bo", "bo@voorbeeld.example")
    page = client.get("/inbox/?to=AN@").text
    assert "voor An" in page
    assert "voor Bo" not in page
    assert "Er is geen mail aan dit adres." in client.get("/inbox/?to=cleo").text


def test_an_empty_inbox_says_how_to_fill_it(client: FlaskClient) -> None:
    assert "Er is nog geen mail." in client.get("/inbox/").text


def test_shows_a_message_with_headers_text_and_frame(client: FlaskClient, store: Store) -> None:
    key = put(store, "Comé <3")
    page = client.get(f"/inbox/{key}").text
    assert "Comé &lt;3" in page
    assert "De tekst &lt;b&gt;van&lt;/b&gt; de mail." in page
    assert "<dt>Content-Type</dt>" in page
    assert "terug@nieuws.example" in page
    assert f'src="/inbox/{key}/html"' in page
    assert "boe()" not in page


def test_a_message_without_html_has_no_frame(client: FlaskClient, store: Store) -> None:
    key = put_plain(store)
    page = client.get(f"/inbox/{key}")
    assert "<iframe" not in page.text
    assert "café" in page.text
    assert client.get(f"/inbox/{key}/html").status_code == 404


def test_the_html_is_locked_in_and_its_links_open_outside(
    client: FlaskClient, store: Store
) -> None:
    answer = client.get(f"/inbox/{put(store)}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert '<head><base target="_blank">' in answer.text


def test_the_page_of_a_message_may_frame_only_itself(client: FlaskClient, store: Store) -> None:
    policy = client.get(f"/inbox/{put(store)}").headers["Content-Security-Policy"]
    assert "frame-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_source_is_what_came(client: FlaskClient, store: Store) -> None:
    key = put(store)
    message = store.open(key)
    assert message is not None
    answer = client.get(f"/inbox/{key}/source")
    assert answer.data == message.source
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("key", ["nothing", "..%2fsecret_key", "%2e%2e", "..\\x", "0" * 20])
@pytest.mark.parametrize("view", ["", "/html", "/source"])
def test_no_other_file_can_be_read(client: FlaskClient, store: Store, key: str, view: str) -> None:
    put(store)
    assert client.get(f"/inbox/{key}{view}").status_code == 404


@pytest.mark.parametrize("path", ["/inbox/", "/inbox/{key}", "/inbox/{key}/html"])
def test_only_reading_is_possible(client: FlaskClient, store: Store, path: str) -> None:
    path = path.format(key=put(store))
    for method in (client.post, client.put, client.delete, client.patch):
        assert method(path).status_code == 405
    assert store.count() == 1


def test_production_has_no_inbox(settings: Settings, database: Database, store: Store) -> None:
    key = put(store)
    production = dataclasses.replace(
        settings, newsletter_env="production", mail_server="mail.nieuws.example"
    )
    client = create_app(production, database).test_client()
    assert client.get("/inbox/").status_code == 404
    assert client.get(f"/inbox/{key}").status_code == 404


@pytest.mark.parametrize("locale", LOCALES)
def test_speaks_the_language_of_the_browser(client: FlaskClient, store: Store, locale: str) -> None:
    key = put(store)
    names = {"nl": "Testpostvak", "fr": "Boîte de test", "en": "Test inbox", "de": "Testpostfach"}
    page = client.get("/inbox/", headers={"Accept-Language": locale})
    assert names[locale] in page.text
    assert f'<html lang="{locale}">' in page.text
    headers = {"fr": "En-têtes", "en": "Headers", "de": "Kopfzeilen", "nl": "Kopregels"}
    page = client.get(f"/inbox/{key}", headers={"Accept-Language": locale})
    assert headers[locale] in page.text
