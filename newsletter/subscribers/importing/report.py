"""What an import did, and the rows it refused: a million of them must fit in little memory."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

PACK = 10_000  # refusals that are pressed together


class Refusal(NamedTuple):
    """A row that stayed out: 1-based line and an English sentence, without the address."""

    line: int
    reason: str


class Refusals:
    """Refused rows in the order of their lines; they can be counted and gone through."""

    def __init__(self) -> None:
        self._packs: list[bytes] = []
        self._loose: list[Refusal] = []

    def add(self, refusals: Iterable[Refusal]) -> None:
        """Keep refusals of lines below all earlier ones."""
        self._loose += sorted(refusals)
        while len(self._loose) >= PACK:
            pack, self._loose = self._loose[:PACK], self._loose[PACK:]
            text = "\n".join(f"{line} {reason}" for line, reason in pack)
            self._packs.append(zlib.compress(text.encode(), 1))

    def __len__(self) -> int:
        return len(self._packs) * PACK + len(self._loose)

    def __iter__(self) -> Iterator[Refusal]:
        for pack in self._packs:
            for text in zlib.decompress(pack).decode().split("\n"):
                line, _space, reason = text.partition(" ")
                yield Refusal(int(line), reason)
        yield from self._loose

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusals) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(slots=True)
class ImportReport:
    """How many rows made a subscriber, made a pending one active, changed nothing; and the rest.

    `format` is whose file it was, `ignored` the columns that were left out, `dry_run`: nothing was
    written, and the counts say what would have been.
    """

    added: int = 0
    activated: int = 0
    unchanged: int = 0
    refused: Refusals = field(default_factory=Refusals)
    format: str = "plain"
    ignored: tuple[str, ...] = ()
    dry_run: bool = False
