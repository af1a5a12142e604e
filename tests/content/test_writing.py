"""Files of the shelf are written whole or not at all, and never over what somebody else wrote."""

import multiprocessing
import os
import subprocess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from newsletter.content import history, writing
from newsletter.content.library import Library
from newsletter.content.writing import Conflict, save, version
from newsletter.errors import FixRequest, TryLater
from tests.content.conftest import GOOD, Write

PATH = "items/2026/11/a.nl.md"
DATA = GOOD.encode()
PROCESSES = multiprocessing.get_context("spawn")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_and_a_change(shelf: Path, library: Library) -> None:
    made = save(shelf, PATH, DATA, b"")
    assert made == version(DATA)
    changed = DATA.replace(b"Tambacounda", b"Gent")
    assert save(shelf, PATH, changed, DATA) == version(changed)
    assert [item.original.front.title for item in library.items()] == ["Compost in Gent"]
    assert names(shelf / "items/2026/11") == ["a.nl.md"]


def test_who_began_from_another_text_gets_all_three(shelf: Path, write: Write) -> None:
    write(PATH, b"outside")
    with pytest.raises(Conflict) as found:
        save(shelf, PATH, b"ours", b"base")
    assert (found.value.base, found.value.theirs, found.value.ours) == (
        b"base",
        b"outside",
        b"ours",
    )
    assert (shelf / PATH).read_bytes() == b"outside"
    with pytest.raises(Conflict):
        save(shelf, PATH, b"new", b"")
    (shelf / PATH).unlink()
    with pytest.raises(Conflict):
        save(shelf, PATH, b"ours", b"outside")


def test_the_same_text_twice_is_no_conflict(shelf: Path, write: Write) -> None:
    write(PATH, DATA)
    with writing.writing(shelf) as pen:
        assert pen.put(PATH, DATA, b"an older one") == version(DATA)
        assert pen.written == []


def test_a_slug_belongs_to_one_folder(shelf: Path) -> None:
    save(shelf, PATH, DATA, b"")
    save(shelf, "items/2026/11/a.fr.md", DATA, b"")
    with pytest.raises(FixRequest, match="taken in items/2026/11"):
        save(shelf, "items/2026/12/a.fr.md", DATA, b"")
    assert writing.free_slug(shelf, "A!") == "a-2"
    assert writing.free_slug(shelf, "Straße & Œuvre") == "strasse-oeuvre"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../secret.nl.md",
            "items/../../a.nl.md",
            "items/./a.nl.md",
            "/etc/a.nl.md",
            "items//a.nl.md",
        ),
        *("pages/missie.nl.md", "items/a.md", "items/a.nl.md/../b.nl.md", "items/.git/a.nl.md"),
        *("items/a\0.nl.md", "items\\a.nl.md", "items/A.nl.md", "items/a.es.md", "items/.a.nl.md"),
        *("items/a.nl.md\n", "items/2026/11/topics.toml", "items/" + "a/" * 9 + "a.nl.md", ""),
    ],
)
def test_no_path_leads_elsewhere(shelf: Path, path: str) -> None:
    with pytest.raises(FixRequest):
        save(shelf, path, DATA, b"")
    with pytest.raises(FixRequest):
        writing.read(shelf, path)
    assert not list(shelf.rglob("*.nl.md"))


