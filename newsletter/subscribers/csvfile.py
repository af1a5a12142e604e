"""A CSV file of subscribers as rows: encoding, delimiter, header. Faults stop before row one."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from newsletter.errors import FixRequest

REQUIRED = "email"
COLUMNS = (REQUIRED, "locale", "topics", "cadence", "confirmed_at")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its 1-based line in the file, stripped values by column ('' when missing)."""

    line: int
    values: Mapping[str, str]
    surplus: bool  # more values than the header has columns


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, in constant memory.

    The whole file is read once before, so that a fault on the last line stops the import before the
    first. Raises FixRequest, with the line, for another encoding, broken quotes or a wrong header.
    """
    try:
        with path.open("rb") as file:
            for _row in rows(_decoded(file)):
                pass
        with path.open("rb") as file:
            yield from _decoded(file)
    except OSError as error:
        raise FixRequest(f"{path} cannot be read: {error.strerror}.") from None


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """The rows below the header. Raises FixRequest, at once, for a header that is not ours."""
    source = iter(lines)
    first = next(source, "").removeprefix("\ufeff")
    delimiter = ";" if first.count(";") > first.count(",") else ","  # Excel in Belgium writes ;
    reader = csv.reader(chain([first], source), delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(reader, []))
    except csv.Error as error:
        raise FixRequest(f"line 1: this is not a CSV file with one row a line: {error}.") from None

    def read() -> Iterator[Row]:
        line = reader.line_num + 1
        try:
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield _row(line, columns, fields)
                line = reader.line_num + 1
        except csv.Error as error:
            raise FixRequest(f"line {line}: {error}.") from None

    return read()


def _row(line: int, columns: list[str], fields: list[str]) -> Row:
    named = {name: value.strip() for name, value in zip(columns, fields, strict=False)}
    surplus = any(field.strip() for field in fields[len(columns) :])
    return Row(line, dict.fromkeys(COLUMNS, "") | named, surplus)


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    known = ", ".join(COLUMNS)
    for name in columns:
        if name not in COLUMNS:
            raise FixRequest(f"line 1: there is no column {name!r}; the columns are {known}.")
    if REQUIRED not in columns:
        raise FixRequest(f"line 1: the header has no column email; the columns are {known}.")
    if len(set(columns)) < len(columns):
        raise FixRequest("line 1: a column stands twice in the header.")
    return columns


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
