"""Migrations before and after the last process of an older release, and who works with which."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import config
from newsletter.db import Database, connect
from newsletter.errors import FixRequest, FixSettings
from newsletter.schema import is_current, migrate, migration_config, waits_for_post
from tests.postgres import Server

PLAIN = config.PROJECT_DIR
SCRIPT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None
{phase}
def upgrade() -> None:
    op.create_table("made_by_{revision}", sa.Column("id", sa.Integer()))
def downgrade() -> None:
    op.drop_table("made_by_{revision}")
"""


class Releases:
    """Which release of the program runs: this one, or later ones with more migrations."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch

    def make(self, name: str, *phases: str) -> str:
        """A release whose further migrations are of these phases, and that runs from now on."""
        versions = self.folder / name / "migrations/versions"
        shutil.copytree(PLAIN / "migrations", versions.parent)
        before = max(file.name[:4] for file in versions.glob("[0-9]*.py"))
        for number, phase in enumerate(phases, start=1):
            revision = f"99{number:02}"
            facts = {"revision": revision, "before": before}
            line = f"phase = {phase!r}" if phase else ""
            (versions / f"{revision}.py").write_text(SCRIPT.format(**facts, phase=line))
            before = revision
        self.run(name)
        return name

    def run(self, name: str = "") -> None:
        """Now this release runs; without a name the one we are."""
        self.monkeypatch.setattr(config, "PROJECT_DIR", self.folder / name if name else PLAIN)


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    return Releases(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[str]:
    """Migrated by us."""
    with migrated(postgres.create("template_of_phases")):
        pass
    yield "template_of_phases"
    postgres.drop("template_of_phases")


@pytest.fixture
def postgresql(postgres: Server, template: str) -> Iterator[Database]:
    """A copy of it; on SQLite nobody else runs."""
    database = connect(postgres.copy(template, "phases"))
    yield database
    database.engine.dispose()
    postgres.drop("phases")


@contextlib.contextmanager
def migrated(url: str) -> Iterator[Database]:
    database = connect(url)
    migrate(database)
    yield database
    database.engine.dispose()


def made(database: Database) -> list[str]:
    names = inspect(database.engine).get_table_names()
    return sorted(name[-4:] for name in names if name.startswith("made_by_"))


@pytest.mark.postgresql
def test_a_schema_that_grew_suits_the_older_program(
    postgresql: Database, releases: Releases
) -> None:
    releases.make("newer", "", "pre", "post")
    assert not is_current(postgresql)
    migrate(postgresql)
    assert (made(postgresql), is_current(postgresql)) == (["9901", "9902"], True)
    assert waits_for_post(postgresql)
    releases.run()
    assert is_current(postgresql)
    migrate(postgresql)
    assert made(postgresql) == ["9901", "9902"]


@pytest.mark.postgresql
def test_a_schema_that_was_cut_back_refuses_the_older_program_only(
    postgresql: Database, releases: Releases
) -> None:
    name = releases.make("newer", "pre", "post")
    migrate(postgresql, post=True)
    assert made(postgresql) == ["9901", "9902"]
    assert is_current(postgresql)
    assert not waits_for_post(postgresql)
    releases.run()
    for do in (is_current, migrate):
        with pytest.raises(FixSettings, match="too old for it"):
            do(postgresql)
    releases.make("newest", "pre", "post", "pre")
    migrate(postgresql)
    releases.run(name)
    assert is_current(postgresql), "what came since only adds"


@pytest.mark.postgresql
def test_what_comes_after_a_post_migration_waits_for_it(
    postgresql: Database, releases: Releases
) -> None:
    releases.make("two releases later", "pre", "post", "pre")
    with pytest.raises(FixRequest, match=r"9902 takes away .* migrate --post"):
        migrate(postgresql)
    assert (made(postgresql), is_current(postgresql)) == (["9901"], False)
    migrate(postgresql, post=True)
    assert (made(postgresql), is_current(postgresql)) == (["9901", "9902", "9903"], True)


def test_nobody_waits_where_nobody_else_runs(empty_url: str, releases: Releases) -> None:
    """An empty database, and any SQLite file."""
    releases.make("newer", "pre", "post", "pre")
    with migrated(empty_url) as database:
        assert made(database) == ["9901", "9902", "9903"]


@pytest.mark.postgresql
def test_a_database_of_which_nothing_is_known_is_left_alone(postgresql: Database) -> None:
    """Neither the migration nor what it suits is known."""
    with postgresql.write() as session:
        session.execute(text("DROP TABLE schema_floor"))
        session.execute(text("UPDATE alembic_version SET version_num = 'zzzz'"))
    with pytest.raises(FixSettings, match="newer version"):
        is_current(postgresql)


def test_every_migration_says_when_it_runs() -> None:
    """A misspelt phase would be taken for pre."""
    with connect("sqlite://").engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migration_config(connection))
    phases = {
        script.revision: getattr(script.module, "phase", "pre")
        for script in scripts.walk_revisions()
    }
    assert set(phases.values()) <= {"pre", "post"}, phases
