"""Messages in files: one by itself, a folder of them (Maildir too), a mailbox file (mbox)."""

import re
from collections.abc import Iterator
from pathlib import Path

from newsletter.bounces.dsn.opening import LIMIT
from newsletter.errors import FixRequest

# Line between the messages of a mailbox file (RFC 4155), after an empty one.
FROM_LINE = re.compile(rb"From \S+ +.*\d{1,2}:\d{2}(?::\d{2})?.* \d{4}\b.*\r?\n?")
ONE_MESSAGE = (".eml", ".txt", ".msg")  # one message each, whatever the first line looks like


def messages(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each message below `path`, cut at what a reader reads of it, with the name of its place.

    Files come in the order of their names, hidden ones and Maildir's `tmp` not at all. Raises
    FixRequest when a file cannot be read.
    """
    if not path.exists():
        raise FixRequest(f"{path} is not there.")
    try:
        files = sorted(filter(_counts, path.rglob("*"))) if path.is_dir() else [path]
        for file in files:
            yield from _in_file(file)
    except OSError as error:
        raise FixRequest(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def _counts(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.parent.name != "tmp"


def _in_file(file: Path) -> Iterator[tuple[str, bytes]]:
    with file.open("rb") as opened:
        start = opened.read(LIMIT)
        if file.suffix.lower() in ONE_MESSAGE or not FROM_LINE.match(start.partition(b"\n")[0]):
            yield str(file), start
            return
        opened.seek(0)
        yield from ((f"{file}#{n}", raw) for n, raw in enumerate(_in_mbox(opened), start=1))


def _in_mbox(lines: Iterator[bytes]) -> Iterator[bytes]:
    message: list[bytes] = []
    size, empty = 0, True
    for line in lines:
        if empty and FROM_LINE.match(line):
            if message:
                yield b"".join(message)
            message, size = [], 0
        elif size < LIMIT:
            message.append(line)
            size += len(line)
        empty = not line.strip()
    if message:
        yield b"".join(message)
