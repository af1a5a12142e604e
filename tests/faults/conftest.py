"""Worlds for the fault tests, built once for each kind of database and copied for each test."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.programs import Forked
from tests.faults.world import World, build
from tests.relay import Script, running

NewWorld = Callable[..., World]
READERS = 300


@pytest.fixture(scope="session")
def seeds(
    request: pytest.FixtureRequest, birth: Forked
) -> Iterator[Callable[[str, int, bool], World]]:
    """A world with so many readers, compiled (or planned too), to be copied."""
    made: dict[tuple[str, int, bool], World] = {}

    def seed(kind: str, readers: int, planned: bool) -> World:
        key = (kind, readers, planned)
        if key not in made and planned:
            made[key] = seed(kind, readers, False).copy()
            made[key].run("issues", "send", "1")
        elif key not in made:
            # The server is started when the first world needs one.
            server = request.getfixturevalue("postgres") if kind == "postgresql" else None
            made[key] = build(server, readers, birth)
        return made[key]

    yield seed
    for world in made.values():
        world.close()


@pytest.fixture
def new_world(seeds: Callable[[str, int, bool], World]) -> Iterator[NewWorld]:
    """`new_world(script, readers=300, store="sqlite", planned=True, relay={…}, SETTING="…")`."""
    with contextlib.ExitStack() as stack:

        def make(
            script: Script | None = None,
            *,
            readers: int = READERS,
            store: str = "sqlite",
            planned: bool = True,
            relay: dict[str, Any] | None = None,
            **settings: str,
        ) -> World:
            world = seeds(store, readers, planned).copy()
            stack.callback(world.close)
            world.relay = stack.enter_context(running(script, **(relay or {})))
            world.settings |= settings
            return world

        yield make


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def store(request: pytest.FixtureRequest) -> str:
    """For what must hold on both databases."""
    return str(request.param)
