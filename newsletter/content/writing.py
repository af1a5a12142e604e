"""Writing files of the shelf: whole or not at all, and never over what somebody else wrote.

A file is replaced only when it still is what the writer began from; its version is the SHA-256 of
its bytes. All doors write through here, one at a time (a lock in the content folder, for all
processes of all hosts that share it); who edits files by hand is noticed, not locked out.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from newsletter.content import names
from newsletter.content.source import LARGEST
from newsletter.errors import FixRequest, NewsletterError, TryLater
from newsletter.i18n import Said

ITEMS = "items"
LOCK = ".writing"  # hidden names are no concern of the shelf; inside .git where there is one
PATIENCE = 10.0  # s to wait for others who write
_PATH = re.compile(r"items/(?:[a-z0-9][a-z0-9_-]*/){0,6}[^/]+", re.IGNORECASE)


class Conflict(NewsletterError):
    """Somebody else wrote this file meanwhile: `theirs` is what stands there, b"" for nothing."""

    def __init__(self, path: str, base: bytes, theirs: bytes, ours: bytes) -> None:
        super().__init__(
            Said("Iemand anders heeft %(path)s intussen gewijzigd; vergelijk beide.", path=path)
        )
        self.path, self.base, self.theirs, self.ours = path, base, theirs, ours


def version(data: bytes) -> str:
    """The version of a file: a hash of its bytes; "" where there is no file."""
    return hashlib.sha256(data).hexdigest() if data else ""


def read(folder: Path, path: str) -> bytes:
    """The bytes of a file ("items/2026/11/slug.nl.md") below the content folder; b"" when it is not
    there. Raises FixRequest for a path that is none of ours, or a file that is too large."""
    try:
        handle = os.open(place(folder, path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b""
    except OSError as error:
        unread = Said("%(path)s kan niet gelezen worden (%(why)s).", path=path, why=error.strerror)
        raise FixRequest(unread) from None
    with os.fdopen(handle, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        most = LARGEST // 1000
        raise FixRequest(Said("%(path)s is groter dan %(most)s kB.", path=path, most=most))
    return data


def place(folder: Path, path: str) -> Path:
    """Where a file of the items stands. Raises FixRequest for what is none, leads out of the folder
    or through a link."""
    name = path.rpartition("/")[2]
    if not _PATH.fullmatch(path) or names.is_leftover(name) or names.split(name).fault:
        raise FixRequest(Said("Zo’n bestand is er niet bij de artikels."))
    root = folder.resolve()
    if (root / path).resolve() != root / path:
        linked = Said(
            "%(path)s is een koppeling of loopt erdoor; zet het bestand zelf daar.", path=path
        )
        raise FixRequest(linked)
    return root / path


class Pen:
    """What writes while nobody else does; `written` are the paths that changed, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[str] = []

    def put(self, path: str, ours: bytes, base: bytes) -> str:
        """Write a file that was `base` (b"": a new one) when it was opened; the new version.

        Raises Conflict when it is something else now, FixRequest when the slug is taken elsewhere
        or the text is too long. What stands there already is no conflict.
        """
        if not ours or len(ours) > LARGEST:
            most = LARGEST // 1000
            raise FixRequest(Said("Een tekst is niet leeg, en hoogstens %(most)s kB.", most=most))
        theirs = read(self.folder, path)
        if theirs != ours:
            self._compare(path, base, theirs, ours)
            if not theirs:
                self._refuse_taken(path)
            self._write(path, ours)
        return version(ours)

    def amend(self, path: str, edit: Callable[[bytes], bytes]) -> None:
        """Write what `edit` makes of the file as it is now; a file that is not there stays so."""
        if now := read(self.folder, path):
            self.put(path, edit(now), now)

    def remove(self, path: str, base: bytes) -> None:
        """Take a file away that is still `base`; else Conflict. What is gone already is gone."""
        if theirs := read(self.folder, path):
            self._compare(path, base, theirs, b"")
            place(self.folder, path).unlink()
            _settle(place(self.folder, path).parent)
            self.written.append(path)

    def _compare(self, path: str, base: bytes, theirs: bytes, ours: bytes) -> None:
        if version(theirs) != version(base):
            raise Conflict(path, base, theirs, ours)

    def _refuse_taken(self, path: str) -> None:
        home, _slash, name = path.rpartition("/")
        slug = names.split(name).slug
        if elsewhere := homes(self.folder).get(slug, {home}) - {home}:
            taken = Said(
                "De naam “%(slug)s” bestaat al in %(place)s.", slug=slug, place=min(elsewhere)
            )
            raise FixRequest(taken)

    def _write(self, path: str, data: bytes) -> None:
        file = place(self.folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, data)
        self.written.append(path)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[Pen]:
    """A pen, while nobody else in any process has one. Raises TryLater when others write for long.
    The kernel opens the lock when a process dies."""
    git = folder / ".git"
    lock = (git if git.is_dir() else folder) / LOCK
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        _wait(handle)
        yield Pen(folder)
    finally:
        os.close(handle)


def save(folder: Path, path: str, ours: bytes, base: bytes) -> str:
    """Write one file; see Pen.put."""
    with writing(folder) as pen:
        return pen.put(path, ours, base)


def homes(folder: Path) -> dict[str, set[str]]:
    """The folders ("items/2026/11") in which texts of each slug stand."""
    found: dict[str, set[str]] = {}
    for path in (folder / ITEMS).rglob("*.md"):
        if not names.is_leftover(path.name):
            home = path.parent.relative_to(folder).as_posix()
            found.setdefault(names.split(path.name).slug, set()).add(home)
    return found


def free_slug(folder: Path, title: str, begun: Collection[str] = ()) -> str:
    """A slug for a new item of that title, which no other item has, nor any that was begun."""
    taken, slug = {*homes(folder), *begun}, names.slugify(title)[:60].strip("-")
    numbered = (f"{slug}-{number}" for number in range(2, len(taken) + 3))
    return slug if slug not in taken else next(one for one in numbered if one not in taken)


def replace(file: Path, data: bytes) -> None:
    """Put these bytes in the place of a file: after a crash it holds the old ones or the new.

    The name beside it is always the same, so that what a crash leaves is used the next time.
    """
    beside = file.with_name(f".{file.name}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    with os.fdopen(handle, "wb") as draft:
        if file.exists():
            os.fchmod(draft.fileno(), file.stat().st_mode & 0o777)
        draft.write(data)
        draft.flush()
        os.fsync(draft.fileno())
    beside.replace(file)
    _settle(file.parent)


def _settle(folder: Path) -> None:
    """A name that was changed is on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _wait(handle: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                busy = Said("Iemand anders bewaart net iets; probeer het zo dadelijk opnieuw.")
                raise TryLater(busy) from None
            time.sleep(0.02)
