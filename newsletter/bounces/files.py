"""Messages in files: one by itself, a folder of them (Maildir too), a mailbox file (mbox)."""

import re
from collections.abc import Iterator
from pathlib import Path

from newsletter.bounces.dsn.opening import LIMIT
from newsletter.errors import FixRequest

# Line between the messages of a mailbox file (RFC 4155), after an empty one.
FROM_LINE = re.compile(rb"From \S+ +.*\d{1,2}:\d{2}(?::\d{2})?.* \d{4}\b.*\r?\n?")
FROM_LONGEST = 500  # octets of it that are looked at: in a long line the search would take minutes
ONE_MESSAGE = (".eml", ".txt", ".msg")  # one message each, whatever the first line looks like


def messages(path: Path, *, whole: bool = False) -> Iterator[tuple[str, bytes]]:
    """Each message below `path` with the name of its place; unless `whole`, cut at what a reader
    reads of it.

    Files come in the order of their names, hidden ones and Maildir's `tmp` not at all. Raises
    FixRequest when a file cannot be read.
    """
    if not path.exists():
        raise FixRequest(f"{path} is not there.")
    try:
        files = sorted(filter(_counts, path.rglob("*"))) if path.is_dir() else [path]
        for file in files:
            yield from _in_file(file, -1 if whole else LIMIT)
    except OSError as error:
        raise FixRequest(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def _counts(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.parent.name != "tmp"


def _in_file(file: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    with file.open("rb") as opened:
        first = opened.readline(LIMIT)
        opened.seek(0)
        if file.suffix.lower() in ONE_MESSAGE or not FROM_LINE.match(first[:FROM_LONGEST]):
            yield str(file), opened.read(limit)
            return
        found = _in_mbox(opened, limit)
        yield from ((f"{file}#{n}", raw) for n, raw in enumerate(found, start=1))


def _in_mbox(lines: Iterator[bytes], limit: int) -> Iterator[bytes]:
    message: list[bytes] = []
    size, empty = 0, True
    for line in lines:
        if empty and FROM_LINE.match(line[:FROM_LONGEST]):
            if message:
                yield b"".join(message)
            message, size = [], 0
        elif limit < 0 or size < limit:
            message.append(line)
            size += len(line)
        empty = not line.strip()
    if message:
        yield b"".join(message)
