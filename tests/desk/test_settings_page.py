"""Administrators see the settings, and no secret among them."""

import pytest

from newsletter.models import Role
from newsletter.settings.parsing import Rate
from tests.desk.conftest import Build

pytestmark = pytest.mark.sqlite("settings do not depend on the database")


def test_settings_are_shown_without_their_secrets(build_desk: Build) -> None:
    secrets = {
        "mail_password": "wachtwoord-van-de-relay",
        "oidc_client_secret": "geheim-van-de-provider",
        "mailgun_signing_key": "sleutel-van-mailgun",
        "postmark_webhook": "naam:wachtwoord-van-postmark",
        "leaked_keys": ("een oudere sleutel die lang genoeg is",),
    }
    desk = build_desk(**secrets, delivery_rate=Rate(600, 60))
    page = desk(Role.ADMINISTRATOR).get("/desk/settings").text
    assert "600/minute" in page
    assert "DESK_SECOND_FACTOR" in page
    for secret in (*secrets.values(), desk.settings.secret_key):
        assert str(secret) not in page
        assert str(secret[0] if isinstance(secret, tuple) else secret) not in page
    assert desk(Role.PUBLISHER).get("/desk/settings").status_code == 403
