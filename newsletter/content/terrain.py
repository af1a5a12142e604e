"""The drawn land behind a place's name: fields, a river, roads, houses and contour lines.

On a sheet of 1200 x 480, y downwards. The same name gives the same land for ever:
only `Random.random` is used, whose numbers Python promises not to change for a seed.
"""

import hashlib
import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

from newsletter.content import geometry
from newsletter.content.geometry import Point

WIDTH, HEIGHT = 1200, 480
# Fields run on past the edges, so that none shows its end.
_SHEET = [
    (-60.0, -60.0),
    (WIDTH + 60.0, -60.0),
    (WIDTH + 60.0, HEIGHT + 60.0),
    (-60.0, HEIGHT + 60.0),
]

GROUND = "#FBF7EE"
SAND = ("#F1E8D3", "#EADDC0", "#F4EDDD", "#E4D4B2")
TEAL = ("#C5D9D0", "#A9C9BE", "#D6E4DB", "#8DB6AA")
TERRACOTTA = ("#EBCDB8", "#DFAE92", "#F0DCCB", "#CE8C6B")
WATER, WATER_LIGHT = "#0B5A52", "#3C8279"
ROAD, ROOF, INK = "#FFFFFF", "#A8401F", "#1B2B2A"


class Shape(NamedTuple):
    """A filled polygon when `fill` is set, else an open line of `width` in colour `stroke`."""

    points: tuple[Point, ...]
    fill: str = ""
    stroke: str = ""
    width: float = 0.0


def draw(place: str) -> list[Shape]:
    """The land of a place, from back to front; case and spaces of the name do not matter."""
    name = " ".join(unicodedata.normalize("NFC", place).casefold().split())
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest(), "big")
    return _Land(Random(seed)).shapes  # noqa: S311  a drawing keeps no secret


