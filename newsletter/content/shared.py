"""What every host shows of the shelf: the topics, and the pages of the site, as plain files."""

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from newsletter.content import names
from newsletter.content.files import Files, NotAFile
from newsletter.content.source import LARGEST
from newsletter.content.writing import replace, writing

TOPICS, PAGES = "topics.toml", "pages"


def gathered(folder: Path) -> dict[str, bytes]:
    """The files by name below the folder; none when it has no topics, and so is no shelf."""
    files, found = Files(folder), dict[str, bytes]()
    for path in (folder / TOPICS, *files.under(PAGES)):
        with contextlib.suppress(NotAFile, FileNotFoundError):
            data = files.read(path)
            if len(data) <= LARGEST and not names.is_leftover(path.name):
                found[path.relative_to(folder).as_posix()] = data
    return found if TOPICS in found else {}


def put(folder: Path, files: Mapping[str, bytes], gone: Collection[str]) -> None:
    """Write these files below the folder, each whole or not at all, and delete those that are gone.

    Names come from another host: one that leads out of the folder is left alone. Raises TryLater
    when other processes of this host write for long.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with writing(folder):
        for name, data in files.items():
            if is_shared(name):
                (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                replace(folder / name, data)
        for name in filter(is_shared, gone):
            (folder / name).unlink(missing_ok=True)


def is_shared(name: str) -> bool:
    """Is this a name that `gathered` gives?"""
    parts = PurePosixPath(name).parts
    return name == TOPICS or (len(parts) > 1 and parts[0] == PAGES and ".." not in parts)
