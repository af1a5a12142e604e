"""The pictures in content/images: which are there, what is wrong with them, and each made ready.

Like everything on the shelf they are read anew when their file changes, and never from outside of
the folder. For many threads.
"""

import difflib
import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

from newsletter.content import images
from newsletter.content.files import Files, NotAFile
from newsletter.content.images import LEAST, MOST_OCTETS, Ready, Seen
from newsletter.content.names import is_leftover, picture_said
from newsletter.errors import FixContent
from newsletter.i18n import Said

FOLDER = "images"
KEPT = 64  # pictures made ready; that of an issue, and of the next try at it


class Gallery:
    """The pictures among the files of a shelf; a name is a path below its `images`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._ready: OrderedDict[bytes, Ready] = OrderedDict()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Every file there is, picture or not."""
        top = self._files.root / FOLDER
        found = (path for path in self._files.under(FOLDER) if not is_leftover(path.name))
        return [path.relative_to(top).as_posix() for path in found]

    def fault(self, name: str, *, lead: bool) -> Said | None:
        """What is wrong with a picture, for `picture_said`; None: nothing. The one above a story
        (`lead`) must not be tiny."""
        if not self._files.has(FOLDER, name):
            close = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.6)
            advice = (
                Said("bedoel je “%(close)s”?", close=close[0]) if close else Said("zet ze daar.")
            )
            return Said("staat niet in content/images; %(advice)s", advice=advice)
        try:
            seen = self._files.load(self._path(name), images.look, MOST_OCTETS)
        except (NotAFile, FileNotFoundError):
            return Said("kan niet gelezen worden; zet ze opnieuw in content/images.")
        return seen.fault or (_too_small(seen) if lead else None)

    def ready(self, name: str) -> Ready:
        """A picture made ready. Raises FixContent."""
        if fault := self.fault(name, lead=False):
            raise FixContent(picture_said(name, fault))
        data = self._files.read(self._path(name), MOST_OCTETS)
        key = hashlib.sha256(data).digest()
        with self._lock:
            if made := self._ready.get(key):
                self._ready.move_to_end(key)
                return made
        made = images.accept(data, name)
        with self._lock:
            self._ready[key] = made
            while len(self._ready) > KEPT:
                self._ready.popitem(last=False)
        return made

    def _path(self, name: str) -> Path:
        return self._files.root / FOLDER / name


def _too_small(seen: Seen) -> Said | None:
    if min(seen.width, seen.height) >= LEAST:
        return None
    return Said(
        "is %(width)s x %(height)s px; boven een artikel moet ze minstens %(least)s px hoog en "
        "breed zijn.",
        width=seen.width,
        height=seen.height,
        least=LEAST,
    )
