"""A program with a token, before a site that has sent an issue."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from newsletter.models import Editor, Role, Scope
from newsletter.programs import access
from tests.web.conftest import World, build, issued, published_file, world  # noqa: F401 (fixtures)

BASE = "/api/v1"


@dataclass(frozen=True)
class Program:
    """Asks the API, with its token."""

    world: World
    secret: str
    id: int

    def get(self, path: str, **more: Any) -> TestResponse:
        """GET a path of the API."""
        return self.world.client.get(BASE + path, headers=self.headers(), **more)

    def post(self, path: str, sent: Any = None, key: str | None = None) -> TestResponse:
        """POST JSON to a path of the API."""
        headers = self.headers() | ({"Idempotency-Key": key} if key else {})
        body = {} if sent is None else {"json": sent}
        return self.world.client.post(BASE + path, headers=headers, **body)

    def headers(self) -> dict[str, str]:
        """What opens the door."""
        return {"Authorization": f"Bearer {self.secret}"}


def administrator(world: World) -> int:  # noqa: F811
    """Somebody who makes tokens; made once."""
    with world.database.write() as session:
        known = session.scalar(select(Editor.id).limit(1))
        if known is not None:
            return known
        made = Editor(
            email="an@voorbeeld.example",
            name="An",
            locale="nl",
            role=Role.ADMINISTRATOR,
            active=True,
            fs_uniquifier="an",
            created_at=datetime.now(UTC),
        )
        session.add(made)
        session.flush()
        return made.id


def token(world: World, scopes: Iterable[Scope] = tuple(Scope), days: int = 1) -> Program:  # noqa: F811
    """A program with these scopes."""
    by, now = administrator(world), datetime.now(UTC)
    with world.database.write() as session:
        made, secret = access.make(session, "CRM", scopes, days, by, now)
    return Program(world, secret, made.id)


Give = Callable[..., Program]


@pytest.fixture
def program(world: World) -> Program:  # noqa: F811
    """A program that may do everything."""
    return token(world)
