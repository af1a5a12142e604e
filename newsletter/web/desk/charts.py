"""Small charts, as places of what is drawn; the template writes the SVG. No colour says it alone:
what stands beside something else has a pattern too, and a table beside it says the same."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 190
LEFT, TOP, FLOOR = 4, 34, 164
LABELS = 4  # below the axis, at most
ROW = 38  # a bar with its words above it


@dataclass(frozen=True, slots=True)
class Box:
    """A bar; `sort` 0 is solid, 1 hatched."""

    x: float
    y: float
    width: float
    height: float
    sort: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """Words in a chart; `anchor` as in SVG."""

    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn on so many units."""

    height: int
    boxes: tuple[Box, ...] = ()
    words: tuple[Words, ...] = ()
    line: str = ""  # the points of a line
    legend: tuple[str, ...] = ()
    width: int = WIDTH


def columns(labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]]) -> Chart:
    """One or two series side by side, over time."""
    top = max((max(values, default=0) for _name, values in series), default=0) or 1
    slot = (WIDTH - 2 * LEFT) / max(len(labels), 1)
    breadth = slot * 0.8 / len(series)
    boxes = []
    for sort, (_name, values) in enumerate(series):
        for place, value in enumerate(values):
            height = _round((FLOOR - TOP) * value / top)
            x = _round(LEFT + place * slot + slot * 0.1 + sort * breadth)
            boxes.append(Box(x, FLOOR - height, _round(breadth), height, sort))
    names = tuple(name for name, _values in series)
    return Chart(HEIGHT, tuple(boxes), _below(labels), legend=names)


def line(labels: Sequence[str], name: str, values: Sequence[int]) -> Chart:
    """One series over time, from nothing upwards."""
    top = max(values, default=0) or 1
    slot = (WIDTH - 2 * LEFT) / max(len(values), 1)
    places = (
        (LEFT + slot * (place + 0.5), FLOOR - (FLOOR - TOP) * value / top)
        for place, value in enumerate(values)
    )
    points = " ".join(f"{_round(x)},{_round(y)}" for x, y in places)
    return Chart(HEIGHT, words=_below(labels), line=points, legend=(name,))


def bars(rows: Sequence[tuple[str, int, str]]) -> Chart:
    """Lying bars: label, value, and the value in words."""
    top = max((value for _label, value, _said in rows), default=0) or 1
    boxes, words = [], []
    for place, (label, value, said) in enumerate(rows):
        y = place * ROW
        words += [Words(0, y + 13, label), Words(WIDTH, y + 13, said, "end")]
        boxes.append(Box(0, y + 18, _round(max(WIDTH * value / top, 1)), 12))
    return Chart(max(len(rows) * ROW, 1), tuple(boxes), tuple(words))


def _below(labels: Sequence[str]) -> tuple[Words, ...]:
    """As many labels as there is room for, the last one always."""
    slot = (WIDTH - 2 * LEFT) / max(len(labels), 1)
    step = -(-len(labels) // LABELS) or 1
    last = len(labels) - 1
    return tuple(
        Words(WIDTH - LEFT, FLOOR + 18, text, "end")
        if place == last
        else Words(_round(LEFT + (place + 0.5) * slot), FLOOR + 18, text, "middle")
        for place, text in enumerate(labels)
        if (last - place) % step == 0
    )


def _round(value: float) -> float:
    return round(value, 1)
