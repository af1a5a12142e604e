"""A CSV file of subscribers as rows: encoding, delimiter, header. Faults stop before row one."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from newsletter.errors import FixRequest
from newsletter.subscribers.importing.formats import Layout, recognise

DELIMITERS = ",;\t"  # Excel in Belgium writes ;


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the header means, and the rows below it: 1-based line, and a value for each column."""

    layout: Layout
    rows: Iterator[tuple[int, list[str]]]


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, in constant memory.

    The whole file is read once before, so that a fault on the last line stops the import before the
    first. Raises FixRequest, with the line, for another encoding or broken quotes.
    """
    try:
        with path.open("rb") as file:
            for _row in _parsed(_decoded(file))[1]:
                pass
        with path.open("rb") as file:
            yield from _decoded(file)
    except OSError as error:
        raise FixRequest(f"{path} cannot be read: {error.strerror}.") from None


def read(lines: Iterable[str], confirmed_at: str | None = None) -> Sheet:
    """The rows below the header, without empty ones; `confirmed_at` as in `formats.recognise`.

    Raises FixRequest, at once, for a header that nobody knows.
    """
    header, rows = _parsed(lines)
    return Sheet(recognise(header, confirmed_at), rows)


def _parsed(lines: Iterable[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    source = iter(lines)
    first = next(source, "").removeprefix("\ufeff")
    above = 0
    if first.lower().startswith("sep="):  # Excel's own first line
        first, above = next(source, ""), 1
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], source), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise FixRequest(f"line 1: this is not a CSV file with one row a line: {error}.") from None

    def read() -> Iterator[tuple[int, list[str]]]:
        line = above + reader.line_num + 1
        try:
            for fields in reader:
                if any(map(str.strip, fields)):
                    yield line, fields
                line = above + reader.line_num + 1
        except csv.Error as error:
            raise FixRequest(f"line {line}: {_in_words(error)}.") from None

    return header, read()


def _in_words(error: csv.Error) -> str:
    if str(error) == "unexpected end of data":
        return "a quotation mark opens here and is never closed"
    return str(error)


def _decoded(file: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:  # UTF-16 reads as NULs
            raise FixRequest(
                f"line {number}: this is not UTF-8; save the file as 'CSV UTF-8' and try again."
            )
        yield text
