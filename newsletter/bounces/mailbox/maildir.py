"""A Maildir of this machine: what a mail server delivers into, in `new` and `cur`."""

import contextlib
import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from newsletter.bounces.mailbox.mail import CHUNK, PART, Mail, Unreachable
from newsletter.settings.mailboxes import Maildir

log = logging.getLogger(__name__)

FOLDERS = ("new", "cur", "tmp")
SEEN = ":2,S"


@contextlib.contextmanager
def opened(place: Maildir, done: str) -> Iterator["MaildirBox"]:
    """A Maildir to read all of, and to empty. Raises Unreachable, also for what fails inside."""
    try:
        yield MaildirBox(place.path, place.path / f".{done}" if done else None)
    except OSError as error:
        raise Unreachable(f"The Maildir {place} cannot be used: {error.strerror}.") from None


class MaildirBox:
    """See `mailbox.Mailbox`; `done` is a folder beside `new` and `cur`, as Maildir++ has them."""

    def __init__(self, path: Path, done: Path | None) -> None:
        self._path, self._done = path, done

    def chunks(self, known: set[str]) -> Iterator[list[Mail]]:
        """See `Mailbox`; the oldest first, as their names say."""
        names = [
            f"{folder}/{file.name}"
            for folder in ("new", "cur")
            for file in (self._path / folder).iterdir()
            if not file.name.startswith(".")
        ]
        names.sort(key=lambda name: name.partition("/")[2])
        unknown = (name for name in names if _base(name) not in known)
        while chunk := list(itertools.islice(unknown, CHUNK)):
            read = (self._read(name, known) for name in chunk)
            yield [mail for mail in read if mail]

    def whole(self, mail: Mail) -> bytes:
        """See `Mailbox`."""
        return (self._path / mail.place).read_bytes()

    def take_away(self, mails: Iterable[Mail]) -> None:
        """See `Mailbox`."""
        for mail in mails:
            file = self._path / mail.place
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                if self._done is None:
                    file.unlink()
                    continue
                for name in FOLDERS:
                    (self._done / name).mkdir(mode=0o700, parents=True, exist_ok=True)
                file.rename(self._done / "cur" / f"{mail.key}{SEEN}")

    def _read(self, name: str, known: set[str]) -> Mail | None:
        file = self._path / name
        try:
            with file.open("rb") as opened:
                return Mail(_base(name), name, opened.read(PART), file.stat().st_size)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("A message (%s) cannot be read, and stays: %s", name, error.strerror)
            known.add(_base(name))
            return None


def _base(name: str) -> str:
    """What stays the same when a mail program moves or marks it."""
    return name.partition("/")[2].partition(":2,")[0]
