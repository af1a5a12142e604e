"""Plane geometry for the drawn land: curves, cells, cuts and colours between two."""

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]


def smooth(knots: Sequence[Point], steps: int = 12) -> list[Point]:
    """A Catmull-Rom curve through the knots."""
    padded = [knots[0], *knots, knots[-1]]
    curve: list[Point] = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            curve.append((_spline(a[0], b[0], c[0], d[0], t), _spline(a[1], b[1], c[1], d[1], t)))
    return [*curve, knots[-1]]


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


def cells(sites: list[Point], sheet: list[Point]) -> list[list[Point]]:
    """Voronoi cells: the sheet, cut by the half-plane of every near neighbour."""
    return [_cell(site, sites, sheet) for site in sites]


def _cell(site: Point, sites: list[Point], sheet: list[Point]) -> list[Point]:
    cell = sheet
    for other in sorted(sites, key=lambda point: math.dist(point, site))[1:20]:
        middle = ((site[0] + other[0]) / 2, (site[1] + other[1]) / 2)
        cell = cut(cell, middle, (other[0] - site[0], other[1] - site[1]))
    return cell


def cut(polygon: list[Point], through: Point, normal: Point) -> list[Point]:
    """The part of a polygon behind a line."""
    kept: list[Point] = []
    for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        side_a, side_b = _side(a, through, normal), _side(b, through, normal)
        if side_a <= 0:
            kept.append(a)
        if (side_a < 0 < side_b) or (side_b < 0 < side_a):
            t = side_a / (side_a - side_b)
            kept.append((a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t))
    return kept


def _side(point: Point, through: Point, normal: Point) -> float:
    return (point[0] - through[0]) * normal[0] + (point[1] - through[1]) * normal[1]


def centre(polygon: Sequence[Point]) -> Point:
    """The mean of the corners."""
    return (
        sum(point[0] for point in polygon) / len(polygon),
        sum(point[1] for point in polygon) / len(polygon),
    )


def shrink(polygon: list[Point], by: float) -> list[Point]:
    """A convex polygon with every side moved inwards."""
    middle, smaller = centre(polygon), polygon
    for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        length = math.dist(a, b) or 1.0
        normal = ((b[1] - a[1]) / length, (a[0] - b[0]) / length)
        if _side(middle, a, normal) > 0:
            normal = (-normal[0], -normal[1])
        smaller = cut(smaller, (a[0] - normal[0] * by, a[1] - normal[1] * by), normal)
    return smaller


def rounded(polygon: list[Point], radius: float) -> list[Point]:
    """A polygon with its corners cut off softly."""
    soft: list[Point] = []
    before = polygon[-1:] + polygon[:-1]
    for a, corner, b in zip(before, polygon, polygon[1:] + polygon[:1], strict=True):
        start, end = _towards(corner, a, radius), _towards(corner, b, radius)
        bow = ((start[0] + end[0] + 2 * corner[0]) / 4, (start[1] + end[1] + 2 * corner[1]) / 4)
        soft += [start, bow, end]
    return soft


def _towards(start: Point, end: Point, by: float) -> Point:
    length = math.dist(start, end) or 1.0
    part = min(by / length, 0.45)
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def hatch(polygon: list[Point], angle: float, gap: float) -> list[tuple[Point, Point]]:
    """Parallel lines inside a convex polygon."""
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    reaches = [x * across[0] + y * across[1] for x, y in polygon]
    lines, offset = [], min(reaches, default=0.0) + gap / 2
    while offset < max(reaches, default=0.0):
        crossings = sorted(_crossings(polygon, across, offset, along))
        if len(crossings) > 1:
            lines.append(
                (
                    _at(crossings[0], offset, along, across),
                    _at(crossings[-1], offset, along, across),
                )
            )
        offset += gap
    return lines


def _at(length: float, offset: float, along: Point, across: Point) -> Point:
    return (
        length * along[0] + offset * across[0],
        length * along[1] + offset * across[1],
    )


def _crossings(polygon: list[Point], across: Point, offset: float, along: Point) -> list[float]:
    """How far along the line its crossings with the polygon's sides lie."""
    found = []
    for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        side_a = a[0] * across[0] + a[1] * across[1] - offset
        side_b = b[0] * across[0] + b[1] * across[1] - offset
        if (side_a < 0) != (side_b < 0):
            t = side_a / (side_a - side_b)
            x, y = a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t
            found.append(x * along[0] + y * along[1])
    return found


def beside(line: Sequence[Point], by: float) -> tuple[Point, ...]:
    """A line beside another, to its right for a positive distance."""
    moved = []
    for a, b in pairwise(line):
        length = math.dist(a, b) or 1.0
        moved.append((a[0] - (b[1] - a[1]) / length * by, a[1] + (b[0] - a[0]) / length * by))
    return tuple(moved)


def mix(one: str, other: str, part: float) -> str:
    """A colour between two, `part` of the way to the other."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
