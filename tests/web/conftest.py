"""The real site over a real database, with one published issue and readers of every state."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from newsletter import suppression
from newsletter.app import Site, create_app
from newsletter.db import Database, connect
from newsletter.issues import publishing, searching
from newsletter.issues.compiler import compile_issue
from newsletter.models import Base, ItemNumber, Subscriber, SubscriberState, SuppressionReason
from newsletter.settings import Settings, load
from newsletter.subscribers import work
from newsletter.subscribers.preferences import choice
from newsletter.tokens import Purpose, Tokens
from newsletter.web import watching
from newsletter.web.answers import HONEYPOT
from tests import shared
from tests.postgres import copy_rows
from tests.web.served import open_page, phone, serve

PUBLISHED = (
    "elke-geboorte-telt",
    "sdg-partnerschappen-proefprojecten",
    "week-duurzame-gemeente-2027",
    "stuur-je-verhaal",
    "evergem-guaranda-bronnen",
    "sint-niklaas-tambacounda-compost",
)
PICTURED = PUBLISHED[4:]  # the first above its story, the second in it
# The purposes whose tokens are bound to the address.
BOUND = (Purpose.CONFIRM, Purpose.NEVER)
WAITING = "kortrijk-chefchaouen-drie-jaar"

Site.jinja_options = {"bytecode_cache": shared.Compiled()}


@dataclass(frozen=True)
class World:
    """The site and the ways into it."""

    app: Flask
    settings: Settings
    database: Database

    @property
    def client(self) -> FlaskClient:
        """A browser without cookies and without history."""
        return self.app.test_client(use_cookies=False)

    def token(self, purpose: Purpose, subscriber: Subscriber, age: timedelta | None = None) -> str:
        """A link's token, as a mail would hold it."""
        bound = subscriber.canonical or "" if purpose in BOUND else ""
        made = datetime.now(UTC) - (age or timedelta(0))
        return Tokens(self.settings.secret_key).issue(purpose, subscriber.id, made, bound)

    def form(self, locale: str = "nl", age: float = 10, **values: Any) -> dict[str, Any]:
        """The sign-up form, filled in by a person who took `age` seconds."""
        made = datetime.now(UTC) - timedelta(seconds=age)
        token = Tokens(self.settings.secret_key).issue(Purpose.FORM, 0, made)
        hidden = {"token": token, "wording": f"signup-1.{locale}", HONEYPOT: ""}
        sent = {"email": "nieuw@voorbeeld.example", **hidden, **values}
        done = work.solve(sent["token"], sent["email"], self.settings.work_bits)
        return {"work": done, **sent}

    def add(self, name: str, state: SubscriberState, locale: str = "nl") -> Subscriber:
        """A subscriber, committed."""
        email = f"{name}@voorbeeld.example"
        with self.database.write() as session:
            subscriber = Subscriber(
                email=email,
                canonical=email,
                locale=locale,
                cadence=self.settings.default_cadence,
                topic_choice_id=choice(session, ()).id,
                state=state,
                created_at=datetime.now(UTC),
            )
            session.add(subscriber)
        return subscriber

    def suppress(self, email: str) -> None:
        """Someone who must not be mailed."""
        with self.database.write() as session:
            keys = Tokens(self.settings.secret_key)
            suppression.add(session, keys, email, SuppressionReason.COMPLAINT, datetime.now(UTC))

    def dump(self) -> list[tuple[str, list[Any]]]:
        """Everything in the database."""
        with self.database.read() as session:
            return [
                (table.name, [tuple(row) for row in session.execute(table.select())])
                for table in Base.metadata.sorted_tables
            ]


def withdraw(session: Session, slug: str, at: datetime | None = None) -> None:
    """An editor made a published item a draft, and something was compiled after that."""
    found = update(ItemNumber).where(ItemNumber.slug == slug)
    session.execute(found.values(withdrawn_at=at or datetime.now(UTC)))
    searching.forget(session, {slug})


def headers_of(answer: TestResponse) -> tuple[tuple[str, str], ...]:
    """All but the second, and the reference, which each request gets by chance."""
    passing = {"Date", watching.HEADER}
    return tuple(sorted(one for one in answer.headers if one[0] not in passing))


Build = Callable[..., World]


@pytest.fixture
def build(settings: Settings, database: Database) -> Build:
    """Build a site with some settings changed."""

    def build(**changes: Any) -> World:
        changed = replace(settings, **({"work_bits": 4} | changes))
        app = create_app(changed, database, shared.shelf(changed))
        app.config["PROPAGATE_EXCEPTIONS"] = False
        return World(app, changed, database)

    return build


@pytest.fixture
def world(build: Build) -> World:
    return build()


@pytest.fixture(scope="session")
def published_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Send one issue out (to nobody) and compile another, once for all tests."""
    file = tmp_path_factory.mktemp("published") / "newsletter.db"
    shutil.copy(migrated_file, file)
    settings = load(environ={}, env_file=file.parent / "no.env", INSTANCE_DIR=str(file.parent))
    database = connect(settings.database_url)
    library = shared.shelf(settings)
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    with database.write() as session:
        issue = compile_issue(session, settings, library, now, None, PUBLISHED)
        assert issue
        publishing.send(session, settings, issue.number, now)
        compile_issue(session, settings, library, now, None, (WAITING,))
    shared.make_homeless(database)
    database.engine.dispose()
    return file


@pytest.fixture
def issued(published_file: Path, database: Database, build: Build) -> World:
    """The site after its first issue, with a second one waiting."""
    copy_rows(published_file, database)
    return build()


@pytest.fixture(scope="module")
def site(published_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The site on a port, for all tests of a file that look at it with a browser."""
    for parts in serve(tmp_path_factory.mktemp("site"), published_file):
        yield World(*parts)


@pytest.fixture(scope="module")
def own_phone(browser: Browser, site: World) -> Iterator[BrowserContext]:
    yield from phone(browser, site.settings.base_url)


@pytest.fixture(scope="module")
def plain_phone(browser: Browser, site: World) -> Iterator[BrowserContext]:
    yield from phone(browser, site.settings.base_url, java_script_enabled=False)


@pytest.fixture
def page(own_phone: BrowserContext, site: World) -> Iterator[Page]:
    """A small phone, which looks at the site."""
    yield from open_page(own_phone, site.settings.base_url)


@pytest.fixture
def plain_page(plain_phone: BrowserContext, site: World) -> Iterator[Page]:
    """The same without JavaScript."""
    yield from open_page(plain_phone, site.settings.base_url)
