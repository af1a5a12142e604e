"""Three-way merging of texts, line by line: what two people made of one text, in one text.

No line that somebody wrote gets lost: it is in the text, or between the marks of a conflict.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

START, MIDDLE, END = "<<<<<<< ", "=======", ">>>>>>> "
_MARK = re.compile(f"^({re.escape(START)}|{re.escape(END)})", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Merge(NamedTuple):
    """The text of both, and how many places are left to a person, between marks."""

    text: str
    conflicts: int


class _Chunk(NamedTuple):
    """The same stretch in three texts."""

    base: Sequence[str]
    theirs: Sequence[str]
    ours: Sequence[str]


def merge(base: str, theirs: str, ours: str, names: tuple[str, str] = ("theirs", "ours")) -> Merge:
    """What both made of `base`; `names` stand beside the marks."""
    lines: list[str] = []
    conflicts = 0
    for chunk in _chunks(*(_LINE.findall(text) for text in (base, theirs, ours))):
        found = _settled(chunk)
        if found is None:
            conflicts += 1
            found = _marked(chunk, names)
        if found and lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += found
    return Merge("".join(lines), conflicts)


def has_marks(text: str, base: str) -> bool:
    """Does a text still hold marks of a conflict? The one in the middle, which can also underline a
    heading, counts where `base` has none."""
    middle = MIDDLE in text.splitlines() and MIDDLE not in base.splitlines()
    return middle or bool(_MARK.search(text))


def _settled(chunk: _Chunk) -> Sequence[str] | None:
    """What the stretch becomes when at most one of them changed it, or both alike; else None."""
    if chunk.theirs == chunk.base or chunk.theirs == chunk.ours:
        return chunk.ours
    return chunk.theirs if chunk.ours == chunk.base else None


def _marked(chunk: _Chunk, names: tuple[str, str]) -> list[str]:
    theirs, ours = names
    return [
        f"{START}{theirs}\n",
        *_closed(chunk.theirs),
        f"{MIDDLE}\n",
        *_closed(chunk.ours),
        f"{END}{ours}\n",
    ]


def _closed(lines: Sequence[str]) -> Iterator[str]:
    """Each with its line end, which the last line of a file may lack."""
    return (line if line.endswith("\n") else f"{line}\n" for line in lines)


def _chunks(base: list[str], theirs: list[str], ours: list[str]) -> Iterator[_Chunk]:
    """The texts cut at the lines that all three share, those lines too."""
    in_theirs, in_ours = _matches(base, theirs), _matches(base, ours)
    at = at_theirs = at_ours = 0
    for line in range(len(base)):
        if line not in in_theirs or line not in in_ours:
            continue
        yield _Chunk(
            base[at:line], theirs[at_theirs : in_theirs[line]], ours[at_ours : in_ours[line]]
        )
        same = base[line : line + 1]
        yield _Chunk(same, same, same)
        at, at_theirs, at_ours = line + 1, in_theirs[line] + 1, in_ours[line] + 1
    yield _Chunk(base[at:], theirs[at_theirs:], ours[at_ours:])


def _matches(base: list[str], other: list[str]) -> dict[int, int]:
    """Lines of `base` by the lines of `other` that they stayed."""
    matcher = difflib.SequenceMatcher(None, base, other, autojunk=False)
    return {
        one.a + step: one.b + step
        for one in matcher.get_matching_blocks()
        for step in range(one.size)
    }
