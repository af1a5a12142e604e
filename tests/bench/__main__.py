"""`make bench`: prints tables, and writes the figures of each part to build/bench-PART.json.

`make bench-large` measures more, and writes docs/BENCHMARKS.md with what build/ has then.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import (
    archive,
    bounces,
    desk,
    drawing,
    figures,
    importing,
    large,
    planning,
    report,
    sending,
    web,
    workers,
)

Measure = Callable[[Path], dict[str, Any]]
FEW = (500, 1_000)  # subscribers of the whole road, to see that it runs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--large", action="store_true", help="also a million readers")
    parser.add_argument("--only", choices=[*_parts(False, False), *_large(False)], help="a part")
    parser.add_argument("--quick", action="store_true", help="few requests: does it run?")
    parser.add_argument("--publish", action="store_true", help="write docs/BENCHMARKS.md, only")
    chosen = parser.parse_args()
    parts = _parts(chosen.large, chosen.quick)
    if chosen.large or chosen.only in _large(False):
        parts |= _large(chosen.quick)
    for name in () if chosen.publish else [chosen.only] if chosen.only else parts:
        figures.keep(name, parts[name])
    if chosen.publish or (chosen.large and not chosen.quick):
        found = figures.publish()
        report.write(found)
        drawing.draw(found)


def _parts(big: bool, quick: bool) -> dict[str, Measure]:
    """What `make bench` measures; `big`: at the sizes of bench-large."""
    subscribers = desk.SUBSCRIBERS if big else desk.SMALL
    return {
        "sending": partial(sending.measure, large=big),
        "workers": partial(workers.measure, size=workers.QUICK if quick else workers.Size()),
        "web": partial(web.measure, size=web.QUICK if quick else web.Size()),
        "archive": partial(archive.measure, size=archive.QUICK if quick else archive.Size()),
        "desk": partial(desk.measure, subscribers=desk.QUICK if quick else subscribers),
        "bounces": partial(bounces.measure, reports=bounces.QUICK if quick else bounces.REPORTS),
    }


def _large(quick: bool) -> dict[str, Measure]:
    """What only bench-large measures."""
    readers = FEW[-1] if quick else planning.READERS
    return {
        "planning": partial(planning.measure, readers=readers),
        "importing": partial(importing.measure, rows=readers),
        "large": partial(large.measure, sizes=FEW if quick else large.SIZES),
    }


if __name__ == "__main__":
    main()
