"""Files of one folder, read anew only when they changed. Never leads out of the folder."""

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from newsletter.content.source import LARGEST
from newsletter.errors import NewsletterError
from newsletter.i18n import Said

Made = TypeVar("Made")


class NotAFile(NewsletterError):
    """Something that cannot be read as a file of the shelf; the message says how to mend it."""


class Files:
    """The files under `root`; for many threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: dict[Path, tuple[tuple[int, int, int], Any]] = {}
        self._lock = threading.Lock()

    def under(self, folder: str) -> Iterator[Path]:
        """Every name in a folder of the root and in its folders; folders that are links count as
        names and are not entered."""
        for place, folders, names in os.walk(self.root / folder):
            folders.sort()
            links = [name for name in folders if (Path(place) / name).is_symlink()]
            for name in sorted(names + links):
                yield Path(place) / name

    def state(self, folder: str) -> tuple[tuple[str, int, int, int], ...]:
        """The names in a folder of the root, and in its folders, with what changes when they do."""
        found: list[tuple[str, int, int, int]] = []
        waiting = [str(self.root / folder)]
        while waiting:
            with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    found.append((entry.path, *_marks(entry)))
        return tuple(sorted(found))

    def has(self, folder: str, name: str) -> bool:
        """Is there a readable file of that name?"""
        path = self.root / folder / name
        return path.is_file() and self._is_inside(path)

    def load(self, path: Path, make: Callable[[bytes], Made], most: int = LARGEST) -> Made:
        """What `make` made of the file's bytes, kept until the file changes; always the same `make`
        for a path. At most one byte more than `most` is read. Raises NotAFile, FileNotFoundError.
        """
        with self._opened(path) as (file, state):
            # Taken before reading: a change during the read is seen the next time.
            key = (state.st_mtime_ns, state.st_size, state.st_ino)
            with self._lock:
                known = self._made.get(path)
            if known is None or known[0] != key:
                known = (key, make(file.read(most + 1)))
                with self._lock:
                    self._made[path] = known
        made: Made = known[1]
        return made

    def read(self, path: Path, most: int = LARGEST) -> bytes:
        """The file's bytes as they are now, at most one more than `most`. Raises as `load` does."""
        with self._opened(path) as (file, _state):
            return file.read(most + 1)

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
        if path.is_symlink() and not self._is_inside(path):
            outside = Said("Deze koppeling leidt uit de map content; zet het bestand zelf hier.")
            raise NotAFile(outside)
        try:
            # Without O_NONBLOCK a named pipe would hold the reader for ever.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except PermissionError:
            closed = Said("Dit bestand mag niet gelezen worden; verander zijn rechten.")
            raise NotAFile(closed) from None
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode):
                raise NotAFile(Said("Dit is geen bestand; haal het uit de map content."))
            yield file, state

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root.resolve())


def _marks(entry: os.DirEntry[str]) -> tuple[int, int, int]:
    try:
        found = entry.stat()
    except OSError:  # a link to nothing
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
