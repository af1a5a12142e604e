"""Signing in by the pages themselves, as somebody does it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from flask.testing import FlaskClient
from flask_security import hash_password
from passlib.totp import TOTP
from werkzeug.test import TestResponse

from newsletter.models import Editor, Role
from tests.desk.conftest import Desk

PASSWORD = "vier groene koeien dansen"


def token(page: TestResponse) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def send(client: FlaskClient, path: str, **data: str) -> TestResponse:
    """Open a page and send the form in it."""
    opened = client.get(path)
    return client.post(path, data={"csrf_token": token(opened), **data})


@dataclass
class Person:
    """An editor with a password and an app, who comes with one browser or another."""

    desk: Desk
    editor: Editor
    app: TOTP

    @classmethod
    def make(cls, desk: Desk, role: Role = Role.EDITOR) -> "Person":
        """Somebody who has chosen a password and coupled an app."""
        editor, app = desk.editor(role), TOTP.new()
        with desk.app.app_context():
            hashed = hash_password(PASSWORD)
            secret = desk.app.extensions["security"].totp_factory._totp(key=app.key, format="raw")
        with desk.database.write() as session:
            row = session.get_one(Editor, editor.id)
            row.password, row.tf_primary_method = hashed, "authenticator"
            row.tf_totp_secret = secret.to_json(encrypt=True)
        return cls(desk, editor, app)

    def code(self, steps: int = 0) -> str:
        """What the app shows, or shows some half minutes from now."""
        moment = datetime.now(UTC).timestamp() + 30 * steps
        return str(self.app.generate(time=moment).token)

    def try_password(self, client: FlaskClient, password: str = PASSWORD) -> TestResponse:
        """Send address and password."""
        return send(client, "/desk/sign-in", email=self.editor.email, password=password)

    def sign_in(self, client: FlaskClient, steps: int = 0) -> TestResponse:
        """Password, then a code."""
        assert self.try_password(client).location.startswith("/desk/code")
        return send(client, "/desk/code", code=self.code(steps))


def is_in(client: FlaskClient) -> bool:
    """Does the desk open for this browser?"""
    return client.get("/desk/").status_code == 200
