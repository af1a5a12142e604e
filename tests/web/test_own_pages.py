"""The pages that a mail may link to (`links.PAGES`) and those of the site are the same ones."""

import inspect
import re

import pytest
from flask import Flask

from newsletter.app import create_app
from newsletter.db import Database
from newsletter.i18n import LOCALES
from newsletter.links import Links, page_at
from newsletter.settings import Settings

BASE = "https://nieuws.test"
# Routes whose addresses have no business in an issue: links of one reader's letters, forms, what
# machines ask for by themselves, files and pictures with addresses of their own.
NOT_IN_A_MAIL = {
    "static", "public.confirm_page", "public.never_page", "public.check_your_mail", "public.start",
    "data.page", "data.part", "data.export", "data.receipt", "data.erased", "data.new_address_page",
    "leaving.undo_page", "leaving.why_page", "preferences.part", "proof.stop_page", "proof.mail",
    "api.challenge", "api.subscribers", "api.subscriber", "api.items", "api.item", "api.issues",
    "api.issue", "api.deliveries", "api.statistics", "api.issue_statistics", "api.suppressions",
    "api.start", "api.openapi", "api.docs",
    "unasked.favicon", "unasked.robots", "unasked.site_map_part", "inbox.messages",
    "inbox.message", "inbox.html", "inbox.source", "watching.healthz", "watching.readyz",
    "watching.metrics",
}  # fmt: skip
EXAMPLES = {
    "locale": "fr", "number": "12", "slug": "elke-geboorte-telt", "name": "privacy",
    "kind": "topics", "key": "bestuur", "page": "2", "token": "AbC_-9",
    "place": "roeselare-dogbo-bj", "edition": "0123456789abcdef", "picture": "0123456789abcdef.jpg",
    "filename": "fiabel.css", "_part": "link", "id": "7",
}  # fmt: skip
LETTERS = {"confirm", "data", "new_address", "never", "undo", "stop_issue", "proof"}
LETTERS |= {"desk", "password"}


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    return create_app(settings, database)


@pytest.mark.sqlite("routes do not depend on the database")
def test_every_page_of_the_site_is_known_and_no_other_one(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith("/desk/"):
            continue
        kinds = EXAMPLES | ({"kind": "png"} if "patterns" in rule.rule else {})
        kinds |= {"name": EXAMPLES["picture"]} if "pictures" in rule.rule else {}
        path = re.sub(r"<(?:[^<>]*:)?(\w+)>", lambda part, k=kinds: k[part[1]], rule.rule)  # type: ignore[misc]
        found = page_at(path)
        assert (found is None) is (rule.endpoint in NOT_IN_A_MAIL), (rule.endpoint, path)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_address_that_we_make_for_a_mail_is_one(locale: str) -> None:
    links = Links(BASE)
    examples = EXAMPLES | {"locale": locale}
    for name in (name for name, one in vars(Links).items() if inspect.isfunction(one)):
        if name.startswith("_"):
            continue
        method = getattr(links, name)
        wanted = inspect.signature(method).parameters
        named = {"name": examples["picture"]} if name == "picture" else {}
        url = method(*((examples | named)[one] for one in wanted))
        found = page_at(url.removeprefix(BASE))
        assert (found is None) is (name in LETTERS), url


@pytest.mark.parametrize(
    "path",
    [
        "/dogbo", "/xx/issues/", "/nl/issues/zes", "/nl/issues/0", "/nl/issues/1/2",
        "/nl/itms/dogbo", "/nl/about/", "/nl/items/", "/nl/items/a/b", "/admin", "/nl",
        "/nl/issues/1/mail/kort", "/desk/", "/desk/items/",
        "/nl/planets/mars", "/patterns/x.webp", "/u/", "//nl/",
    ],
)  # fmt: skip
def test_what_is_no_page_is_not_taken_for_one(path: str) -> None:
    assert page_at(path) is None


def test_the_parts_of_an_address_are_told() -> None:
    assert page_at("/nl/items/elke-geboorte-telt") == {
        "locale": "nl",
        "slug": "elke-geboorte-telt",
    }
    assert page_at("") == {}