class _Land:
    """Draws in the order of the eye: fields, hill, water, roads, houses."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.slant = self._between(-0.5, 0.5)
        self.river = self._river()
        self.town, self.bank = self._town()
        self.shapes: list[Shape] = []
        self._fields()
        self._hill()
        self._water()
        self._roads_and_houses()

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random.random()

    def _river(self) -> list[Point]:
        """A curve from the left to the right edge that swings around a slope."""
        start, end = self._between(90, 390), self._between(90, 390)
        swing, phase = self._between(35, 90), self._between(0, math.tau)
        turns = self._between(1.1, 2.0)
        knots = []
        for step in range(13):
            y = start + (end - start) * step / 12 + self._between(-12, 12)
            y += swing * math.sin(phase + turns * math.tau * step / 12)
            knots.append((-80 + step / 12 * (WIDTH + 160), min(max(y, 40), HEIGHT - 40)))
        return geometry.smooth(knots)

    def _town(self) -> tuple[Point, int]:
        """On the roomier bank of the river, off the middle; 1 is the bank below."""
        part = 0.3 if self.random.random() < 0.5 else 0.64
        x, y = self.river[int(len(self.river) * (part + self._between(-0.06, 0.06)))]
        bank = 1 if y < HEIGHT / 2 else -1
        return (x, y + bank * self._between(80, 105)), bank

    def _fields(self) -> None:
        sites = [self._site(column, row) for column in range(-1, 9) for row in range(-1, 5)]
        sites = [geometry.centre(cell) for cell in geometry.cells(sites, _SHEET) if len(cell) > 2]
        for cell in geometry.cells(sites, _SHEET):
            if len(cell) > 2:
                self._estate(cell)

    def _site(self, column: int, row: int) -> Point:
        x = (column + 0.5) * WIDTH / 8 + self._between(-75, 75)
        y = (row + 0.5) * HEIGHT / 4 + self._between(-60, 60)
        return x + self.slant * (y - HEIGHT / 2), y

    def _estate(self, cell: list[Point]) -> None:
        """Neighbouring fields of one owner: the same direction, colours of one family."""
        family = self._family(geometry.centre(cell))
        angle = self.slant + self._between(-0.5, 0.5) + (math.pi / 2) * (self.random.random() < 0.4)
        rest, across = geometry.shrink(cell, 3.4), (-math.sin(angle), math.cos(angle))
        reaches = [x * across[0] + y * across[1] for x, y in rest]
        low, high = min(reaches), max(reaches)
        cut = low + self._between(24, 62)
        while cut < high - 22:
            through = (across[0] * cut, across[1] * cut)
            self._field(geometry.cut(rest, through, across), family, angle)
            rest = geometry.cut(rest, through, (-across[0], -across[1]))
            cut += self._between(24, 62)
        self._field(rest, family, angle)

    def _family(self, middle: Point) -> Sequence[str]:
        """Green by the water, red around the town, sand elsewhere, with exceptions."""
        wet = min(math.dist(middle, point) for point in self.river[::6])
        dice = self.random.random()
        if (wet < 130 and dice < 0.55) or dice < 0.2:
            return TEAL
        return TERRACOTTA if dice > (0.7 if math.dist(middle, self.town) < 280 else 0.88) else SAND

    def _field(self, cell: list[Point], family: Sequence[str], angle: float) -> None:
        inset = geometry.shrink(cell, 1.3)
        if len(inset) < 3:
            return
        choice = self.random.random()
        fill = family[sum(choice > limit for limit in (0.4, 0.72, 0.93))]
        self.shapes.append(Shape(tuple(geometry.rounded(inset, 4)), fill=fill))
        if self.random.random() < 0.26:
            colour = geometry.mix(fill, INK, 0.12)
            for line in geometry.hatch(geometry.shrink(inset, 4), angle, 7.5):
                self.shapes.append(Shape(line, stroke=colour, width=1.1))

    def _hill(self) -> None:
        """Rings where there is most room between the river, the town and the edges."""
        spots = [(self._between(90, WIDTH - 90), self._between(40, HEIGHT - 40)) for _ in range(24)]
        middle = max(spots, key=self._room)
        bumps = [(self._between(0.04, 0.11), self._between(0, math.tau)) for _ in range(4)]
        rings = int((self._room(middle) - 12) / 17)
        for ring in range(1, min(rings, 9) + 1):
            points = tuple(_ring(middle, ring * 17.0, ring, bumps))
            deep = ring % 4 == 0
            self.shapes.append(
                Shape(points, stroke="#8F6A42" if deep else "#A98256", width=1.9 if deep else 1.3)
            )

    def _room(self, spot: Point) -> float:
        wet = min(math.dist(spot, point) for point in self.river[::4])
        return min(wet, math.dist(spot, self.town) - 40) / 1.45

    def _water(self) -> None:
        for by, colour, width in (
            (0.0, GROUND, 35.0),
            (0.0, WATER, 26.0),
            (-5.0, WATER_LIGHT, 2.0),
            (4.0, WATER_LIGHT, 1.5),
        ):
            self.shapes.append(Shape(geometry.beside(self.river, by), stroke=colour, width=width))

    def _roads_and_houses(self) -> None:
        (x, y), bank = self.town, self.bank
        edge = HEIGHT + 40.0 if bank > 0 else -40.0
        over = HEIGHT - edge
        main = geometry.smooth(
            [
                (x + self._between(-170, 170), edge),
                (x + self._between(-60, 60), (y + edge) / 2),
                (x, y),
                (x + self._between(-50, 50), y - bank * 120),
                (x + self._between(-200, 200), over),
            ]
        )
        valley = geometry.smooth([*self._along(-60.0), (x, y), *self._along(WIDTH + 60.0)[::-1]])
        roads = ((valley, 6.5), (main, 8.5))
        for road, width in roads:
            line = tuple(road)
            self.shapes.append(Shape(line, stroke=geometry.mix(INK, ROAD, 0.5), width=width + 2.8))
        for road, width in roads:
            self.shapes.append(Shape(tuple(road), stroke=ROAD, width=width))
        self._houses(valley, 6.5, main)
        self._houses(main, 8.5, valley)

    def _along(self, edge: float) -> list[Point]:
        """Knots of the road from an edge to the town, on the town's bank of the river."""
        x = self.town[0]
        knots = []
        for at in (edge, edge + (x - edge) * 0.35, edge + (x - edge) * 0.7):
            nearest = min(self.river, key=lambda point: abs(point[0] - at))
            knots.append((at, nearest[1] + self.bank * self._between(75, 105)))
        return knots

    def _houses(self, road: list[Point], width: float, crossing: list[Point]) -> None:
        """Small blocks on both sides of a road, closer together near the town."""
        for a, b in pairwise(road):
            away = math.dist(a, self.town)
            for side in (-1, 1):
                if self.random.random() < 1.15 - away / 130:
                    self._house(a, b, side * (width / 2 + self._between(8, 11)), crossing)

    def _house(self, a: Point, b: Point, by: float, crossing: list[Point]) -> None:
        angle = math.atan2(b[1] - a[1], b[0] - a[0])
        middle = (a[0] - math.sin(angle) * by, a[1] + math.cos(angle) * by)
        wet = min(math.dist(middle, point) for point in self.river)
        if wet < 26 or min(math.dist(middle, point) for point in crossing) < 13:
            return
        long, wide = self._between(3.5, 6.5), self._between(3, 4.5)
        corners = ((-long, -wide), (long, -wide), (long, wide), (-long, wide))
        points = tuple(
            (
                middle[0] + u * math.cos(angle) - v * math.sin(angle),
                middle[1] + u * math.sin(angle) + v * math.cos(angle),
            )
            for u, v in corners
        )
        self.shapes.append(Shape(points, fill=ROOF if self.random.random() < 0.8 else INK))


def _ring(
    middle: Point, radius: float, number: int, bumps: Sequence[tuple[float, float]]
) -> list[Point]:
    """A closed contour line; rings of near numbers have nearly the same bumps."""
    points = []
    for step in range(65):
        turn = math.tau * step / 64
        wave = sum(
            size * math.sin((index + 2) * turn + phase + number * 0.1)
            for index, (size, phase) in enumerate(bumps)
        )
        reach = radius * (1 + wave)
        points.append(
            (middle[0] + reach * 1.3 * math.cos(turn), middle[1] + reach * math.sin(turn))
        )
    return points