def test_links_are_not_followed(shelf: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.nl.md").write_bytes(b"theirs")
    (shelf / "items/elsewhere").symlink_to(outside)
    (shelf / PATH).symlink_to(outside / "b.nl.md")
    for path in (PATH, "items/elsewhere/b.nl.md", "items/elsewhere/new.nl.md"):
        with pytest.raises(FixRequest):
            writing.read(shelf, path)
        with pytest.raises(FixRequest):
            save(shelf, path, DATA, b"theirs")
    (shelf / "items/2026/11/.c.nl.md.tmp").symlink_to(outside / "b.nl.md")
    with pytest.raises(OSError, match="symbolic"):
        save(shelf, "items/2026/11/c.nl.md", DATA, b"")
    assert names(outside) == ["b.nl.md"]
    assert (outside / "b.nl.md").read_bytes() == b"theirs"


def test_nothing_and_too_much_are_refused(shelf: Path) -> None:
    for text in (b"", b"x" * 200_001):
        with pytest.raises(FixRequest):
            save(shelf, PATH, text, b"")


def test_removing(shelf: Path, write: Write) -> None:
    write(PATH, DATA)
    with writing.writing(shelf) as pen:
        with pytest.raises(Conflict):
            pen.remove(PATH, b"an older one")
        pen.remove(PATH, DATA)
        pen.remove(PATH, DATA)
        assert pen.written == [PATH]
    assert not (shelf / PATH).exists()


def _save_one(shelf: Path, together: Barrier, text: bytes) -> None:
    together.wait(30)
    try:
        save(shelf, PATH, text, DATA)
    except Conflict:
        raise SystemExit(3) from None


def test_of_saves_at_the_same_moment_one_is_taken(shelf: Path, write: Write) -> None:
    write(PATH, DATA)
    together = PROCESSES.Barrier(3)
    texts = [f"text {number}".encode() * 9000 for number in range(3)]
    started = [PROCESSES.Process(target=_save_one, args=(shelf, together, one)) for one in texts]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    codes = [process.exitcode for process in started]
    assert sorted(map(str, codes)) == ["0", "3", "3"]
    assert (shelf / PATH).read_bytes() == texts[codes.index(0)]


def _die_before_renaming(shelf: Path) -> None:
    def die(_self: Path, _target: Path) -> None:
        os._exit(9)

    Path.replace = die  # type: ignore[assignment,method-assign]
    save(shelf, PATH, b"half", DATA)


def test_who_dies_before_renaming_leaves_the_old_text_and_no_lock(
    shelf: Path, write: Write, library: Library
) -> None:
    write(PATH, DATA)
    process = PROCESSES.Process(target=_die_before_renaming, args=(shelf,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert (shelf / PATH).read_bytes() == DATA
    assert library.check() == []
    save(shelf, PATH, b"whole", DATA)
    assert names(shelf / "items/2026/11") == ["a.nl.md"]


def test_who_waits_too_long_is_told_so(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.0)
    with writing.writing(shelf), pytest.raises(TryLater):
        save(shelf, PATH, DATA, b"")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode()


def test_where_there_is_a_repository_a_save_is_a_commit(shelf: Path, write: Write) -> None:
    git(shelf, "init", "--quiet")
    hook = shelf / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    write("items/2026/11/b.nl.md", "somebody is at work here")
    git(shelf, "add", "items/2026/11/b.nl.md")
    save(shelf, PATH, DATA, b"")
    failed = history.commit(shelf, [PATH], "Ann <x>\nPeeters", "editor-3@n.test", "-a\nsave")
    assert failed is None
    assert (
        git(shelf, "log", "--format=%an|%ae|%s").strip() == "Ann xPeeters|editor-3@n.test|-a save"
    )
    assert git(shelf, "show", "--name-only", "--format=").split() == [PATH]
    assert git(shelf, "status", "--porcelain").splitlines()[0] == "A  items/2026/11/b.nl.md"
    assert history.commit(shelf, [PATH], "", "e@n.test", "nothing new") is None
    (shelf / PATH).unlink()
    assert history.commit(shelf, [PATH], "...", "e@n.test", "gone") is None
    assert git(shelf, "log", "--format=%an %s", "-1").strip() == "editor gone"


def test_what_git_cannot_do_is_said(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(shelf, PATH, DATA, b"")
    assert history.commit(shelf, [PATH], "Ann", "e@n.test", "save") is None
    git(shelf, "init", "--quiet")
    (shelf / ".git/index.lock").touch()
    assert "index.lock" in str(history.commit(shelf, [PATH], "Ann", "e@n.test", "save"))
    monkeypatch.setenv("PATH", "")
    assert history.commit(shelf, [PATH], "Ann", "e@n.test", "save")
