"""The desk, and somebody of each role who is signed in, without waiting for argon2."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.test import TestResponse

from newsletter.app import create_app
from newsletter.db import Database
from newsletter.editors import people, signing
from newsletter.models import Editor, Role
from newsletter.settings import Settings
from newsletter.web.accounts import security
from tests.web.conftest import published_file  # noqa: F401 (a fixture)
from tests.web.served import DESK, serve

NAMES = {
    Role.WRITER: "Wim Schrijver",
    Role.EDITOR: "Els Redacteur",
    Role.PUBLISHER: "Pol Uitgever",
    Role.ADMINISTRATOR: "An Beheerder",
}


class Client(FlaskClient):
    """A browser of somebody who is signed in; `editor` is who."""

    editor: Editor
    token: str

    def send(self, path: str, **data: Any) -> TestResponse:
        """Send a form, with the token that every form of the desk carries."""
        return self.post(path, data={"csrf_token": self.token, **data})


@dataclass
class Desk:
    """The site with its desk. `desk(Role.EDITOR)` is a client of an editor who is signed in."""

    app: Flask
    settings: Settings
    database: Database
    _known: dict[Role, Editor] = field(default_factory=dict)

    def __call__(self, role: Role, **session: Any) -> Client:
        """A client of who has this role; `session` is put into its session besides."""
        client = Client(self.app, self.app.response_class)
        raw, values = secrets.token_hex(20), self._session(role)
        with client.session_transaction("/desk/") as browser:
            browser.update(values | {"csrf_token": raw} | session)
        client.editor = self._known[role]
        key = str(self.app.secret_key)
        client.token = URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(raw)
        return client

    def stranger(self) -> FlaskClient:
        """A client of nobody."""
        return self.app.test_client()

    def editor(self, role: Role) -> Editor:
        """Who has this role; made once."""
        if role not in self._known:
            name, now = NAMES[role], datetime.now(UTC)
            email = f"{name.split()[0].lower()}@voorbeeld.example"
            with self.database.write() as session:
                made = people.create(session, email, name, role, "nl", now)
                made.password = "not a hash: nobody signs in with it"
            self._known[role] = made
        return self._known[role]

    def context(
        self,
        browser: Browser,
        role: Role,
        session: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> BrowserContext:
        """A browser in which who has this role is signed in, or which has this `session`."""
        options = {"viewport": DESK, "reduced_motion": "reduce", "locale": "nl-BE"} | options
        context = browser.new_context(base_url=self.settings.base_url, **options)
        self.sign_in(context, role, session)
        return context

    def sign_in(
        self, context: BrowserContext, role: Role, session: Mapping[str, Any] | None = None
    ) -> None:
        """Make the browser another person's, who has this role or this `session`."""
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        values = self._session(role) if session is None else dict(session)
        value = serializer.dumps(values | {"csrf_token": secrets.token_hex(20)})
        name = self.app.config["SESSION_COOKIE_NAME"]
        context.clear_cookies()
        context.add_cookies([{"name": name, "value": value, "url": self.settings.base_url}])

    def _session(self, role: Role) -> dict[str, Any]:
        editor, key = self.editor(role), secrets.token_urlsafe(32)
        with self.database.write() as session:
            signing.begin(
                session,
                editor.id,
                key,
                datetime.now(UTC),
                method="password",
                place="203.0.113.0/24",
                browser="Firefox, Linux",
            )
        return {"_user_id": editor.fs_uniquifier, "desk": key, "fs_paa": time.time()}


@pytest.fixture(autouse=True, scope="session")
def cheap_argon2() -> None:
    """A password is compared in a millisecond."""
    security.ARGON2 |= {"argon2__memory_cost": 64, "argon2__time_cost": 1, "argon2__parallelism": 1}


Build = Callable[..., Desk]


@pytest.fixture
def build_desk(settings: Settings, database: Database) -> Build:
    """Build the desk with some settings changed."""

    def build(**changes: Any) -> Desk:
        changed = replace(settings, **({"work_bits": 4} | changes))
        return Desk(create_app(changed, database), changed, database)

    return build


@pytest.fixture
def desk(build_desk: Build) -> Desk:
    return build_desk()


@pytest.fixture(scope="module")
def served_desk(
    published_file: Any,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    """The desk on a port of localhost (where passkeys work), for all tests of a file."""
    for parts in serve(tmp_path_factory.mktemp("desk"), published_file, "localhost"):
        yield Desk(*parts)


@pytest.fixture
def desk_page(browser: Browser, served_desk: Desk) -> Iterator[Callable[..., Page]]:
    """`desk_page(Role.EDITOR)`: a page in a browser; whatever its console says is a fault."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(role: Role, **options: Any) -> Page:
        contexts.append(served_desk.context(browser, role, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(message.text))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [fault for fault in faults if "status of 4" not in fault]
