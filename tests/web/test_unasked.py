"""What is asked for without a link to it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.web.conftest import Build

pytestmark = pytest.mark.sqlite("settings do not depend on the database")


def test_who_finds_a_hole_is_told_whom_to_tell(build: Build) -> None:
    """RFC 9116: where it stands, until when, and its one contact."""
    world = build(org_email="veilig@vvsg.example")
    answer = world.client.get("/.well-known/security.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:veilig@vvsg.example"
    assert fields["Canonical"] == "https://nieuws.test/.well-known/security.txt"
    left = datetime.fromisoformat(fields["Expires"]) - datetime.now(UTC)
    assert timedelta(days=170) < left < timedelta(days=365)
