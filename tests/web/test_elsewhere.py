"""CONTENT_HOST: a host without the content folder shows the same, by way of the database."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

import config
from newsletter.app import create_app
from newsletter.content import shared
from newsletter.content.library import Library
from newsletter.jobs.sharing import share
from newsletter.models import SharedFile
from newsletter.web import elsewhere
from tests.web.conftest import World

PATHS = (
    "/nl/",
    "/fr/signup",
    "/en/about/privacy",
    "/de/about/privacy",
    "/nl/issues",
    "/nl/issues/1",
    "/nl/items/evergem-guaranda-bronnen",
    "/nl/topics/milieu",
    "/sitemap.xml",
    "/nl/feed.atom",
)


@pytest.fixture
def keeper(issued: World, tmp_path: Path) -> World:
    """The host that keeps the content, in a folder that tests may change."""
    folder = shutil.copytree(config.CONTENT_DIR, tmp_path / "kept")
    settings = replace(issued.settings, content_dir=folder)
    return replace(issued, settings=settings, app=create_app(settings, issued.database))


@pytest.fixture
def other(keeper: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Another host, which looks each time."""
    monkeypatch.setattr(elsewhere, "SECONDS", 0.0)
    folder = tmp_path / "other" / "content"
    settings = replace(keeper.settings, content_host=False, content_dir=folder)
    return replace(keeper, settings=settings, app=create_app(settings, keeper.database))


def seen(world: World, path: str) -> tuple[int, str]:
    """What readers get, without the signed time of a form."""
    answer = world.client.get(path)
    _before, _made, after = answer.text.partition('name="token" value="')
    return answer.status_code, (_before + after[36:]) if after else answer.text


def test_a_host_without_the_folder_shows_the_same(keeper: World, other: World) -> None:
    assert share(keeper.database, keeper.settings)
    assert not share(keeper.database, keeper.settings), "nothing changed since"
    for path in PATHS:
        assert seen(other, path) == seen(keeper, path), path
        assert seen(other, path)[0] == 200
    assert not (other.settings.content_dir / "items").exists()


def test_it_sees_what_is_changed_added_and_taken_away(keeper: World, other: World) -> None:
    share(keeper.database, keeper.settings)
    assert "<h1>Over dit huis" not in seen(other, "/nl/about/privacy")[1]
    pages, topics = keeper.settings.content_dir / "pages", keeper.settings.content_dir
    privacy = (pages / "privacy.nl.md").read_text("utf-8")
    (pages / "privacy.nl.md").write_text(privacy + "\nEen zin meer.\n", "utf-8")
    (pages / "nieuw.nl.md").write_text(privacy, "utf-8")
    (pages / "privacy.fr.md").unlink()
    named = (topics / "topics.toml").read_text("utf-8").replace('nl = "Milieu', 'nl = "Water')
    (topics / "topics.toml").write_text(named, "utf-8")
    assert share(keeper.database, keeper.settings)
    assert "Een zin meer." in seen(other, "/nl/about/privacy")[1]
    assert seen(other, "/nl/about/nieuw")[0] == 200
    for path in (*PATHS, "/fr/about/privacy", "/nl/about/nieuw"):
        assert seen(other, path) == seen(keeper, path), path
    (pages / "nieuw.nl.md").unlink()
    assert share(keeper.database, keeper.settings)
    assert seen(other, "/nl/about/nieuw")[0] == 404


def test_a_folder_that_is_not_there_takes_nothing_away(keeper: World, other: World) -> None:
    share(keeper.database, keeper.settings)
    lost = replace(keeper.settings, content_dir=keeper.settings.content_dir / "not mounted")
    assert not share(keeper.database, lost)
    assert seen(other, "/nl/about/privacy")[0] == 200


@pytest.mark.sqlite("files do not depend on the database")
def test_a_host_that_cannot_fetch_shows_what_it_has(
    keeper: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(keeper.database, keeper.settings)
    before = seen(other, "/nl/about/privacy")

    def full(*_values: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared, "put", full)
    (keeper.settings.content_dir / "pages" / "privacy.nl.md").write_text("anders", "utf-8")
    share(keeper.database, keeper.settings)
    assert seen(other, "/nl/about/privacy") == before


@pytest.mark.sqlite("names do not depend on the database")
@pytest.mark.parametrize("name", ["../away.md", "/pages/x.md", "pages/../../x", "items/x.md", ""])
def test_no_row_writes_elsewhere(other: World, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with other.database.write() as session:
        session.add(SharedFile(name=name, sha256="0" * 64, data=b"x"))
    other.client.get("/nl/")
    made = set(tmp_path.rglob("*")) - set(before)
    assert {one.suffix for one in made} <= {"", ".lock"} | {".db-wal", ".db-shm"}, made
    with other.database.read() as session:
        assert session.scalars(select(SharedFile.name)).all() == [name]


@pytest.mark.sqlite("folders do not depend on the database")
def test_its_library_is_its_own_folder(other: World) -> None:
    library: Library = other.app.extensions["newsletter"].library
    assert library.folder == other.settings.content_dir
    assert library.sound_items() == []
